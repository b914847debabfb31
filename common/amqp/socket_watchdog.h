// Cuts a connection whose thread has been inside one call of rabbitmq-c for too long.
//
// Operation.  rabbitmq-c 0.11 can block for ever in a write (the broker stops reading) and in
// amqp_basic_publish after a missed heartbeat; no timeout of its own covers either.  A thread marks each call
// with WatchedCall, and past the deadline the watchdog shuts the socket down: the call then returns an error
// at once. Concurrency.  A WatchedLine belongs to the thread of its connection, except cut(), which any
// thread may call.  It holds a duplicate of the descriptor, because the library closes its own when it likes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/runtime/loop.h"

namespace duly {

class WatchedLine {
 public:
  WatchedLine() = default;
  ~WatchedLine() { close(); }
  WatchedLine(const WatchedLine&) = delete;
  WatchedLine& operator=(const WatchedLine&) = delete;

  // False when the descriptor cannot be duplicated.
  [[nodiscard]] bool open(int descriptor) DULY_EXCLUDES(mutex_);
  void close() DULY_EXCLUDES(mutex_);
  // Shuts the connection down, if there is one.  Any thread.
  void cut() DULY_EXCLUDES(mutex_);

  void enter(MonoTime deadline) { deadline_us_ = deadline.time_since_epoch().count(); }
  void leave() { deadline_us_ = kIdle; }
  [[nodiscard]] bool overdue(MonoTime now) const { return now.time_since_epoch().count() > deadline_us_; }

 private:
  static constexpr std::int64_t kIdle = INT64_MAX;
  std::atomic<std::int64_t> deadline_us_{kIdle};
  Mutex mutex_;
  int descriptor_ DULY_GUARDED_BY(mutex_) = -1;
};

// In scope while the thread is inside the library.
class WatchedCall {
 public:
  WatchedCall(WatchedLine& line, MonoTime deadline) : line_(line) { line_.enter(deadline); }
  ~WatchedCall() { line_.leave(); }
  WatchedCall(const WatchedCall&) = delete;
  WatchedCall& operator=(const WatchedCall&) = delete;

 private:
  WatchedLine& line_;
};

class SocketWatchdog {
 public:
  // Looks at the lines, and calls `also`, every `interval`, on a thread of its own.  All outlive the
  // watchdog.
  SocketWatchdog(const Loop& clock, Duration interval, std::vector<WatchedLine*> lines,
                 std::function<void()> also);
  ~SocketWatchdog();
  SocketWatchdog(const SocketWatchdog&) = delete;
  SocketWatchdog& operator=(const SocketWatchdog&) = delete;

 private:
  void watch() DULY_EXCLUDES(mutex_);

  const Loop& clock_;
  const Duration interval_;
  const std::vector<WatchedLine*> lines_;
  const std::function<void()> also_;
  Mutex mutex_;
  Condition stopped_;
  bool stop_ DULY_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace duly
