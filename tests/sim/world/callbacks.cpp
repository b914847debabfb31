// Callbacks: one command in three asks that somebody is told of its end; a receiver that is slow, fails and
// loses answers; and the oracle that every end was told, and nothing before it was true.
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr std::uint64_t kReceivers = 12;

}  // namespace

void World::start_callbacks() {
  if (plan_.rates.callback.count() > 0)
    callback_dice_ = std::make_shared<Rng>(seed_ ^ stable_hash("callbacks"));
}

// Draws nothing: a command that is sent again asks for the same.
void World::ask_for_callback(NewCommand& command) const {
  const std::uint64_t hash = stable_hash("callback " + command.idempotency_key);
  if (!callback_dice_ || hash % 3 != 0) return;
  command.spec.callback_url = "http://receiver-" + std::to_string(hash / 3 % kReceivers) + "/";
}

// I13: the end is told when it is true, and it stays true unless somebody has it tried again.
void World::called_back(const SendCallback& call, std::function<void(CallbackSettled)> answer) {
  const auto row = server_->store().find(call.id);
  const std::string text = format_command_id(call.id);
  if (!row || !is_end(row->state)) throw Violation{"I13: the end of " + text + " is told and it has none"};
  ended_[call.id] = row->state;
  note(static_cast<std::uint64_t>(call.id.value) + static_cast<std::uint64_t>(call.attempt));
  watch_flood("call." + text + "." + std::to_string(call.ends));
  Rng& dice = *callback_dice_;
  const bool takes = healing_ || dice.chance(0.7);
  const bool says_so = takes && (healing_ || dice.chance(0.8));
  if (takes) told_[call.id].insert({row->state, row->finished_ms});
  ++counts_.strikes["callback"];
  CallbackSettled settled{call.id, call.ends, CallbackOutcome::delivered, "", 0};
  if (!says_so) {
    settled.outcome = CallbackOutcome::failed;
    settled.error = takes ? "no answer" : "answered 500";
    if (dice.chance(0.2)) settled.retry_after_ms = dice.between(0, 1000);
  }
  const Duration takes_time = dice.between(Duration{0}, plan_.rates.callback * 2);
  loop_.at(loop_.now() + takes_time,
           [answer = std::move(answer), settled = std::move(settled)] { answer(settled); });
}

bool World::was_told(const StateRow& row) const {
  const auto told = told_.find(row.id);
  return told != told_.end() && told->second.contains({row.state, row.finished_ms});
}

void World::judge_callbacks(const std::map<CommandId, StateRow>& rows) {
  for (const CommandId id : facts_.callbacks) {
    const auto row = rows.find(id);
    if (row != rows.end() && !was_told(row->second))
      throw Violation{"I7: nobody was told that " + format_command_id(id) + " is " +
                      std::string(name_of(row->second.state))};
  }
}

}  // namespace duly::sim
