// The client: submits, retries what nobody answered, acts on commands, and remembers what it was told.
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {

NewCommand World::draw_command() {
  NewCommand command;
  CommandSpec& spec = command.spec;
  spec.type = "work";
  spec.queue = plan_.queues[rng_.below(plan_.queues.size())];
  const std::int64_t fails = rng_.chance(0.2) ? rng_.between(1, 4) : 0;
  const std::int64_t ms = rng_.chance(0.8) ? rng_.between(0, 40) : rng_.between(100, 1500);
  int kind = 0;
  if (plan_.hangs && rng_.chance(0.05)) kind = 1;
  if (plan_.poison && rng_.chance(0.03)) kind = rng_.chance(0.5) ? 2 : 3;
  spec.payload =
      make_bytes("[" + std::to_string(fails) + "," + std::to_string(ms) + "," + std::to_string(kind) + "]");
  if (rng_.chance(0.5)) spec.delay_ms = rng_.between(0, 5000);
  spec.priority = static_cast<int>(rng_.between(0, 9));
  if (plan_.keys && rng_.chance(0.4)) spec.key = "key-" + std::to_string(rng_.below(3));
  spec.retry = {static_cast<int>(rng_.between(1, 4)), 50, 2.0, 300, 0.2};
  spec.timeout_ms = 2000;
  if (rng_.chance(0.05)) spec.expires_at_ms = to_ms(loop_.wall()) + rng_.between(6000, 20'000);
  if (rng_.chance(0.1)) spec.on_lost = OnLost::dead;
  if (rng_.chance(0.2)) spec.labels = {{"team", "a"}};
  // Every command has a key of its own, so that a submit without an answer can be sent again.
  command.idempotency_key = "k" + std::to_string(next_key_++);
  command.body_hash = stable_hash(command.idempotency_key);
  return command;
}

void World::submit_some() {
  if (to_submit_ <= 0 || healing_) return;
  std::vector<NewCommand> commands;
  const std::int64_t count = rng_.chance(0.7) ? 1 : rng_.between(2, 8);
  for (std::int64_t i = 0; i < count; ++i) commands.push_back(draw_command());
  to_submit_ -= static_cast<int>(count);
  const ReplyTo reply = next_reply_++;
  if (!server_->submit(Submit{reply, "client", commands})) {
    unknown_.push_back(std::move(commands));
    return;
  }
  pending_[reply] = Pending{std::move(commands), CommandId{}, "submit", loop_.now()};
  if (rng_.chance(0.3)) resubmit_unknown();
}

void World::resubmit_unknown() {
  if (!server_->up()) return;
  for (std::vector<NewCommand>& commands : std::exchange(unknown_, {})) {
    const ReplyTo reply = next_reply_++;
    if (server_->submit(Submit{reply, "client", commands})) {
      pending_[reply] = Pending{std::move(commands), CommandId{}, "submit", loop_.now()};
    } else {
      unknown_.push_back(std::move(commands));
    }
  }
}

void World::act_on_some_command() {
  if (some_.empty()) return;
  const CommandId id = some_[rng_.below(some_.size())];
  const ReplyTo reply = next_reply_++;
  const std::uint64_t what = rng_.below(4);
  Input input = Tick{};
  std::string action;
  if (what == 0) {
    input = CancelCommand{reply, "client", id};
    action = "cancel";
  } else if (what == 1) {
    input = RedriveCommand{reply, "client", id};
    action = "redrive";
  } else if (what == 2) {
    input = RescheduleCommand{reply, "client", id, to_ms(loop_.wall()) + rng_.between(-1000, 4000)};
    action = "reschedule";
  } else {
    input = UnassignShard{reply, "client",
                          static_cast<int>(rng_.below(static_cast<std::uint64_t>(plan_.shards)))};
    action = "unassign";
  }
  if (server_->submit(std::move(input))) pending_[reply] = Pending{{}, id, action, loop_.now()};
}

void World::answered(const Answer& answer) {
  if (const auto* stats = std::get_if<StatsSnapshot>(&answer.what)) {
    stats_ = *stats;
    return;
  }
  const auto at = pending_.find(answer.reply);
  if (at == pending_.end()) throw Violation{"I13: an answer to a request that was answered before"};
  Pending request = std::move(at->second);
  pending_.erase(at);
  note(answer.what.index() + 100);
  if (const auto* submitted = std::get_if<Submitted>(&answer.what)) {
    if (submitted->items.size() != request.commands.size()) throw Violation{"I13: answer of another length"};
    for (std::size_t i = 0; i < submitted->items.size(); ++i) {
      const CommandId id = submitted->items[i].id;
      auto& ids = facts_.by_key[request.commands[i].idempotency_key];
      ids.insert(id);
      if (ids.size() > 1) throw Violation{"I8: two commands for one idempotency key"};
      if (facts_.accepted.insert(id).second) {
        ++counts_.accepted;
        some_.push_back(id);
        if (!request.commands[i].spec.key.empty()) facts_.keyed[id] = request.commands[i].spec.key;
      }
    }
    return;
  }
  if (const auto* problem = std::get_if<Problem>(&answer.what)) {
    // Refused for want of space: not applied, so it can be sent again.
    if (problem->status == 507 && !request.commands.empty()) {
      unknown_.push_back(std::move(request.commands));
      ++counts_.fulls;
    } else if (!request.commands.empty()) {
      throw Violation{"a good submit was refused: " + problem->detail};
    }
    return;
  }
  if (request.action == "cancel") facts_.cancelled.insert(request.id);
  if (request.action == "redrive") {
    facts_.redriven.insert(request.id);
    ended_.erase(request.id);
  }
}

}  // namespace duly::sim
