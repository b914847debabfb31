// A Loop whose time passes only when it is told to: the clock of the simulated world.
//
// Operation.  Tasks run in order of (time, the order in which they were given).  A task runs at its own time:
// before it starts, the clock jumps there.  The wall clock runs along and can be stepped, as an administrator
// would. Concurrency.  One thread, the test's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "common/runtime/loop.h"

namespace duly::sim {

class SimLoop final : public Loop {
 public:
  // 2026-01-01T00:00:00Z unless told otherwise.
  explicit SimLoop(WallTime wall = WallTime{seconds{1'767'225'600}})
      : wall_offset_(wall.time_since_epoch()) {}

  MonoTime now() const override { return now_; }
  WallTime wall() const override { return WallTime{now_.time_since_epoch() + wall_offset_}; }
  void post(Task task) override { at(now_, std::move(task)); }
  // A moment that has passed means now.
  void at(MonoTime when, Task task) override;

  // Runs the next task; false when there is none.
  bool run_one();
  // Runs all tasks up to and including `when`, and leaves the clock there.
  void run_until(MonoTime when);
  void run_for(Duration length) { run_until(now_ + length); }
  // No further task starts; those waiting are forgotten.
  void stop();

  void step_wall(Duration by) { wall_offset_ += by; }
  [[nodiscard]] std::size_t waiting() const { return tasks_.size(); }
  [[nodiscard]] std::optional<MonoTime> next_at() const;

 private:
  MonoTime now_{};
  Duration wall_offset_;
  std::uint64_t sequence_ = 0;
  bool stopped_ = false;
  std::map<std::pair<MonoTime, std::uint64_t>, Task> tasks_;
};

}  // namespace duly::sim
