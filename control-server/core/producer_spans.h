// Where a new command stands in a trace, decided with the transaction that stores it.
//
// What the caller said is kept as it is, unless spans are exported: then the command gets a span of its own
// below the caller's, or one that begins a trace, and goes on with that.  What the caller does not want
// sampled stays as it came.  Nothing is written to the store for a command without a trace.
// Concurrency.  Engine thread.
#pragma once

#include <vector>

#include "common/model/trace_context.h"
#include "control-server/core/effects.h"

namespace duly {

struct TraceConfig {
  bool exported = false;   // somebody takes the spans
  double sample = 0;       // share of the commands without a trace that get one, 0 to 1
  std::uint64_t seed = 0;  // drawn at random
};

class ProducerSpans {
 public:
  // Engines that follow each other in one process have the same seed, never the same moment.
  ProducerSpans(TraceConfig config, WallTime now);

  // Gives `spec` its own place; answers the caller's (null = none).
  TracePtr enter(CommandSpec& spec);
  // Of what is stored now: tells of its span, if it has one of its own.
  void note(const StateRow& row, const CommandSpec& spec, const TracePtr& caller, WallTime now,
            std::vector<Effect>& effects) const;

 private:
  const TraceConfig config_;
  SpanIds ids_;
};

}  // namespace duly
