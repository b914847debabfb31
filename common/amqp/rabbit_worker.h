// A thread that keeps one AMQP connection up and gives its owner turns on it.
//
// Operation.  The thread opens the connection, lets the owner prepare it, then calls turn() whenever
// something may have come in, wake() was called, or the moment has come that the last turn asked for.  When a
// step fails the connection is thrown away and opened again, at the next of the brokers; when all of them
// have failed after a backoff of 100 ms, doubling to 2 s, jittered. Concurrency.  The hooks run on the
// worker's thread; wake(), drop() and stop() may be called from any. Limits.  stop() returns within about a
// second, or within kTlsConnectTime when a connection is just being opened.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/amqp/broker_ring.h"
#include "common/amqp/rabbit_connection.h"
#include "common/base/mutex.h"

namespace duly {

struct RabbitHooks {
  std::function<Status(RabbitConnection&)> prepare;  // after each connect; declares what is needed
  std::function<Result<MonoTime>(RabbitConnection&)>
      turn;                        // answers when it must be called again at the latest
  std::function<void()> lost;      // a connection that was prepared is gone
  std::function<MonoTime()> idle;  // instead of turn() while there is no connection
};

class RabbitWorker {
 public:
  RabbitWorker(const RabbitConfig& config, std::string role, const Loop& clock);
  ~RabbitWorker();
  RabbitWorker(const RabbitWorker&) = delete;
  RabbitWorker& operator=(const RabbitWorker&) = delete;

  // Once.
  void start(RabbitHooks hooks);
  // turn() or idle() is called soon.
  void wake();
  // Breaks the connection and opens none for `pause`.
  void drop(Duration pause) DULY_EXCLUDES(mutex_);
  // Ends the thread; no hook runs afterwards.  Again, or before start(), it does nothing.
  void stop() DULY_EXCLUDES(mutex_);

  [[nodiscard]] WatchedLine& line() { return line_; }
  [[nodiscard]] MonoTime now() const { return clock_.now(); }

 private:
  void run() DULY_EXCLUDES(mutex_);
  std::unique_ptr<RabbitConnection> open();
  // Until the connection is lost or the worker stops.
  void serve(RabbitConnection& connection);
  bool may_connect() DULY_EXCLUDES(mutex_);
  // The broker whose turn it was is not to be had.
  void look_further() DULY_EXCLUDES(mutex_);
  void back_off();
  void complain(const Error& error);
  // Until `until`, wake() or, when there is a descriptor, something to read on it.
  void wait(MonoTime until, int descriptor);

  const RabbitConfig& config_;
  const std::string role_;
  const Loop& clock_;
  RabbitHooks hooks_;
  WatchedLine line_;
  int event_ = -1;  // an eventfd, polled together with the socket
  std::atomic<bool> woken_{false};
  std::atomic<bool> stop_{false};
  BrokerRing ring_;
  std::vector<std::string> last_complaints_;  // by broker: one log line per kind of failure, not per attempt
  Duration backoff_;
  std::uint64_t attempts_ = 0;
  std::thread thread_;

  Mutex mutex_;
  Condition ended_;
  bool running_ DULY_GUARDED_BY(mutex_) = false;
  MonoTime paused_until_ DULY_GUARDED_BY(mutex_){};
};

}  // namespace duly
