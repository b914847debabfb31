// Spares a target that fails again and again, and the attempts that would fail there.
//
// Closed: everything goes.  After so many failures in a row it opens: nothing goes until a cool-down has
// passed. Then it is half open: one request goes as a probe; its answer closes the circuit, its failure opens
// it again for twice as long, up to a bound.  What was begun before the last change of state no longer
// counts.
//
// CircuitBreaker is one target, pure and on one thread; CircuitBoard holds a bounded number of them for any
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/time.h"

namespace duly {

struct CircuitPolicy {
  int failures = 5;  // in a row
  Duration cool_down = seconds{1};
  Duration most = seconds{60};
};

enum class CircuitState : std::uint8_t { closed = 0, half_open = 1, open = 2 };

// What a request tells about its target.
enum class Health : std::uint8_t {
  well,     // it answered, whatever it said
  ill,      // no connection, no answer in time, or an answer that says it is broken
  unknown,  // the request ended for reasons of ours
};

struct CircuitLeave {
  bool go = false;
  Duration wait{};               // not go: before it is worth asking again
  std::uint64_t generation = 0;  // go: to be given to report(), once
};

class CircuitBreaker {
 public:
  explicit CircuitBreaker(CircuitPolicy policy) : policy_(policy), cool_down_(policy.cool_down) {}

  CircuitLeave ask(MonoTime now);
  void report(MonoTime now, std::uint64_t generation, Health health);
  [[nodiscard]] CircuitState state() const { return state_; }

 private:
  void change(CircuitState state);
  void open(MonoTime now);

  const CircuitPolicy policy_;
  CircuitState state_ = CircuitState::closed;
  std::uint64_t generation_ = 1;
  int failures_ = 0;
  Duration cool_down_;
  MonoTime until_{};  // open: no request before
};

struct CircuitView {
  std::string target;
  CircuitState state = CircuitState::closed;
};

// Any thread.
class CircuitBoard {
 public:
  static constexpr std::size_t kTargets = 200;

  explicit CircuitBoard(CircuitPolicy policy = {}) : policy_(policy) {}

  // A target not seen before takes the place of the one that was asked for longest ago.
  CircuitLeave ask(const std::string& target, MonoTime now) DULY_EXCLUDES(mutex_);
  void report(const std::string& target, MonoTime now, std::uint64_t generation, Health health)
      DULY_EXCLUDES(mutex_);
  // By target.
  [[nodiscard]] std::vector<CircuitView> view() const DULY_EXCLUDES(mutex_);

 private:
  struct Entry {
    CircuitBreaker breaker;
    std::uint64_t asked = 0;
  };
  void make_room() DULY_REQUIRES(mutex_);

  const CircuitPolicy policy_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ DULY_GUARDED_BY(mutex_);
  std::uint64_t count_ DULY_GUARDED_BY(mutex_) = 0;  // of questions
};

}  // namespace duly
