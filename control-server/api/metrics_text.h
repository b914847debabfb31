// The engine's counters and gauges in Prometheus' text format.
#pragma once

#include <string>

#include "control-server/core/stats.h"

namespace duly {

std::string metrics_text(const StatsSnapshot& stats);

}  // namespace duly
