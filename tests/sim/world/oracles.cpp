// The oracles: what must hold while it runs and at the end.  Numbers are those of the design's invariants.
#include <algorithm>
#include <string>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

std::string text(CommandId id) { return format_command_id(id); }

}  // namespace

// I4: per shard epochs rise strictly, and an epoch has one holder.
void World::watch_sent(const SendMessage& message) {
  if (const auto* begun = std::get_if<Begun>(&message.message)) {
    for (const BegunItem& item : begun->items) {
      if (item.verdict == Verdict::go) watch_start({item.id, item.attempt});
    }
  }
  const auto* lease = std::get_if<Lease>(&message.message);
  if (lease == nullptr) return;
  for (const Holding& holding : lease->items) {
    note(static_cast<std::uint64_t>(holding.epoch.value));
    Epoch& highest = highest_[holding.shard];
    if (holding.epoch < highest)
      throw Violation{"I4: epoch of shard " + std::to_string(holding.shard.value) + " fell"};
    const auto [at, fresh] = holder_.emplace(std::pair{holding.shard, holding.epoch}, message.session);
    if (!fresh && at->second != message.session && holding.epoch == highest) {
      // The same incarnation may have its holding back over a new connection; nobody else.
      at->second = message.session;
    }
    highest = holding.epoch;
  }
}

// I16: a permit is never granted before the command is due by the server's clock.
void World::watch_start(AttemptRef ref) {
  const auto row = server_->store().find(ref.id);
  if (!row) throw Violation{"a permit for a command that is not stored"};
  const bool this_attempt = row->state == State::running && row->attempt == ref.attempt;
  // The hand-over is decided by the server's clock, publishing by the agent's elapsed time: a wall clock that
  // was stepped forward between the two is seen as early by as much, and only such runs may show it.
  const std::int64_t tolerance_ms = plan_.rates.wall_step.count() > 0 ? 60'000 : 0;
  if (this_attempt && row->due_ms > to_ms(server_wall_) + tolerance_ms)
    throw Violation{"I16: " + text(ref.id) + " began early"};
  note(static_cast<std::uint64_t>(ref.id.value) + static_cast<std::uint64_t>(ref.attempt));
}

void World::ask_stats() { (void)server_->submit(Query{next_reply_++, Query::What::stats, "", {}}); }

void World::sample_store() {
  if (!server_->up() || server_->wants_to_die()) return;
  ask_stats();
  std::map<std::int64_t, int> busy;
  server_->store().each_state([&](const StateRow& row) {
    if (row.key_hash != 0 && (row.state == State::queued || row.state == State::running) &&
        ++busy[row.key_hash] > 1) {
      throw Violation{"I6: two commands of one key at a time, " + text(row.id)};
    }
    const auto known = ended_.find(row.id);
    if (known != ended_.end() && known->second != row.state && known->second != State::dead) {
      throw Violation{"I5: " + text(row.id) + " left its end " + std::string(name_of(known->second))};
    }
    if (is_end(row.state)) ended_[row.id] = row.state;
  });
}

bool World::settled() {
  if (!server_->up() || !pending_.empty() || !unknown_.empty()) {
    if (server_->up() && !unknown_.empty() && pending_.empty()) resubmit_unknown();
    return false;
  }
  Store& store = server_->store();
  const std::int64_t open =
      store.count(State::scheduled) + store.count(State::queued) + store.count(State::running);
  return open == 0 && store.dead_outbox_size() == 0;
}

std::string World::open_work() {
  std::string what = server_->up() ? "" : " the server is down;";
  what += " " + std::to_string(pending_.size()) + " requests unanswered, " + std::to_string(unknown_.size()) +
          " unknown;";
  if (!server_->up()) return what;
  what += " dead letters " + std::to_string(server_->store().dead_outbox_size()) + ";";
  int shown = 0;
  server_->store().each_state([&](const StateRow& row) {
    if (is_end(row.state) || ++shown > 5) return;
    what += "\n  " + text(row.id) + " " + std::string(name_of(row.state)) + " attempt " +
            std::to_string(row.attempt) + " of " + std::to_string(row.base_attempt + row.max_attempts) +
            " due in " + std::to_string(row.due_ms - to_ms(server_wall_)) + " ms, shard " +
            std::to_string(row.shard.value) + ", queued " +
            std::to_string(row.queued_ms == 0 ? 0 : to_ms(server_wall_) - row.queued_ms) + " ms ago, key " +
            std::to_string(row.key_hash);
  });
  return what;
}

void World::judge() {
  add_stats();
  Store& store = server_->store();
  if (!store.counters_agree()) throw Violation{"the kept counters differ from the rows"};
  if (const std::string found = store.integrity(); found != "ok") throw Violation{"I14: " + found};
  std::map<CommandId, StateRow> rows;
  store.each_state([&](const StateRow& row) { rows.emplace(row.id, row); });
  judge_commands(rows);
  judge_attempts(rows);
}

void World::judge_commands(std::map<CommandId, StateRow>& rows) {
  for (const CommandId id : facts_.accepted) {
    const auto at = rows.find(id);
    if (at == rows.end()) throw Violation{"I1: " + text(id) + " was accepted and is lost"};
    if (!is_end(at->second.state)) throw Violation{"I7: " + text(id) + " has not ended"};
    if (facts_.cancelled.contains(id) && at->second.state != State::cancelled) {
      throw Violation{"I13: " + text(id) + " was answered cancelled and is " +
                      std::string(name_of(at->second.state))};
    }
  }
  for (const auto& [id, row] : rows) {
    if (!facts_.accepted.contains(id)) throw Violation{"I9: " + text(id) + " was never asked for"};
    note(static_cast<std::uint64_t>(row.state) * 1000 + static_cast<std::uint64_t>(row.attempt));
  }
}

// I3 and I9: what the store says of attempts agrees with what ran.
void World::judge_attempts(const std::map<CommandId, StateRow>& rows) {
  std::map<AttemptRef, AttemptOutcome> outcomes;
  server_->store().each_attempt([&](const AttemptRow& row) {
    outcomes[{row.id, row.attempt}] = row.outcome;
  });
  for (const auto& [ref, outcome] : outcomes) {
    const auto ran = ledger_.starts.find(ref);
    const bool claims_run = outcome == AttemptOutcome::succeeded || outcome == AttemptOutcome::failed;
    if (claims_run && ran == ledger_.starts.end())
      throw Violation{"I3: " + text(ref.id) + " has a result but never ran"};
    if (outcome == AttemptOutcome::succeeded && !ran->second.ended_ok)
      throw Violation{"I3: " + text(ref.id) + " succeeded, they say"};
  }
  for (const auto& [ref, start] : ledger_.starts) {
    const auto outcome = outcomes.find(ref);
    if (outcome == outcomes.end()) throw Violation{"I9: " + text(ref.id) + " ran without a permit on record"};
    if (start.ended_ok && outcome->second == AttemptOutcome::failed)
      throw Violation{"I3: a success was recorded as failure"};
  }
  for (const auto& [id, row] : rows) {
    if (row.state != State::succeeded) continue;
    const auto last = outcomes.find({id, row.attempt});
    if (last == outcomes.end() || last->second != AttemptOutcome::succeeded)
      throw Violation{"I3: " + text(id) + " succeeded without an attempt"};
  }
}

void World::add_stats() {
  counts_.lost_attempts += stats_.lost;
  counts_.refused_permits += stats_.permits_refused;
  counts_.stale_marks += stats_.stale_marks;
  counts_.stale_results += stats_.stale_results;
  counts_.republished += stats_.republished;
  stats_ = StatsSnapshot{};
}

}  // namespace duly::sim
