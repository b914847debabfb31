// The Broker of a simulated process: a client of SimRabbit with the same promises as RabbitBroker.
//
// Destroying it is the crash of its process: its connections are gone, no event comes any more, and what it
// had not settled goes back to the queues.  Not to be destroyed inside one of its own events.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/amqp/broker.h"
#include "common/amqp/confirm_tracker.h"
#include "common/model/limits.h"
#include "tests/sim/base/sim_rabbit.h"

namespace duly::sim {

struct SimBrokerConfig {
  std::size_t publish_window = limits::kPublishWindow;
  Duration publish_deadline = limits::kPublishDeadline;
  Duration confirm_deadline = limits::kConfirmDeadline;
};

class SimBroker final : public Broker {
 public:
  // The broker and its loop outlive this.
  SimBroker(SimLoop& loop, SimRabbit& rabbit, SimBrokerConfig config = {});
  ~SimBroker() override;

  void start(BrokerEvents events) override;
  void publish(PublishTicket ticket, AmqpMessage message) override;
  void consume(const std::string& queue, int prefetch) override;
  void cancel_consumers() override;
  void settle(std::uint64_t generation, std::uint64_t tag, Settle how) override;
  void inspect(const std::string& queue) override;
  void ensure_queue(const std::string& queue) override;
  void drop_connections(Duration pause) override;

 private:
  using ConnectionId = SimRabbit::ConnectionId;
  struct Waiting {
    PublishTicket ticket;
    AmqpMessage message;
    MonoTime deadline;
  };
  // One of the two connections, or the channel for what is verbatim: open, or waiting to be.
  struct Line {
    std::optional<ConnectionId> id;
    Duration backoff{};
    std::uint64_t attempt = 0;  // an older one that still waits is void
  };

  // Runs the task unless this is gone by then.
  void later(Duration after, std::function<void()> task);

  void open_later(Line& line, Duration after, void (SimBroker::*open)());
  void open_publisher();
  void open_deliverer();
  void deliverer_closed();
  void open_consumer();
  void publisher_lost();
  void consumer_lost();
  Duration next_backoff(Line& line);

  void pump();
  [[nodiscard]] std::optional<MonoTime> oldest() const;
  void arm_deadline();
  void check_deadlines();
  void report(std::vector<SettledPublish> settled);
  void on_blocked(bool blocked);
  void on_delivery(std::uint64_t tag, bool redelivered, const std::string& queue, const AmqpMessage& message);
  void on_cancelled(const std::string& queue);
  void on_depth(QueueDepth depth);

  SimLoop& loop_;
  SimRabbit& rabbit_;
  const SimBrokerConfig config_;
  BrokerEvents events_;
  std::shared_ptr<SimBroker*> self_;  // tasks hold it weakly
  MonoTime paused_until_{};

  Line publisher_;
  ConfirmTracker tracker_;
  Line deliverer_;  // gone with the publisher
  ConfirmTracker deliveries_;
  std::string refused_;  // why the deliverer is about to be closed
  std::deque<Waiting> queue_;
  std::set<std::string> ensured_;
  bool blocked_ = false;
  MonoTime armed_for_ = MonoTime::max();

  Line consumer_;
  std::uint64_t generation_ = 0;
  std::map<std::string, int> wanted_;  // prefetch by queue
  std::set<std::uint64_t> unsettled_;
  std::multiset<std::string> looks_;  // asked and not yet answered
};

}  // namespace duly::sim
