// The span of a command's acceptance, from the request until its answer.
#pragma once

#include "common/trace/span.h"
#include "control-server/core/effects.h"

namespace duly {

Span producer_span(const CommandTraced& traced, WallTime now);

}  // namespace duly
