// Counters and gauges of the engine at one moment: what /v1/stats and /metrics show.  A plain copy, any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/model/state_table.h"

namespace duly {

// Counts per bucket of a latency histogram; the bounds are upper limits in microseconds, the last bucket is
// open.
struct Histogram {
  static constexpr std::array<std::int64_t, 16> kBoundsUs = {
      100,    250,     500,     1'000,   2'500,     5'000,     10'000,     25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 5'000'000, 30'000'000, 300'000'000};
  std::array<std::uint64_t, 17> counts{};
  std::uint64_t total = 0;
  std::int64_t sum_us = 0;

  void add(std::int64_t us);
  void add(const Histogram& other);
  // The upper bound, in microseconds, of the bucket that holds quantile `q` (0..1), interpolated; 0 when
  // empty.
  [[nodiscard]] double quantile_us(double q) const;
};

struct StatsSnapshot {
  std::array<std::int64_t, kStates.size()> by_state{};  // commands now, by State
  // Since the start of this process:
  std::uint64_t accepted = 0, replayed = 0, handed_out = 0, marked = 0, permitted = 0, permits_refused = 0;
  std::uint64_t succeeded = 0, failed = 0, lost = 0, retried = 0, died = 0, cancelled = 0, expired = 0;
  std::uint64_t stale_marks = 0, stale_results = 0, republished = 0, given_back = 0,
                dead_letters_published = 0, removed = 0;
  std::uint64_t commits = 0, committed_inputs = 0, shard_moves = 0, agents_lost = 0;
  // Per second, over the last ten seconds:
  double accepted_per_s = 0, started_per_s = 0, ended_per_s = 0;
  Histogram lateness;            // start of the handler's permit after due, of attempts due since the start
  Histogram recent_lateness;     // the same over the last minute
  std::int64_t backlog_due = 0;  // in the window and to be handed out now, what is published anew too
  std::int64_t oldest_due_age_ms = 0;  // of the window
  std::int64_t window_commands = 0;    // held in memory
  int agents_live = 0, agents_draining = 0;
  int shards_held = 0, shards_moving = 0, shards_free = 0;
  std::int64_t running = 0, dead_letters_waiting = 0;
  bool broker_up = false;
  bool disk_low = false;
  bool draining = false;
  std::int64_t generation = 0;
  std::int64_t uptime_ms = 0;
  std::int64_t sessions = 0;
};

}  // namespace duly
