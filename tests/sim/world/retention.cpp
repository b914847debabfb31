// Retention in the simulated world: what the server is about to remove is looked at and kept here, so that it
// is judged with the rest; and what should be gone must go.
#include <algorithm>
#include <string>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

// On top of the times themselves: rests between the steps, and as far as a wall clock was set back.
constexpr Duration kSlack = seconds{15};
constexpr Duration kSlackOfSteps = seconds{60};

}  // namespace

// I18: only what has ended is removed, not before its time, and nothing that somebody still waits for.  The
// batch may yet fail: then the command is still there, and what is there counts.
void World::watch_removal(CommandId id) {
  const std::string text = format_command_id(id);
  const auto row = server_->store().find(id);
  if (!row || !is_end(row->state)) throw Violation{"I18: " + text + " is removed and has not ended"};
  const auto keep = plan_.keep(row->state);
  if (!keep) throw Violation{"I18: " + text + " is removed and was to be kept for ever"};
  const std::int64_t left_ms = row->finished_ms + to_ms(*keep) - server_wall_ms();
  if (left_ms > 0)
    throw Violation{"I18: " + text + " is removed " + std::to_string(left_ms) + " ms before its time"};
  // By what was seen, whatever the row says of its end; a wall clock that jumps ahead takes time away.
  const auto seen = open_.find(id);
  if (plan_.rates.wall_step.count() == 0 && seen != open_.end() &&
      loop_.now() - seen->second < *keep - milliseconds{1})
    throw Violation{"I18: " + text + " is removed and had not ended so long ago"};
  if (row->state == State::dead && !wire_.dead_kept.contains({id, row->attempt}))
    throw Violation{"I9: " + text + " is removed and its dead letter never reached the broker"};
  if (facts_.callbacks.contains(id) && !was_told(*row))
    throw Violation{"I18: " + text + " is removed and nobody was told of its end"};
  if (const auto node = server_->store().node(id)) {
    if (server_->store().workflow(node->workflow)->open > 0)
      throw Violation{"I18: " + text + " is removed and its workflow goes on"};
    removed_nodes_[node->workflow].insert(id);
  }
  watch_row(*row);
  find_message_of(id);
  ++counts_.strikes["retention"];
  removed_[id] = {*row, server_->store().attempts(id)};
}

// An ended command that is still there and not for ever.
std::optional<CommandId> World::overdue() {
  std::optional<CommandId> found;
  server_->store().each_state([&](const StateRow& row) {
    if (is_end(row.state) && plan_.keep(row.state)) found = row.id;
  });
  return found;
}

void World::run_until_removed() {
  if (!plan_.removes()) return;
  Duration longest{};
  for (const State state : kStates) {
    if (is_end(state)) longest = std::max(longest, plan_.keep(state).value_or(Duration{0}));
  }
  const bool steps = plan_.rates.wall_step.count() > 0;
  const MonoTime end = loop_.now() + longest + (steps ? kSlackOfSteps : kSlack);
  while (true) {
    const auto id = server_->up() ? overdue() : std::nullopt;
    if (server_->up() && !id) return;
    if (loop_.now() > end)
      throw Violation{"I18: " + (id ? format_command_id(*id) : std::string("something")) + " is still there"};
    run_for(milliseconds{200});
  }
}

// All attempts there ever were, and into `rows` the commands that were removed.
World::AttemptRows World::all_attempts(std::map<CommandId, StateRow>& rows) {
  AttemptRows all;
  server_->store().each_attempt([&](const AttemptRow& row) {
    if (!rows.contains(row.id))
      throw Violation{"I18: an attempt of " + format_command_id(row.id) + " outlives its command"};
    all.push_back(row);
  });
  for (const auto& [id, removed] : removed_) {
    if (!rows.emplace(id, removed.row).second) continue;
    all.insert(all.end(), removed.attempts.begin(), removed.attempts.end());
  }
  return all;
}

}  // namespace duly::sim
