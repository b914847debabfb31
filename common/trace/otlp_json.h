// Spans as OTLP writes them in JSON: the body of a POST to a collector's /v1/traces.  Pure.
#pragma once

#include <string>
#include <vector>

#include "common/trace/span.h"

namespace duly {

// Whose spans they are.
struct SpanSource {
  std::string service;   // "duly-server"
  std::string instance;  // which of them
};

std::string otlp_json(const SpanSource& source, const std::vector<Span>& spans);

}  // namespace duly
