// The numbers of an agent in Prometheus' text format; docs/metrics.md lists them.
#pragma once

#include <string>
#include <vector>

#include "agent/handlers/circuit_breaker.h"
#include "agent/link/agent_node.h"
#include "common/trace/span_exporter.h"

namespace duly {

std::string agent_metrics_text(const AgentStats& stats, const std::vector<CircuitView>& circuits = {},
                               const SpanCounts& spans = {});

}  // namespace duly
