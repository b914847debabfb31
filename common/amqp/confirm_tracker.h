// The bookkeeping of publisher confirms on one channel: frames in, outcomes out.  Pure, one thread.
//
// RabbitMQ numbers publishes per channel from 1.  An unroutable mandatory message is first returned, then
// confirmed: its ack means "returned".  A confirm with `multiple` settles everything up to its number, and
// with number 0 everything open. Source: RabbitMQ documentation, "Consumer Acknowledgements and Publisher
// Confirms".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/amqp/broker.h"

namespace duly {

class ConfirmTracker {
 public:
  // A message with this ticket and message id goes out at `now`; answers the delivery tag the broker will
  // use.
  std::uint64_t on_publish(PublishTicket ticket, std::string message_id, MonoTime now);
  // basic.return: the oldest open publish with this message id is unroutable.  Unknown ids are ignored.
  void on_return(const std::string& message_id);
  // basic.ack / basic.nack.  Tags that are unknown or already settled are ignored.
  std::vector<SettledPublish> on_ack(std::uint64_t tag, bool multiple);
  std::vector<SettledPublish> on_nack(std::uint64_t tag, bool multiple);
  // The channel is gone: everything open is in doubt; tags begin at 1 again.
  std::vector<SettledPublish> on_channel_lost();

  [[nodiscard]] std::size_t open() const { return open_.size(); }
  // When the oldest open publish went out, or nothing when none is open.
  [[nodiscard]] std::optional<MonoTime> oldest() const;

 private:
  struct Entry {
    PublishTicket ticket;
    std::string message_id;
    MonoTime sent;
    bool returned = false;
  };
  std::vector<SettledPublish> settle(std::uint64_t tag, bool multiple, PublishOutcome outcome);

  std::uint64_t next_tag_ = 1;
  std::map<std::uint64_t, Entry> open_;  // by delivery tag
};

}  // namespace duly
