// The numbers of an agent in Prometheus' text format; docs/metrics.md lists them.
#pragma once

#include <string>

#include "agent/link/agent_node.h"

namespace duly {

std::string agent_metrics_text(const AgentStats& stats);

}  // namespace duly
