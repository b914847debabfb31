// What a contract test needs of the world around a Broker: a broker to be a client of, time, and things going
// wrong.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/amqp/broker.h"

namespace duly::test {

// The same in every world, and short, since one of them waits for real.
inline constexpr std::size_t kWindow = 100;
inline constexpr seconds kPublishDeadline{1};
inline constexpr seconds kConfirmDeadline{2};

class BrokerWorld {
 public:
  virtual ~BrokerWorld() = default;
  virtual std::unique_ptr<Broker> make_broker() = 0;
  // Runs the loop until `done` or for `limit`; answers done().
  virtual bool run_until(const std::function<bool()>& done, Duration limit) = 0;
  virtual std::string fresh_queue() = 0;  // a Duly queue name that nobody has used
  virtual void delete_queue(const std::string& broker_queue) = 0;
  virtual void stop_node() = 0;
  virtual void start_node() = 0;
  virtual void pause_node() = 0;  // as SIGSTOP
  virtual void resume_node() = 0;
  virtual void set_blocked(bool blocked) = 0;  // a memory alarm

  void run_for(Duration length) {
    run_until([] { return false; }, length);
  }
};

// One client, and all it was told.
struct Client {
  explicit Client(BrokerWorld& w) : world(w), broker(w.make_broker()) {
    BrokerEvents events;
    events.publisher_state = [this](bool is_up) { publisher_up = is_up; };
    events.publisher_blocked = [this](bool is_blocked) { blocked = is_blocked; };
    events.settled = [this](const std::vector<SettledPublish>& all) {
      for (const auto& one : all) {
        outcomes[one.ticket].push_back(one.outcome);
        details[one.ticket] = one.detail;
      }
    };
    events.consumer_up = [this] { consumer_up = true; };
    events.consumer_down = [this] {
      consumer_up = false;
      ++consumer_losses;
    };
    events.deliveries = [this](std::vector<Delivery> all) {
      for (auto& one : all) deliveries.push_back(std::move(one));
    };
    events.inspected = [this](QueueDepth depth) { depths.push_back(std::move(depth)); };
    broker->start(std::move(events));
  }

  bool until(const std::function<bool()>& done, Duration limit = seconds{20}) {
    return world.run_until(done, limit);
  }
  bool until_up() {
    return until([this] { return publisher_up && consumer_up; });
  }
  bool until_settled(std::size_t count, Duration limit = seconds{20}) {
    return until([this, count] { return outcomes.size() >= count; }, limit);
  }
  bool until_delivered(std::size_t count) {
    return until([this, count] { return deliveries.size() >= count; });
  }
  bool until_delivered_as(const std::string& id) {
    return until([this, &id] {
      return std::any_of(deliveries.begin(), deliveries.end(),
                         [&id](const auto& one) { return one.message.message_id == id; });
    });
  }
  // How many publishes ended so.
  [[nodiscard]] std::size_t count(PublishOutcome outcome) const {
    std::size_t found = 0;
    for (const auto& [ticket, told] : outcomes) found += told.front() == outcome ? 1 : 0;
    return found;
  }
  [[nodiscard]] bool each_settled_once() const {
    for (const auto& [ticket, told] : outcomes) {
      if (told.size() != 1) return false;
    }
    return true;
  }
  void settle(const Delivery& delivery, Settle how) {
    broker->settle(delivery.generation, delivery.tag, how);
  }
  QueueDepth look(const std::string& queue) {
    depths.clear();
    broker->inspect(queue);
    until([this] { return !depths.empty(); });
    return depths.empty() ? QueueDepth{} : depths.front();
  }
  // Until the counts are so: the broker counts a little behind its own deliveries.
  bool until_ready(const std::string& queue, std::int64_t ready) {
    for (int i = 0; i < 50; ++i) {
      if (look(queue).ready == ready) return true;
      world.run_for(milliseconds{50});
    }
    return false;
  }

  BrokerWorld& world;
  bool publisher_up = false;
  bool blocked = false;
  bool consumer_up = false;
  int consumer_losses = 0;
  std::map<PublishTicket, std::vector<PublishOutcome>> outcomes;
  std::map<PublishTicket, std::string> details;
  std::vector<Delivery> deliveries;
  std::vector<QueueDepth> depths;
  std::unique_ptr<Broker> broker;  // last: it calls into all of the above
};

}  // namespace duly::test
