#include "control-server/core/queue_gate.h"

#include <algorithm>

namespace duly {

void QueueGate::set_limits(const QueueLimits& limits) {
  limits_ = limits;
  if (!limits_.rate) slices_.clear();
}

Duration QueueGate::slice_length() const { return std::max<Duration>(span() / kSlices, milliseconds{1}); }

std::int64_t QueueGate::counted(MonoTime now) const {
  std::int64_t starts = 0;
  for (auto slice = slices_.rbegin(); slice != slices_.rend() && slice->last + span() > now; ++slice)
    starts += slice->stored.starts;
  return starts;
}

QueueGate::Stop QueueGate::stop(std::int64_t running, std::int64_t promised, MonoTime now) const {
  if (limits_.max_running && running + promised >= *limits_.max_running) return Stop::running;
  if (limits_.rate && counted(now) + promised >= limits_.rate->count) return Stop::rate;
  return Stop::none;
}

std::optional<RateSlice> QueueGate::charge(Moment now) {
  if (!limits_.rate) return std::nullopt;
  while (!slices_.empty() && slices_.front().last + span() <= now.mono) slices_.pop_front();
  if (slices_.empty() || slices_.back().until < now.mono) {
    const WallTime end = now.wall + slice_length();
    std::int64_t end_ms = std::chrono::ceil<milliseconds>(end.time_since_epoch()).count();
    // The wall stands still after a step back; each slice needs a place of its own in the store.
    if (!slices_.empty()) end_ms = std::max(end_ms, slices_.back().stored.end_ms + 1);
    slices_.push_back({now.mono + slice_length(), now.mono, RateSlice{end_ms, 0}});
  }
  Slice& slice = slices_.back();
  slice.last = std::max(slice.last, now.mono);
  ++slice.stored.starts;
  return slice.stored;
}

void QueueGate::recall(const std::vector<RateSlice>& slices, Moment now) {
  if (!limits_.rate) return;
  for (const RateSlice& stored : slices) {
    const Duration ahead = wall_from_ms(stored.end_ms) - now.wall;
    const MonoTime end = now.mono + std::min(ahead, slice_length());
    if (end + span() > now.mono) slices_.push_back({end, end, stored});
  }
}

std::optional<MonoTime> QueueGate::next_free(MonoTime now) const {
  if (!limits_.rate) return std::nullopt;
  for (const Slice& slice : slices_) {
    if (slice.last + span() > now) return slice.last + span();
  }
  return std::nullopt;
}

}  // namespace duly
