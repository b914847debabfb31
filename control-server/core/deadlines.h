// When the first of many attempts is over.
//
// Operation.  A heap of (instant, id).  What has changed or gone is left in it: who takes something out looks
// whether it still holds, so that an end costs nothing here.  When most of it is so, it is made anew.
// Concurrency.  Engine thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/id_map.h"
#include "common/base/time.h"

namespace duly {

class Deadlines {
 public:
  using Entry = std::pair<MonoTime, CommandId>;

  void add(MonoTime at, CommandId id) {
    entries_.emplace_back(at, id);
    std::push_heap(entries_.begin(), entries_.end(), std::greater<>{});
  }
  // Takes out the first whose instant is not after `now`.
  std::optional<Entry> take_over(MonoTime now) {
    if (entries_.empty() || entries_.front().first > now) return std::nullopt;
    std::pop_heap(entries_.begin(), entries_.end(), std::greater<>{});
    const Entry first = entries_.back();
    entries_.pop_back();
    return first;
  }
  // Whether there are so many more than `live` that keep_only() is worth its walk.
  [[nodiscard]] bool mostly_gone(std::size_t live) const { return entries_.size() > 2 * live + kSlack; }
  // What is left of it.
  void keep_only(std::vector<Entry> live) {
    entries_ = std::move(live);
    std::make_heap(entries_.begin(), entries_.end(), std::greater<>{});
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  static constexpr std::size_t kSlack = 1024;

  std::vector<Entry> entries_;
};

}  // namespace duly
