// What Duly needs of RabbitMQ: publish with confirms, consume, settle, look at a queue.
//
// Operation.  A Broker keeps its connections up by itself: publishing and consuming use separate ones, each
// is re-opened with backoff when it breaks, and the topology is declared anew each time.  All calls are made
// on the loop thread, return at once, and are answered through BrokerEvents, whose functions run as tasks of
// that loop. Contract (tests/contract/broker_contract.h runs it against every implementation):
//  - every publish() is answered by exactly one settled(): confirmed, returned, rejected or in_doubt;
//    `in_doubt` is not success: the message may or may not be in the queue;
//  - a publish() while the publishing connection is down or blocked beyond its deadline settles as in_doubt;
//  - an unroutable message settles as returned, never as confirmed;
//  - so does a verbatim one whose exchange is not there or may not be written to, and `detail` says which it
//    was; what else was open on their channel is at worst in doubt, and nothing else is touched;
//  - deliveries are numbered by (generation, tag); after consumer_down() nothing of that generation can be
//  settled,
//    and settle() of an older generation is ignored;
//  - consume() of a queue stays in force over reconnects; a queue deleted under a consumer is declared anew.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/model/command.h"

namespace duly {

// A header of a kind that is neither a whole number nor text: known to be there, and not passed on.
struct OtherHeader {
  char kind = 0;  // AMQP's letter for it
  friend bool operator==(const OtherHeader&, const OtherHeader&) = default;
};
using HeaderValue = std::variant<std::int64_t, std::string, OtherHeader>;

struct AmqpMessage {
  std::string exchange;
  std::string routing_key;
  Bytes body;
  std::string message_id;
  std::string correlation_id;
  std::string type;
  std::string content_type = "application/json";
  std::int64_t timestamp_s = 0;  // 0 = none
  std::map<std::string, HeaderValue> headers;
  // Of a delivery: all of its properties, as AMQP writes them (model/message_properties.h).  When published,
  // they are looked at only if the message is `verbatim`: then they go out in the place of the fields above,
  // and on a channel that is for the exchanges of others.
  std::string properties = {};
  bool verbatim = false;
  // Always mandatory; unless verbatim also: delivery_mode 2, app_id "duly".
};

enum class PublishOutcome : std::uint8_t { confirmed, returned, rejected, in_doubt };
// As metrics and spans call it.
constexpr std::string_view name_of(PublishOutcome outcome) {
  switch (outcome) {
    case PublishOutcome::confirmed: return "confirmed";
    case PublishOutcome::returned: return "returned";
    case PublishOutcome::rejected: return "nacked";
    case PublishOutcome::in_doubt: return "unconfirmed";
  }
  return "?";
}

using PublishTicket = std::uint64_t;  // the caller's own number for one publish
struct SettledPublish {
  PublishTicket ticket;
  PublishOutcome outcome;
  std::string detail = {};  // of `returned`, what the broker said; may be empty
};

struct Delivery {
  std::uint64_t generation = 0;  // of the consuming connection; rises with each reconnect
  std::uint64_t tag = 0;
  bool redelivered = false;
  std::string queue;  // the Duly queue it was consumed from
  AmqpMessage message;
};

enum class Settle : std::uint8_t {
  ack,
  reject,   // not requeued: dead-lettered where the queue has a dead-letter exchange, else dropped
  requeue,  // back to the queue
};

struct QueueDepth {
  std::string queue;
  // Absent: the queue does not exist, or the broker did not answer (then `reachable` is false).
  std::optional<std::int64_t> ready;  // messages not yet delivered to a consumer
  std::int64_t consumers = 0;
  bool reachable = false;
};

struct BrokerEvents {
  std::function<void(bool up)> publisher_state;         // true = publishes can go out now
  std::function<void(bool blocked)> publisher_blocked;  // connection.blocked / unblocked
  std::function<void(std::vector<SettledPublish>)> settled;
  std::function<void()> consumer_up;
  std::function<void()> consumer_down;  // deliveries of that generation are void
  std::function<void(std::vector<Delivery>)> deliveries;
  std::function<void(QueueDepth)> inspected;
};

class Broker {
 public:
  virtual ~Broker() = default;
  virtual void start(BrokerEvents events) = 0;  // once, before anything else
  virtual void publish(PublishTicket ticket, AmqpMessage message) = 0;
  // Messages of `queue` (a Duly queue name; the broker's is duly.execute.<queue>) are delivered, at most
  // `prefetch` of them unsettled at once (per queue: quorum queues know no global limit).
  virtual void consume(const std::string& queue, int prefetch) = 0;
  virtual void cancel_consumers() = 0;  // no further deliveries; unsettled ones stay ours
  virtual void settle(std::uint64_t generation, std::uint64_t tag, Settle how) = 0;
  virtual void inspect(const std::string& queue) = 0;  // a Duly queue name; answered by inspected()
  // Makes sure queue `duly.execute.<queue>` and its binding exist; also after each reconnect.
  virtual void ensure_queue(const std::string& queue) = 0;
  // Drops both connections as a failing network would and opens none for `pause` (crash simulation).
  virtual void drop_connections(Duration pause) = 0;
};

// Names of contract section 5.
namespace topology {
inline const std::string kExecuteExchange = "duly.execute";
inline const std::string kDeadExchange = "duly.dead";
inline const std::string kDeadQueue = "duly.dead";
inline const std::string kResultsQueue = "duly.results";
inline const std::string kSubmitExchange = "duly.submit";
inline const std::string kSubmitQueue = "duly.submit";
inline const std::string kEventsExchange = "duly.events";
inline std::string execute_queue(const std::string& queue) { return "duly.execute." + queue; }
// Broker calls take Duly queue names.  "/duly.submit" (no Duly name has a slash) is the broker's queue of
// that name.
inline bool is_broker_queue(const std::string& queue) { return queue.starts_with('/'); }
inline std::string broker_queue(const std::string& queue) {
  return is_broker_queue(queue) ? queue.substr(1) : execute_queue(queue);
}
}  // namespace topology

}  // namespace duly
