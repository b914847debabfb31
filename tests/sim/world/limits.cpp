// Queue limits: the operator who changes them, and the oracle that no start goes beyond them.
//
// The oracle knows the limits that the operator was told are in force, and the starts that went over the
// wires. Between asking for a change and its answer, and for good when nobody answered, it knows nothing.
#include <algorithm>
#include <string>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr Duration kLongestRun = milliseconds{2500};
constexpr Duration kSlowestStart = milliseconds{1000};  // of a rate that is drawn here
constexpr int kAttempts = 4;                            // of a command, with those that are lost

std::string text(const StateRow& row) {
  return format_command_id(row.id) + " attempt " + std::to_string(row.attempt);
}

}  // namespace

// Wide enough that a world ends within minutes of its own time.
QueueLimits World::draw_limits() {
  QueueLimits limits;
  if (rng_.chance(0.7)) limits.max_running = rng_.between(1, rng_.chance(0.5) ? 2 : 6);
  if (rng_.chance(0.6)) {
    const std::int64_t per_ms = rng_.chance(0.3) ? rng_.between(20, 300) : rng_.between(300, 5000);
    limits.rate = StartRate{std::max<std::int64_t>(per_ms * rng_.between(2, 20) / 1000, 1), per_ms};
  }
  return limits;
}

// Whether it comes into force or the server dies before: nothing may depend on it.
void World::bundle_queues() {
  for (const std::string& queue : plan_.queues) {
    PutQueue put;
    put.reply = next_reply_++;
    put.actor = "client";
    put.queue = queue;
    put.bundle = plan_.bundle;
    const ReplyTo reply = put.reply;
    if (server_->submit(std::move(put))) pending_[reply] = Pending{{}, CommandId{}, "bundle", {}, {}, {}};
  }
}

void World::limit_some_queue() {
  const std::string queue = plan_.queues[rng_.below(plan_.queues.size())];
  LimitFacts& facts = limits_[queue];
  if (facts.asked) return;  // one at a time: else nobody knows which is in force
  PutQueue put;
  put.reply = next_reply_++;
  put.actor = "client";
  put.queue = queue;
  const QueueLimits limits = draw_limits();
  put.max_running = limits.max_running;
  put.rate = limits.rate;
  const ReplyTo reply = put.reply;
  if (!server_->submit(std::move(put))) return;
  facts.asked = facts.unsure = true;
  pending_[reply] = Pending{{}, CommandId{}, "limits", queue, limits, {}};
}

void World::limits_answered(const std::string& queue, const QueueLimits& asked, const Answer& answer) {
  LimitFacts& facts = limits_[queue];
  facts.asked = false;
  if (std::holds_alternative<Problem>(answer.what)) return;  // a full disk: what was in force before is
  facts.unsure = false;
  facts.known = asked;
  facts.since_ms = server_wall_ms();
}

// Each attempt once: a permit whose answer was lost is told again, and was granted when it was granted.
void World::watch_limits(const StateRow& row) {
  LimitFacts& facts = limits_[server_->store().queue_name(row.queue)];
  const AttemptRef ref{row.id, row.attempt};
  if (!facts.granted.insert(ref).second) return;
  facts.started_ms.insert(row.started_ms);
  std::erase_if(facts.live, [&](const AttemptRef& other) {
    const auto now = server_->store().find(other.id);
    return !now || now->state != State::running || now->attempt != other.attempt;
  });
  facts.live.insert(ref);
  if (facts.unsure || row.started_ms <= facts.since_ms) return;
  const auto live = static_cast<std::int64_t>(facts.live.size());
  if (facts.known.max_running && live > *facts.known.max_running)
    throw Violation{"I17: " + text(row) + " makes " + std::to_string(live) + " running where " +
                    std::to_string(*facts.known.max_running) + " may"};
  if (facts.known.rate) watch_rate(facts, row.started_ms, text(row));
}

// Across a restart only the wall knows how long ago a start was: where it steps, nobody can.
void World::watch_rate(const LimitFacts& facts, std::int64_t started_ms, const std::string& what) {
  if (plan_.rates.wall_step.count() > 0) return;
  const StartRate& rate = *facts.known.rate;
  const auto until = facts.started_ms.lower_bound(started_ms + rate.per_ms);
  for (auto end = facts.started_ms.lower_bound(started_ms); end != until; ++end) {
    const auto from = facts.started_ms.upper_bound(std::max(*end - rate.per_ms, facts.since_ms));
    const std::int64_t starts = std::distance(from, std::next(end));
    if (starts > rate.count)
      throw Violation{"I17: " + what + " is one of " + std::to_string(starts) + " starts within " +
                      std::to_string(rate.per_ms) + " ms where " + std::to_string(rate.count) + " may"};
  }
}

// What the limits in force allow a backlog to take.
Duration World::limited_time(std::int64_t open) const {
  Duration most{};
  for (const auto& [queue, facts] : limits_) {
    Duration time{};
    // A change that nobody answered may be in force as well as the one before: the narrowest there is.
    const bool unsure = facts.unsure;
    if (facts.known.max_running || unsure)
      time += kLongestRun * open / (unsure ? 1 : *facts.known.max_running);
    if (unsure) {
      time += kSlowestStart * kAttempts * open;
    } else if (facts.known.rate) {
      time += milliseconds{facts.known.rate->per_ms} * kAttempts * open / facts.known.rate->count;
    }
    most = std::max(most, time);
  }
  return most;
}

}  // namespace duly::sim
