// AmqpMessage to and from the frames of rabbitmq-c.
//
// What comes in was written by anybody: of header fields of kinds we have no type for only the kind is known,
// and a body larger than the assembler's limit is read past, not kept.
#pragma once

#include <amqp.h>

#include <optional>
#include <string>

#include "common/amqp/broker.h"

namespace duly {

inline constexpr std::size_t kLargestBody = std::size_t{16} << 20;

// Writes the message as one mandatory publish.  Answers the library's status; AMQP_STATUS_BAD_AMQP_DATA: its
// properties cannot be read, and nothing was written.
int publish_message(amqp_connection_state_t state, amqp_channel_t channel, const AmqpMessage& message);

// Puts header and body frames of one channel together again.  One thread.
class MessageAssembler {
 public:
  explicit MessageAssembler(std::size_t largest = kLargestBody) : largest_(largest) {}
  // A method that carries content (basic.deliver, basic.return) came; its header and body follow.
  void begin();
  [[nodiscard]] bool busy() const { return busy_; }
  // True when the message is whole.  Frames that do not belong here are ignored.
  bool add(const amqp_frame_t& frame);
  // Of a whole message; exchange and routing key are left empty.  Nothing when the body was too large.
  std::optional<AmqpMessage> take();

 private:
  bool add_header(const amqp_frame_t& frame);

  std::size_t largest_;
  AmqpMessage message_;
  std::string body_;
  std::uint64_t missing_ = 0;
  bool busy_ = false;
  bool has_header_ = false;
  bool too_large_ = false;
};

}  // namespace duly
