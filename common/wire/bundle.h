// A message with several commands of one queue (contract section 5, `bundle`): RabbitMQ's cost is by the
// message, ours by the command.
//
// The body: 4 bytes length of the header (big-endian), the header (JSON: what an execution message says in
// properties and headers, for each command), then the payloads one after the other.  PROTOCOL.md describes
// it.
#pragma once

#include <vector>

#include "common/wire/envelope.h"

namespace duly {

// Two commands at least, all of one queue.
AmqpMessage make_bundle(const std::vector<HandOutItem>& items, std::int64_t now_s);

// The commands of an execution message: one, or those of a bundle.  An error says what is wrong: such a
// message is parked whole.  Linear in the message's size, whoever wrote it.
Result<std::vector<Execution>> read_executions(const AmqpMessage& message);

}  // namespace duly
