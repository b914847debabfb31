// The last hour of the statistics, for whoever begins to look now: GET /v1/stats/history.
//
// Operation.  Every kEvery the engine is asked for its statistics; the figures that are drawn over time are
// kept in a ring.  A question that is not answered leaves a gap: nothing is made up. Concurrency.  Loop
// thread only. Limits.  kKept samples, some 70 KB; lost with the process (Prometheus is for more).
#pragma once

#include <deque>
#include <string>

#include "common/runtime/loop.h"
#include "control-server/api/desk.h"
#include "control-server/core/stats.h"

namespace duly {

class StatsHistory {
 public:
  static constexpr Duration kEvery = seconds{5};
  static constexpr std::size_t kKept = 721;  // an hour from first to last

  // Both outlive the loop's tasks, as this does.
  StatsHistory(Loop& loop, Desk& desk) : loop_(loop), desk_(desk) {}

  // Begins to ask; once.
  void start();
  // {"every_ms":…,"samples":[…]}, oldest first.  Each says its age, so that no two clocks have to agree.
  [[nodiscard]] std::string json() const;

 private:
  struct Sample {
    MonoTime at;
    double accepted_per_s, started_per_s, ended_per_s;
    std::uint64_t failed, lost, died;  // since the start of the server
    double p50_ms, p95_ms, p99_ms;
    std::int64_t due, queued, running;
  };
  void ask();
  void take(const StatsSnapshot& stats);
  // `before` is the sample before, null = none: then there is no rate of what is only counted.
  void append(std::string& out, const Sample& sample, const Sample* before) const;

  Loop& loop_;
  Desk& desk_;
  std::deque<Sample> samples_;
};

}  // namespace duly
