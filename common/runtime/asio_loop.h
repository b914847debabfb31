// The Loop of a running process: one thread in an Asio io_context, and the machine's clocks.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>

#include "common/runtime/loop.h"

namespace duly {

// The machine's clocks, for the edges that have no Loop.  Everything else takes `now` as an argument.
MonoTime machine_now();
WallTime machine_wall();

// A wall clock for users' tests: it stands until it is told to go on.  Any thread.
class VirtualClock {
 public:
  explicit VirtualClock(WallTime start) : us_(start.time_since_epoch().count()) {}
  [[nodiscard]] WallTime now() const { return WallTime{microseconds{us_.load()}}; }
  // Never back.
  void move_to(WallTime when) {
    if (when > now()) us_.store(when.time_since_epoch().count());
  }

 private:
  std::atomic<std::int64_t> us_;
};

class AsioLoop final : public Loop {
 public:
  AsioLoop();

  // Its wall clock from now on; before run().  `clock` outlives the loop's tasks.
  void use_clock(const VirtualClock& clock) { clock_ = &clock; }
  MonoTime now() const override { return machine_now(); }
  WallTime wall() const override { return clock_ != nullptr ? clock_->now() : machine_wall(); }
  void post(Task task) override;
  void at(MonoTime when, Task task) override;

  // Runs tasks on the calling thread until stop().
  void run();
  // Any thread; no further task starts.
  void stop();
  // For Asio sockets that live on this loop.
  boost::asio::io_context& context() { return context_; }

 private:
  boost::asio::io_context context_;
  const VirtualClock* clock_ = nullptr;
};

}  // namespace duly
