// The counters and gauges of the engine and of the HTTP edge in Prometheus' text format.
#pragma once

#include <string>

#include "control-server/api/edge_stats.h"
#include "control-server/core/stats.h"

namespace duly {

std::string metrics_text(const StatsSnapshot& stats, const EdgeStats& edge);

}  // namespace duly
