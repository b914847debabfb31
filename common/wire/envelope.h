// Commands as messages: the execution message (contract section 5), to and from an AmqpMessage, and what
// deliver mode publishes.
#pragma once

#include <string>

#include "common/amqp/broker.h"
#include "common/wire/messages.h"

namespace duly {

// The message for one handed-out command: exchange duly.execute, routing key = the queue, body = the payload.
AmqpMessage make_execution_message(const HandOutItem& item, std::int64_t now_s);

// Of a command in deliver mode: the message as it was asked for, to the exchange it was asked for.  A trace
// of ours is told only where the message does not bring one.
AmqpMessage make_delivery(const HandOutItem& item);

// The trace that a message's headers name; null = none that can be understood.
TracePtr trace_of(const AmqpMessage& message);
void tell_trace(const TracePtr& trace, AmqpMessage& message);

// What an executor needs of a delivery.
struct Execution {
  CommandId id;
  int attempt = 0;
  int max_attempts = 0;
  Token token;
  std::string type;
  std::string queue;
  std::string key;
  std::int64_t due_at_ms = 0;
  Bytes payload;
  TracePtr trace = nullptr;     // null = none
  std::int64_t timeout_ms = 0;  // not in the message: the permit brings it
};
// An error says which header is missing or wrong: such a message is parked, never run, never requeued.
Result<Execution> read_execution_message(const AmqpMessage& message);

}  // namespace duly
