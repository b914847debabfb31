// The engine's counters and gauges as the JSON of GET /v1/stats.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control-server/core/stats.h"

namespace duly {

std::string stats_json(const StatsSnapshot& stats);

// Every counter with its name and what it counts: /v1/stats and /metrics show the same ones.
struct NamedCounter {
  std::string_view name;
  std::string_view help;
  std::uint64_t value;
};
std::vector<NamedCounter> counters_of(const StatsSnapshot& stats);

}  // namespace duly
