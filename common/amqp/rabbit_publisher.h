// Publishes with pipelined confirms on a connection and a thread of its own.
//
// Operation.  Queued publishes are written as far as the window of unconfirmed ones allows, and every one is
// settled: by its confirm, or as in_doubt when the connection goes, when it waited in the queue beyond the
// publish deadline, when the queue is full, or when the broker is silent about it beyond the confirm deadline
// (then the connection is given up with all that is open on it). Concurrency.  publish() and ensure_queue()
// from any one thread; events come on the publisher's thread, but for what does not fit the queue, which is
// settled on the caller's.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/amqp/confirm_tracker.h"
#include "common/amqp/rabbit_foreign.h"
#include "common/amqp/rabbit_message.h"
#include "common/amqp/rabbit_worker.h"

namespace duly {

struct RabbitPublisherEvents {
  std::function<void(bool up)> state;
  std::function<void(bool blocked)> blocked;
  std::function<void(std::vector<SettledPublish>)> settled;
};

class RabbitPublisher {
 public:
  RabbitPublisher(const RabbitConfig& config, const Loop& clock, RabbitPublisherEvents events);
  ~RabbitPublisher() { worker_.stop(); }
  RabbitPublisher(const RabbitPublisher&) = delete;
  RabbitPublisher& operator=(const RabbitPublisher&) = delete;

  void start();
  void publish(PublishTicket ticket, AmqpMessage message) DULY_EXCLUDES(mutex_);
  // Publishes asked for later find the queue.
  void ensure_queue(const std::string& queue) DULY_EXCLUDES(mutex_);
  void drop(Duration pause) { worker_.drop(pause); }
  // Settles what waited in the queue for too long; answers when to look again.  Any thread, since the
  // publisher's own may be waiting for a broker that does not answer.
  MonoTime expire_queue() DULY_EXCLUDES(mutex_);
  [[nodiscard]] WatchedLine& line() { return worker_.line(); }

 private:
  struct Waiting {
    PublishTicket ticket;
    AmqpMessage message;
    MonoTime deadline;
  };
  using Work = std::variant<Waiting, std::string>;  // a publish, or the name of a queue to declare

  Status prepare(RabbitConnection& connection) DULY_EXCLUDES(mutex_);
  Result<MonoTime> turn(RabbitConnection& connection) DULY_EXCLUDES(mutex_);
  void lost();

  Status read_all(RabbitConnection& connection);
  Status on_frame(RabbitConnection& connection, const amqp_frame_t& frame);
  Status on_method(RabbitConnection& connection, const amqp_method_t& method);
  Status rejected();
  void set_blocked(bool blocked);
  std::deque<Work> take_work(std::size_t publishes) DULY_EXCLUDES(mutex_);
  Status do_work(RabbitConnection& connection);
  Status publish_one(RabbitConnection& connection, Waiting& waiting);
  [[nodiscard]] std::optional<MonoTime> oldest() const;
  void give_back(std::deque<Work> work) DULY_EXCLUDES(mutex_);
  void settle(std::vector<SettledPublish> settled);
  void flush();

  const RabbitConfig& config_;
  const RabbitPublisherEvents events_;
  const std::size_t queue_limit_;

  // Publisher's thread only.
  ConfirmTracker tracker_;
  MessageAssembler returned_;
  AmqpMessage returned_to_;  // its exchange and routing key
  RabbitForeign foreign_;
  std::vector<SettledPublish> settled_;
  bool blocked_ = false;
  std::optional<MonoTime> rejecting_since_;  // nothing was confirmed since

  Mutex mutex_;
  std::deque<Work> queue_ DULY_GUARDED_BY(mutex_);
  std::set<std::string> ensured_ DULY_GUARDED_BY(mutex_);  // declared again at each connect
  RabbitWorker worker_;                                    // last: its thread uses all of the above
};

}  // namespace duly
