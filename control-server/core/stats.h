// Counters and gauges of the engine at one moment: what /v1/stats and /metrics show.  A plain copy, any
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/histogram.h"
#include "common/model/state_table.h"

namespace duly {

// What has not ended of one queue, and who could run it.
struct QueueStats {
  static constexpr std::size_t kShown = 200;  // more of them would be too many for one page
  static constexpr std::array<State, 4> kOpen = {State::waiting, State::scheduled, State::queued,
                                                 State::running};
  std::string name;
  std::array<std::int64_t, kOpen.size()> open{};
  std::int64_t executors = 0;
  bool paused = false;
};

struct StatsSnapshot {
  std::array<std::int64_t, kStates.size()> by_state{};  // commands now, by State
  // Since the start of this process:
  std::uint64_t accepted = 0, replayed = 0, handed_out = 0, marked = 0, permitted = 0, permits_refused = 0;
  std::uint64_t succeeded = 0, failed = 0, lost = 0, retried = 0, died = 0, cancelled = 0, expired = 0;
  std::uint64_t delivered = 0, unroutable = 0;  // deliver mode
  std::uint64_t stale_marks = 0, stale_results = 0, republished = 0, given_back = 0,
                dead_letters_published = 0, removed = 0;
  std::uint64_t callbacks_delivered = 0, callbacks_failed = 0, callbacks_given_up = 0;
  std::uint64_t commits = 0, committed_inputs = 0, shard_moves = 0, agents_lost = 0;
  // Per second, over the last ten seconds:
  double accepted_per_s = 0, started_per_s = 0, ended_per_s = 0;
  Histogram lateness;              // start of the handler's permit after due, of attempts due since the start
  Histogram recent_lateness;       // the same over the last minute
  Histogram commit;                // applying and committing one batch of requests
  std::vector<QueueStats> queues;  // at most QueueStats::kShown
  std::int64_t queue_count = 0;
  std::int64_t backlog_due = 0;        // in the window and to be handed out now, what is published anew too
  std::int64_t oldest_due_age_ms = 0;  // of the window
  std::int64_t window_commands = 0;    // held in memory
  int agents_live = 0, agents_draining = 0;
  int shards_held = 0, shards_moving = 0, shards_free = 0;
  std::int64_t running = 0, dead_letters_waiting = 0, callbacks_owed = 0;
  bool broker_up = false;
  bool disk_low = false;
  bool draining = false;
  std::int64_t generation = 0;
  std::int64_t uptime_ms = 0;
  std::int64_t sessions = 0;
};

}  // namespace duly
