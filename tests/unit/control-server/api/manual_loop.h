// A Loop whose time stands still until the test moves it.
#pragma once

#include <map>
#include <utility>

#include "common/runtime/loop.h"

namespace duly::testing {

class ManualLoop final : public Loop {
 public:
  // 2026-11-21T09:00:00Z
  static constexpr std::int64_t kStartMs = 1'795'251'600'000;

  MonoTime now() const override { return MonoTime{elapsed_}; }
  WallTime wall() const override { return wall_from_ms(kStartMs) + elapsed_; }
  void post(Task task) override { tasks_.emplace(now(), std::move(task)); }
  void at(MonoTime when, Task task) override { tasks_.emplace(when, std::move(task)); }

  void advance(Duration by) {
    const Duration target = elapsed_ + by;
    while (!tasks_.empty() && tasks_.begin()->first <= MonoTime{target}) {
      auto next = tasks_.extract(tasks_.begin());
      elapsed_ = std::max(elapsed_, next.key().time_since_epoch());
      next.mapped()();
    }
    elapsed_ = target;
  }

 private:
  Duration elapsed_{};
  std::multimap<MonoTime, Task> tasks_;
};

}  // namespace duly::testing
