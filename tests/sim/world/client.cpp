// The client: submits, retries what nobody answered, acts on commands, and remembers what it was told.
#include <algorithm>
#include <set>
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {

// By the request's number, not by the dice: a third has none, a third one that is not sampled.
TracePtr World::trace_for(std::uint64_t number) {
  const TracePtr trace = SpanIds(number).root();
  if (number % 3 == 0) return nullptr;
  if (number % 3 == 1) return trace;
  return read_trace(trace->traceparent().substr(0, 53) + "00", "sim=1");
}

NewCommand World::draw_command() {
  NewCommand command;
  CommandSpec& spec = command.spec;
  spec.type = "work";
  spec.queue = plan_.queues[rng_.below(plan_.queues.size())];
  const std::int64_t fails = rng_.chance(0.2) ? rng_.between(1, 4) : 0;
  const bool quick = rng_.chance(plan_.slow ? 0.1 : 0.8);
  const std::int64_t ms = quick ? rng_.between(0, 40) : rng_.between(100, 1500);
  int kind = 0;
  if (plan_.hangs && rng_.chance(0.05)) kind = 1;
  if (plan_.poison && rng_.chance(0.03)) kind = rng_.chance(0.5) ? 2 : 3;
  spec.payload =
      make_bytes("[" + std::to_string(fails) + "," + std::to_string(ms) + "," + std::to_string(kind) + "]");
  if (rng_.chance(0.5)) spec.delay_ms = rng_.between(0, 5000);
  // A herd: everything of a few seconds is due in the same millisecond.
  if (plan_.same_time && rng_.chance(0.8)) {
    spec.delay_ms.reset();
    spec.due_at_ms = (to_ms(loop_.wall()) / 5000 + 1) * 5000;
  }
  spec.priority = static_cast<int>(rng_.between(0, 9)) % plan_.priorities;
  if (plan_.keys && rng_.chance(0.4)) spec.key = "key-" + std::to_string(rng_.below(3));
  // Its turn comes before that of others of its key, which may be out already.
  if (!spec.key.empty() && rng_.chance(0.3)) {
    spec.delay_ms.reset();
    spec.due_at_ms = to_ms(loop_.wall()) - rng_.between(0, 5000);
  }
  spec.retry = {static_cast<int>(rng_.between(1, 4)), 50, 2.0, 300, 0.2};
  spec.timeout_ms = 2000;
  if (rng_.chance(0.08)) {
    const std::int64_t due = spec.due_at_ms.value_or(to_ms(loop_.wall()) + spec.delay_ms.value_or(0));
    spec.expires_at_ms = due + rng_.between(1, 12'000);
  }
  if (rng_.chance(0.15)) spec.on_lost = OnLost::dead;
  if (rng_.chance(0.2)) spec.labels = {{"team", "a"}};
  // Every command has a key of its own, so that a submit without an answer can be sent again.
  command.idempotency_key = "k" + std::to_string(next_key_++);
  command.body_hash = stable_hash(command.idempotency_key);
  spec.trace = trace_for(command.body_hash);
  return command;
}

// Sent again too late: by then it would expire before it is due.
bool World::may_have_expired(const std::vector<NewCommand>& commands) {
  return std::any_of(commands.begin(), commands.end(), [&](const NewCommand& command) {
    const CommandSpec& spec = command.spec;
    const std::int64_t due = spec.due_at_ms.value_or(server_wall_ms() + spec.delay_ms.value_or(0));
    return spec.expires_at_ms && *spec.expires_at_ms <= std::max(due, server_wall_ms());
  });
}

void World::submit_some() {
  if (to_submit_ <= 0 || healing_) return;
  std::vector<NewCommand> commands;
  const std::int64_t count = rng_.chance(0.7) ? 1 : rng_.between(2, 8);
  for (std::int64_t i = 0; i < count; ++i) {
    commands.push_back(draw_command());
    add_parents(commands.back());
    ask_for_callback(commands.back());
  }
  to_submit_ -= static_cast<int>(count);
  if (std::exchange(sync_fails_with_submit_, false)) disk_.fail_syncs(1);
  const ReplyTo reply = next_reply_++;
  if (!server_->submit(Submit{reply, "client", commands})) {
    unknown_.push_back({std::move(commands), false});
    return;
  }
  pending_[reply] = Pending{std::move(commands), CommandId{}, "submit", {}, {}, {}};
  if (rng_.chance(0.3)) resubmit_unknown();
}

void World::resubmit_unknown() {
  if (!server_->up()) return;
  for (Unsent& again : std::exchange(unknown_, {})) {
    const ReplyTo reply = next_reply_++;
    if (server_->submit(Submit{reply, "client", again.commands})) {
      pending_[reply] =
          Pending{std::move(again.commands), CommandId{}, "submit", {}, {}, {}, again.maybe_applied};
    } else {
      unknown_.push_back(std::move(again));
    }
  }
}

void World::act_on_some_command() {
  if (some_.empty()) return;
  const std::size_t recent = rng_.chance(0.7) ? std::min<std::size_t>(some_.size(), 12) : some_.size();
  const CommandId id = some_[some_.size() - 1 - rng_.below(recent)];
  const ReplyTo reply = next_reply_++;
  const std::uint64_t what = rng_.below(4);
  Input input = Tick{};
  std::string action;
  if (what == 0) {
    input = CancelCommand{reply, "client", id};
    action = "cancel";
  } else if (what == 1) {
    input = RedriveCommand{reply, "client", id};
    facts_.redriven.insert(id);
    action = "redrive";
  } else if (what == 2) {
    input = RescheduleCommand{reply, "client", id, to_ms(loop_.wall()) + rng_.between(-1000, 4000)};
    facts_.rescheduled.insert(id);
    action = "reschedule";
  } else {
    input = UnassignShard{reply, "client",
                          static_cast<int>(rng_.below(static_cast<std::uint64_t>(plan_.shards)))};
    action = "unassign";
  }
  if (server_->submit(std::move(input))) pending_[reply] = Pending{{}, id, action, {}, {}, {}};
}

// Who has an answer finds nothing older in the counters.
void World::look_at_counters() {
  const StatsAnswer counters = server_->stats_at_hand();
  for (std::size_t i = 0; counters && i < kStates.size(); ++i) {
    if (counters->by_state[i] != server_->store().count(kStates[i]))
      throw Violation{"I13: counters at hand that are not those of the last commit"};
  }
}

void World::answered(const Answer& answer) {
  look_at_counters();
  if (const auto* stats = std::get_if<StatsAnswer>(&answer.what)) {
    stats_ = **stats;
    // Design decision 8: a capped window per lane, and no more again of what is published anew.
    std::set<LaneKey> lanes;
    server_->store().each_state([&](const StateRow& row) { lanes.insert(lane_of(row)); });
    if (stats_.window_commands > static_cast<std::int64_t>(2 * lanes.size() * plan_.lane_window))
      throw Violation{"I12: " + std::to_string(stats_.window_commands) + " commands in memory"};
    return;
  }
  if (foreign_answered(answer)) return;
  const auto at = pending_.find(answer.reply);
  if (at == pending_.end()) throw Violation{"I13: an answer to a request that was answered before"};
  Pending request = std::move(at->second);
  pending_.erase(at);
  note(answer.what.index() + 100);
  if (request.action == "schedule" || request.action == "stop") {
    const auto* problem = std::get_if<Problem>(&answer.what);
    return schedule_answered(request, problem != nullptr ? problem->status : 0);
  }
  if (request.action == "workflow") return workflow_answered(request, answer);
  if (request.action == "limits") return limits_answered(request.queue, request.limits, answer);
  if (request.action == "bulk") return bulk_answered(request.bulk, answer);
  if (const auto* submitted = std::get_if<Submitted>(&answer.what)) {
    if (submitted->items.size() != request.commands.size()) throw Violation{"I13: answer of another length"};
    for (std::size_t i = 0; i < submitted->items.size(); ++i) {
      const CommandId id = submitted->items[i].id;
      auto& ids = facts_.by_key[request.commands[i].idempotency_key];
      ids.insert(id);
      if (ids.size() > 1) throw Violation{"I8: two commands for one idempotency key"};
      if (facts_.accepted.emplace(id, request.commands[i].spec.on_lost).second) {
        ++counts_.accepted;
        facts_.traces[id] = request.commands[i].spec.trace;
        const bool delivers = request.commands[i].spec.deliver.has_value();
        (delivers ? deliveries_ : some_).push_back(id);
        if (delivers) facts_.deliveries.insert(id);
        if (!request.commands[i].spec.callback_url.empty()) facts_.callbacks.insert(id);
        const auto& parents = request.commands[i].spec.depends_on;
        if (!parents.empty()) facts_.parents[id] = parents;
      }
    }
    return;
  }
  if (const auto* problem = std::get_if<Problem>(&answer.what)) {
    // Refused for want of space: not applied.  It may be sent again, or it must never be seen.
    if (problem->status == 507 && !request.commands.empty()) {
      if (request.maybe_applied || rng_.chance(0.5))
        unknown_.push_back({std::move(request.commands), request.maybe_applied});
      ++counts_.fulls;
    } else if (problem->status == 400 && may_have_expired(request.commands)) {
      ++counts_.strikes["expired_submit"];  // known keys are answered first: none of it was ever applied
    } else if (!request.commands.empty()) {
      throw Violation{"a good submit was refused: " + problem->detail};
    }
    return;
  }
  if (request.action == "cancel") facts_.cancelled.insert(request.id);
  if (request.action == "redrive") ended_.erase(request.id);
}

}  // namespace duly::sim
