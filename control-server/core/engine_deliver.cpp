// Deliver mode: how a command ends whose message goes to somebody else's exchange.
//
// It is never queued and never running: it is scheduled until its agent says what the broker has said.  The
// fences are those of every mark (engine_life.cpp); of what passes them nothing can be taken back, so the end
// and the attempt are recorded in the same transaction (docs/decisions/0027).
#include <algorithm>

#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {

void Engine::mark_delivery(StateRow& row, const MarkItem& item, const Agent& agent) {
  const bool delivered = item.outcome == MarkOutcome::delivered;
  row.attempt = item.attempt;
  row.losses = 0;
  store_.append_attempt({row.id, item.attempt, item.epoch, agent.party, 0, delivered ? now_ms() : 0, 0,
                         now_ms(), delivered ? AttemptOutcome::delivered : AttemptOutcome::failed,
                         item.error.substr(0, limits::kErrorBytes), nullptr});
  QueueInfo& info = queues_[row.queue];
  info.last_problem = delivered ? std::string_view() : name_of(item.outcome);
  if (!delivered) {
    ++stats_.unroutable;
    return retry_or_die(row, true, DeadReason::attempts_exhausted);
  }
  info.failures_in_a_row = 0;
  ++stats_.delivered;
  const std::int64_t late_us = now_.wall.time_since_epoch().count() - row.due_ms * 1000;
  stats_.lateness.add(std::max<std::int64_t>(late_us, 0));
  seconds_.back().lateness.add(std::max<std::int64_t>(late_us, 0));
  charge_start(row);
  end(row, Move::hand_over);
}

}  // namespace duly
