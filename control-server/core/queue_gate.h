// What a queue's limits allow: how many of its commands run at once, and how many start within a span of
// time.
//
// Operation.  The engine asks at the permit, which is what the limits are about, and before handing out, so
// that messages do not come to the permit in vain; each granted permit of a queue with a rate is charged. The
// rate is exact: within any span of `per_ms` at most `count` starts.  Starts are kept in slices of a 64th of
// the span (a millisecond at least), all of a slice counted as if made with the last of them: a place is free
// again at most a slice late and never early.  A token bucket would let twice `count` through. Concurrency.
// Engine thread.  Time is that of the monotonic clock: the wall may step.  Across a restart the wall is all
// there is; a slice that it puts into the future counts as just made. Limits.  Some kSlices slices.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "common/base/time.h"
#include "control-server/store/rows.h"

namespace duly {

class QueueGate {
 public:
  static constexpr int kSlices = 64;
  enum class Stop : std::uint8_t { none, running, rate };

  // What the rate has counted stays counted.
  void set_limits(const QueueLimits& limits);
  [[nodiscard]] const QueueLimits& limits() const { return limits_; }
  [[nodiscard]] bool limited() const { return limits_.any(); }

  // What forbids one more start while `running` of the queue run and `promised` more may still start.
  [[nodiscard]] Stop stop(std::int64_t running, std::int64_t promised, MonoTime now) const;
  // Counts one start; the slice as it is to be stored, nothing when the queue has no rate.
  std::optional<RateSlice> charge(Moment now);
  // After a restart: what was stored.
  void recall(const std::vector<RateSlice>& slices, Moment now);
  // When the next place of the rate becomes free; nothing when all are.  Always after `now`.
  [[nodiscard]] std::optional<MonoTime> next_free(MonoTime now) const;

  // Queued commands without a message: their permit was refused for the limits' sake, and they are published
  // again when there is room.
  std::set<CommandId> held_back;

 private:
  struct Slice {
    MonoTime until;  // takes what starts by then
    MonoTime last;   // start in it
    RateSlice stored;
  };
  [[nodiscard]] Duration span() const { return milliseconds{limits_.rate->per_ms}; }
  [[nodiscard]] Duration slice_length() const;
  [[nodiscard]] std::int64_t counted(MonoTime now) const;

  QueueLimits limits_;
  std::deque<Slice> slices_;  // in the order of their times
};

}  // namespace duly
