#include "control-server/core/producer_spans.h"

#include "common/base/ids.h"

namespace duly {

ProducerSpans::ProducerSpans(TraceConfig config, WallTime now)
    : config_(config), ids_(mix(config.seed ^ static_cast<std::uint64_t>(now.time_since_epoch().count()))) {}

TracePtr ProducerSpans::enter(CommandSpec& spec) {
  TracePtr caller = spec.trace;
  if (!config_.exported) return caller;
  if (caller && caller->sampled()) {
    spec.trace = ids_.child(*caller);
  } else if (!caller && ids_.chance(config_.sample)) {
    spec.trace = ids_.root();
  }
  return caller;
}

void ProducerSpans::note(const StateRow& row, const CommandSpec& spec, const TracePtr& caller, WallTime now,
                         std::vector<Effect>& effects) const {
  if (spec.trace == caller) return;
  const auto bytes = static_cast<std::int64_t>(spec.payload->size());
  effects.push_back(CommandTraced{row.id, spec.trace, caller, spec.type, spec.queue, row.shard, bytes, now});
}

}  // namespace duly
