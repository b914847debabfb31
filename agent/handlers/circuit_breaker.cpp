#include "agent/handlers/circuit_breaker.h"

#include <algorithm>

namespace duly {

void CircuitBreaker::change(CircuitState state) {
  state_ = state;
  failures_ = 0;
  ++generation_;
}

void CircuitBreaker::open(MonoTime now) {
  change(CircuitState::open);
  until_ = now + cool_down_;
}

CircuitLeave CircuitBreaker::ask(MonoTime now) {
  if (state_ == CircuitState::open && now >= until_) {
    change(CircuitState::half_open);
    return {true, {}, generation_};
  }
  switch (state_) {
    case CircuitState::closed: return {true, {}, generation_};
    case CircuitState::half_open: return {false, cool_down_, 0};
    case CircuitState::open: break;
  }
  return {false, until_ - now, 0};
}

void CircuitBreaker::report(MonoTime now, std::uint64_t generation, Health health) {
  if (generation != generation_) return;
  const bool probe = state_ == CircuitState::half_open;
  switch (health) {
    case Health::well:
      cool_down_ = policy_.cool_down;
      if (probe) return change(CircuitState::closed);
      failures_ = 0;
      return;
    case Health::ill:
      if (probe) cool_down_ = std::min(cool_down_ * 2, policy_.most);
      if (probe || ++failures_ >= policy_.failures) open(now);
      return;
    case Health::unknown:
      if (!probe) return;
      change(CircuitState::open);
      until_ = now;  // the next one is the probe
      return;
  }
}

CircuitLeave CircuitBoard::ask(const std::string& target, MonoTime now) {
  const MutexLock lock(mutex_);
  if (!entries_.contains(target)) make_room();
  Entry& entry = entries_.try_emplace(target, Entry{CircuitBreaker(policy_), 0}).first->second;
  entry.asked = ++count_;
  return entry.breaker.ask(now);
}

void CircuitBoard::report(const std::string& target, MonoTime now, std::uint64_t generation, Health health) {
  const MutexLock lock(mutex_);
  const auto at = entries_.find(target);
  if (at != entries_.end()) at->second.breaker.report(now, generation, health);
}

std::vector<CircuitView> CircuitBoard::view() const {
  const MutexLock lock(mutex_);
  std::vector<CircuitView> views;
  for (const auto& [target, entry] : entries_) views.push_back({target, entry.breaker.state()});
  return views;
}

void CircuitBoard::make_room() {
  if (entries_.size() < kTargets) return;
  entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](const auto& a, const auto& b) {
    return a.second.asked < b.second.asked;
  }));
}

}  // namespace duly
