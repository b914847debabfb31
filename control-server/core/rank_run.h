// A few thousand commands in the order of an instant and their ids.
//
// Operation.  A sorted array with a head that moves: what comes last is appended, what is first is taken by
// moving the head, anything else moves those behind it (16 bytes each).  A tree costs an allocation and a
// dozen cache lines for each, and what is due soon comes and goes in order nearly always.
// Limits.  For up to limits::kLaneWindow times a few.  Engine thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/ids.h"

namespace duly {

using Rank = std::pair<std::int64_t, CommandId>;  // wall milliseconds, then the id

class RankRun {
 public:
  using Iterator = std::vector<Rank>::const_iterator;

  // What is there already is not put there again.
  void insert(const Rank& rank) {
    if (empty() || ranks_.back() < rank) return ranks_.push_back(rank);
    const Iterator at = lower_bound(rank);
    if (*at != rank) ranks_.insert(at, rank);
  }
  // False when it is not there.
  bool erase(const Rank& rank) {
    const Iterator at = lower_bound(rank);
    if (at == end() || *at != rank) return false;
    if (at != begin()) return ranks_.erase(at), true;
    if (++head_ > ranks_.size() / 2) ranks_.erase(ranks_.begin(), begin()), head_ = 0;
    return true;
  }

  [[nodiscard]] bool empty() const { return head_ == ranks_.size(); }
  [[nodiscard]] std::size_t size() const { return ranks_.size() - head_; }
  [[nodiscard]] const Rank& front() const { return ranks_[head_]; }
  [[nodiscard]] const Rank& back() const { return ranks_.back(); }
  [[nodiscard]] Iterator begin() const { return ranks_.begin() + static_cast<std::ptrdiff_t>(head_); }
  [[nodiscard]] Iterator end() const { return ranks_.end(); }
  [[nodiscard]] Iterator lower_bound(const Rank& rank) const {
    return std::lower_bound(begin(), end(), rank);
  }
  // How many are of instants up to and including `ms`.
  [[nodiscard]] std::size_t until(std::int64_t ms) const {
    return static_cast<std::size_t>(lower_bound(Rank{ms + 1, CommandId{INT64_MIN}}) - begin());
  }

 private:
  std::vector<Rank> ranks_;
  std::size_t head_ = 0;  // what lies before it is gone
};

}  // namespace duly
