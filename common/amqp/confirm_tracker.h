// The bookkeeping of publisher confirms on one channel: frames in, outcomes out.  Pure, one thread.
//
// RabbitMQ numbers publishes per channel from 1.  An unroutable mandatory message is first returned, then
// confirmed: its ack means "returned".  A confirm with `multiple` settles everything up to its number, and
// with number 0 everything open. Source: RabbitMQ documentation, "Consumer Acknowledgements and Publisher
// Confirms".
//
// Which publish a return speaks of.  basic.return has no delivery tag, and ids are the users' own: they may
// be missing, or the same twice.  So it is found by all that the broker was given, and of equal ones the
// oldest is taken, since it does not matter which of two equal messages is published again.  When nothing is
// equal (a plugin may have put a header in), every open publish by that way counts as returned: one too many
// is published twice, one too few would be lost.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/amqp/broker.h"

namespace duly {

// What a return is compared by.
struct Fingerprint {
  std::string exchange;
  std::uint64_t way = 0;      // exchange and routing key
  std::uint64_t content = 0;  // of a verbatim message properties and body, else its id, which is our own
};
enum class Compare : bool { by_id, by_content };
Fingerprint fingerprint_of(const AmqpMessage& message, Compare how);

class ConfirmTracker {
 public:
  // A message with this ticket goes out at `now`; answers the delivery tag the broker will use.
  std::uint64_t on_publish(PublishTicket ticket, Fingerprint fingerprint, MonoTime now);
  // basic.return: which open publish is unroutable, see above.  Of a way that nothing went it is ignored.
  void on_return(const Fingerprint& fingerprint, const std::string& reason = "");
  // basic.ack / basic.nack.  Tags that are unknown or already settled are ignored.
  std::vector<SettledPublish> on_ack(std::uint64_t tag, bool multiple);
  std::vector<SettledPublish> on_nack(std::uint64_t tag, bool multiple);
  // The channel is gone: everything open is in doubt; tags begin at 1 again.
  std::vector<SettledPublish> on_channel_lost();
  // The broker has closed the channel for what was published, and says why: what went to the exchange that it
  // names has failed, the rest is in doubt.  A single open publish is meant even if no name is known.
  std::vector<SettledPublish> on_channel_refused(const std::string& reason);

  [[nodiscard]] std::size_t open() const { return open_.size(); }
  // When the oldest open publish went out, or nothing when none is open.
  [[nodiscard]] std::optional<MonoTime> oldest() const;

 private:
  struct Entry {
    PublishTicket ticket;
    Fingerprint fingerprint;
    MonoTime sent;
    bool returned = false;
    std::string reason = {};
  };
  std::vector<SettledPublish> settle(std::uint64_t tag, bool multiple, PublishOutcome outcome);

  std::uint64_t next_tag_ = 1;
  std::map<std::uint64_t, Entry> open_;  // by delivery tag
};

}  // namespace duly
