// The last state changes, numbered from 1 without a gap; the oldest give way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "common/base/assert.h"
#include "common/model/limits.h"
#include "control-server/core/effects.h"

namespace duly {

class EventRing {
 public:
  explicit EventRing(std::size_t most = limits::kEventsKept) : most_(most) {}

  void add(const StateChange& change) {
    const std::size_t slot = end_ % most_;
    // Grows as it fills: a quiet server keeps little.
    if (slot >= kept_.size()) kept_.resize(std::min(most_, std::max<std::size_t>(1024, slot * 2)));
    kept_[slot] = change;
    ++end_;
    if (end_ - first_ > most_) first_ = end_ - most_;
  }
  // Changes have happened that nobody can be told of.
  void lose() { first_ = ++end_; }

  // Number of the oldest that is kept; end() when none is.
  [[nodiscard]] std::uint64_t first() const { return first_; }
  // The number of the next one.
  [[nodiscard]] std::uint64_t end() const { return end_; }
  // `number` within [first(), end()).
  [[nodiscard]] const StateChange& at(std::uint64_t number) const {
    DULY_ASSERT(number >= first_ && number < end_);
    return kept_[number % most_];
  }

 private:
  const std::size_t most_;
  std::vector<StateChange> kept_;
  std::uint64_t first_ = 1, end_ = 1;
};

}  // namespace duly
