#include "control-server/notify/event_outlet.h"

#include <utility>

#include "control-server/core/change_json.h"

namespace duly {

void EventOutlet::learn(const NumberedNames& names) {
  MutexLock lock(mutex_);
  new_names_.insert(new_names_.end(), names.begin(), names.end());
}

void EventOutlet::offer(StateChanges&& changes) {
  if (!changes.whole) ++dropped_;  // at least; how many more nobody knows
  MutexLock lock(mutex_);
  // Names come once, so they are kept also when their batch is not.
  new_names_.insert(new_names_.end(), changes.names.begin(), changes.names.end());
  waiting_changes_ += changes.items.size();
  if (!changes.items.empty()) waiting_.push_back(std::move(changes.items));
  while (waiting_changes_ > limits_.waiting) {
    dropped_ += waiting_.front().size();
    waiting_changes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
}

EventCounts EventOutlet::counts() const { return {published_, unheard_, dropped_}; }

bool EventOutlet::take_batch() {
  MutexLock lock(mutex_);
  for (auto& [number, text] : new_names_) names_[number] = std::move(text);
  new_names_.clear();
  if (waiting_.empty()) return false;
  batch_ = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_changes_ -= batch_.size();
  done_ = 0;
  return true;
}

std::optional<AmqpMessage> EventOutlet::next(MonoTime now) {
  while (done_ < batch_.size() || take_batch()) {
    while (done_ < batch_.size()) {
      const StateChange& change = batch_[done_++];
      const Route& route = route_of(change);
      if (route.spared_until > now) {
        ++unheard_;
        continue;
      }
      ++published_;
      return message(change, route.routing_key);
    }
  }
  return std::nullopt;
}

void EventOutlet::unheard(const std::string& routing_key, MonoTime now) {
  const auto known = by_routing_key_.find(routing_key);
  if (known != by_routing_key_.end()) known->second->spared_until = now + limits_.unheard;
}

const EventOutlet::Route& EventOutlet::route_of(const StateChange& change) {
  const Key key{change.queue, change.type, change.state};
  const auto known = routes_.find(key);
  if (known != routes_.end()) return *known->second;
  if (routes_.size() >= limits_.keys) forget_oldest();
  std::string text = name(key.queue) + "." + name(key.type) + "." + std::string(name_of(key.state));
  auto& route = by_routing_key_[text];
  if (!route) route = std::make_shared<Route>(Route{std::move(text), MonoTime{}});
  routes_.emplace(key, route);
  known_since_.push_back(key);
  return *route;
}

void EventOutlet::forget_oldest() {
  const auto oldest = routes_.find(known_since_.front());
  known_since_.pop_front();
  // Here and in the other map; more than that, and another key is routed so as well.
  if (oldest->second.use_count() == 2) by_routing_key_.erase(oldest->second->routing_key);
  routes_.erase(oldest);
}

const std::string& EventOutlet::name(std::int32_t number) const {
  static const std::string kNameless;
  const auto at = names_.find(number);
  return at == names_.end() ? kNameless : at->second;
}

AmqpMessage EventOutlet::message(const StateChange& change, const std::string& routing_key) const {
  std::string body;
  JsonObject object(body);
  append_change(object, change, name(change.queue), name(change.type));
  object.end();
  AmqpMessage message;
  message.exchange = topology::kEventsExchange;
  message.routing_key = routing_key;
  message.body = make_bytes(std::move(body));
  message.correlation_id = format_command_id(change.id);
  message.type = name(change.type);
  message.timestamp_s = change.at_ms / 1000;
  return message;
}

}  // namespace duly
