#include "tests/sim/base/sim_loop.h"

#include <algorithm>

namespace duly::sim {

void SimLoop::at(MonoTime when, Task task) {
  if (stopped_) return;
  tasks_.emplace(std::pair{std::max(when, now_), ++sequence_}, std::move(task));
}

bool SimLoop::run_one() {
  if (tasks_.empty()) return false;
  auto next = tasks_.extract(tasks_.begin());
  now_ = next.key().first;
  next.mapped()();
  return true;
}

void SimLoop::run_until(MonoTime when) {
  while (!tasks_.empty() && tasks_.begin()->first.first <= when) run_one();
  now_ = std::max(now_, when);
}

void SimLoop::stop() {
  stopped_ = true;
  tasks_.clear();
}

std::optional<MonoTime> SimLoop::next_at() const {
  if (tasks_.empty()) return std::nullopt;
  return tasks_.begin()->first.first;
}

}  // namespace duly::sim
