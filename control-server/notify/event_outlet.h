// What goes to the exchange duly.events: the state changes of committed batches, as messages.
//
// Operation.  offer() keeps a batch as it is; the thread that publishes asks next() for one message after the
// other, and they are made only then.  A routing key whose event came back, because no queue is bound to it,
// is not published again for limits::kUnheardEvent: while nobody listens a change costs a look into a map.
// Nothing is kept for anybody: what does not fit, and what is under way when the connection breaks, is lost.
// Concurrency.  offer() and counts() from any thread, next() and unheard() from one.
// Limits.  EventOutletLimits; of what waits the oldest gives way, of the keys the one known the longest.
#pragma once

#include <atomic>
#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/amqp/broker.h"
#include "common/base/mutex.h"
#include "common/model/limits.h"
#include "control-server/store/state_changes.h"

namespace duly {

struct EventOutletLimits {
  std::size_t waiting = limits::kEventsWaiting;  // changes
  std::size_t keys = limits::kEventKeys;
  Duration unheard = limits::kUnheardEvent;
};

struct EventCounts {
  std::uint64_t published = 0;
  std::uint64_t unheard = 0;  // not published, since nobody had bound a queue
  std::uint64_t dropped = 0;  // there was no room
};

class EventOutlet {
 public:
  explicit EventOutlet(EventOutletLimits limits = {}) : limits_(limits) {}

  // Names of queues and types that changes may speak of; offer() brings later ones.
  void learn(const NumberedNames& names) DULY_EXCLUDES(mutex_);
  void offer(StateChanges&& changes) DULY_EXCLUDES(mutex_);
  [[nodiscard]] EventCounts counts() const;

  // Nothing when there is no more.
  std::optional<AmqpMessage> next(MonoTime now) DULY_EXCLUDES(mutex_);
  // An event of this routing key came back.
  void unheard(const std::string& routing_key, MonoTime now);

 private:
  struct Key {
    QueueNumber queue = 0;
    TypeNumber type = 0;
    State state = State::scheduled;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  // Shared by keys: the names have dots in them, and "a.b" + "c" is routed as "a" + "b.c" is.
  struct Route {
    std::string routing_key;
    MonoTime spared_until{};
  };

  bool take_batch() DULY_EXCLUDES(mutex_);
  const Route& route_of(const StateChange& change);
  void forget_oldest();
  [[nodiscard]] const std::string& name(std::int32_t number) const;
  [[nodiscard]] AmqpMessage message(const StateChange& change, const std::string& routing_key) const;

  const EventOutletLimits limits_;
  std::atomic<std::uint64_t> published_{0}, unheard_{0}, dropped_{0};

  Mutex mutex_;
  std::deque<std::vector<StateChange>> waiting_ DULY_GUARDED_BY(mutex_);
  std::size_t waiting_changes_ DULY_GUARDED_BY(mutex_) = 0;
  NumberedNames new_names_ DULY_GUARDED_BY(mutex_);

  // Of the thread that publishes.
  std::vector<StateChange> batch_;
  std::size_t done_ = 0;  // of the batch
  std::map<std::int32_t, std::string> names_;
  std::map<Key, std::shared_ptr<Route>> routes_;
  std::map<std::string, std::shared_ptr<Route>> by_routing_key_;
  std::deque<Key> known_since_;  // the first is known the longest
};

}  // namespace duly
