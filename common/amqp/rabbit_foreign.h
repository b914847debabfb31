// Publishes to the exchanges of others, on a channel of its own of the publisher's connection.
//
// Operation.  RabbitMQ closes the channel of who publishes to an exchange that is not there or not allowed,
// and with it goes all that is unconfirmed on it: so Duly's own messages are not on this one, and of an
// exchange it is asked first whether it exists, on a third channel where the answer "no" costs nothing.  What
// was refused is remembered for a moment, so that many messages for one such exchange are not as many closed
// channels.  After a close that names nobody, publishes go out one at a time until the one that is meant has
// shown itself.  Every publish is settled, by what take_settled() gives.
// Concurrency.  The publisher's thread.
// Limits.  What is open or waits for its turn is bounded by the publisher's window.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/amqp/confirm_tracker.h"
#include "common/amqp/rabbit_message.h"

namespace duly {

class RabbitConnection;

class RabbitForeign {
 public:
  static constexpr amqp_channel_t kChannel = 3;

  // Opens the channel.
  Status prepare(RabbitConnection& connection);
  // True when publish() would ask the broker and wait for its answer.
  [[nodiscard]] bool must_ask(const std::string& exchange, MonoTime now) const;
  Status publish(RabbitConnection& connection, amqp_channel_t ask_on, PublishTicket ticket,
                 AmqpMessage message);
  // Frames of this channel only.
  Status on_frame(RabbitConnection& connection, const amqp_frame_t& frame);
  // The connection is gone.
  void lost();

  std::vector<SettledPublish> take_settled() { return std::exchange(settled_, {}); }
  [[nodiscard]] std::size_t open() const { return tracker_.open() + waiting_.size(); }
  [[nodiscard]] std::optional<MonoTime> oldest() const { return tracker_.oldest(); }

 private:
  struct Refusal {
    MonoTime until;
    std::string reason;
  };
  struct Waiting {
    PublishTicket ticket;
    AmqpMessage message;
  };
  Status ask(RabbitConnection& connection, amqp_channel_t ask_on, const std::string& exchange);
  Status send(RabbitConnection& connection, PublishTicket ticket, const AmqpMessage& message);
  Status send_waiting(RabbitConnection& connection);
  Status on_method(RabbitConnection& connection, const amqp_method_t& method);
  Status on_close(RabbitConnection& connection, const std::string& reason, Duration kept);
  [[nodiscard]] const Refusal* refusal_of(const std::string& exchange, MonoTime now) const;
  void settle(std::vector<SettledPublish> settled);

  ConfirmTracker tracker_;
  MessageAssembler returned_;
  AmqpMessage returned_to_;  // its exchange and routing key
  std::string returned_why_;
  std::map<std::string, std::optional<Refusal>> exchanges_;  // nothing = it was there
  std::size_t one_at_a_time_ = 0;                            // so many more
  std::deque<Waiting> waiting_;                              // for their turn then
  std::vector<SettledPublish> settled_;
};

}  // namespace duly
