// Oracles on the store: what must hold of it while it runs and at the end.
#include <algorithm>
#include <string>

#include "tests/sim/world/world.h"

namespace duly::sim {
void World::ask_stats() { (void)server_->submit(Query{next_reply_++, Query::What::stats, "", {}}); }

void World::sample_store() {
  if (!server_->up() || server_->wants_to_die()) return;
  ask_stats();
  watch_silence();
  watch_schedules();
  watch_bulk();
  if (!server_->store().memory_agrees()) throw Violation{"rows in memory differ from those of the store"};
  watch_reports();
  std::map<std::int64_t, int> busy;
  server_->store().each_state([&](const StateRow& row) {
    if (row.key_hash != 0 && (row.state == State::queued || row.state == State::running) &&
        ++busy[row.key_hash] > 1) {
      throw Violation{"I6: two commands of one key at a time, " + format_command_id(row.id)};
    }
    watch_row(row);
    const auto known = ended_.find(row.id);
    const bool again =
        known != ended_.end() && (known->second == State::dead || facts_.revivable.contains(row.id));
    if (known != ended_.end() && known->second != row.state && !again) {
      throw Violation{"I5: " + format_command_id(row.id) + " left its end " +
                      std::string(name_of(known->second))};
    }
    if (is_end(row.state)) {
      ended_[row.id] = row.state;
    } else {
      open_[row.id] = loop_.now();
    }
  });
}

void World::watch_row(const StateRow& row) {
  if (row.state == State::queued && !wire_.confirmed.contains({row.id, row.next_attempt(), row.token.value}))
    throw Violation{"I4: " + format_command_id(row.id) +
                    " is queued, and no such message was ever confirmed"};
  if (row.state != State::succeeded) return;
  const auto ran = ledger_.starts.find({row.id, row.attempt});
  if (ran == ledger_.starts.end() || !ran->second.ended_ok)
    throw Violation{"I3: " + format_command_id(row.id) + " has succeeded while its attempt has not ended"};
}

// I4: what a mark recorded was published under an epoch that was still the shard's.
void World::judge_epochs(const std::map<CommandId, StateRow>& rows, const AttemptRows& attempts) {
  for (const AttemptRow& row : attempts) {
    const auto gone = superseded_ms_.find({rows.at(row.id).shard, row.epoch});
    if (row.epoch.value != 0 && row.queued_ms != 0 && gone != superseded_ms_.end() &&
        row.queued_ms > gone->second)
      throw Violation{"I4: " + format_command_id(row.id) + " attempt " + std::to_string(row.attempt) +
                      " was marked " + std::to_string(row.queued_ms - gone->second) + " ms after its epoch " +
                      std::to_string(row.epoch.value) + " was gone"};
  }
}

bool World::settled() {
  if (!server_->up() || !pending_.empty() || !unknown_.empty()) {
    if (server_->up() && !unknown_.empty() && pending_.empty()) resubmit_unknown();
    return false;
  }
  Store& store = server_->store();
  const std::int64_t open =
      store.count(State::scheduled) + store.count(State::queued) + store.count(State::running);
  if (!workflows_known() || store.count(State::waiting) != 0 || store.open_workflow_count() != 0)
    return false;
  return open == 0 && messages_on_their_way() == 0 && reports_on_their_way() == 0 && schedules_stopped() &&
         store.dead_outbox_size() == 0 && store.owed_callbacks() == 0 && store.running_operations().empty();
}

std::string World::open_work() {
  std::string what = server_->up() ? "" : " the server is down;";
  what += " " + std::to_string(pending_.size()) + " requests unanswered, " + std::to_string(unknown_.size()) +
          " unknown;";
  if (!server_->up()) return what;
  what += " messages on their way " + std::to_string(messages_on_their_way()) + ",";
  what += " results " + std::to_string(reports_on_their_way()) + ";";
  what += " operations " + std::to_string(server_->store().running_operations().size()) + ",";
  what += " dead letters " + std::to_string(server_->store().dead_outbox_size()) + ",";
  what += " callbacks " + std::to_string(server_->store().owed_callbacks()) + ";";
  for (const QueueRow& queue : server_->store().queues()) {
    const auto most = queue.limits.max_running.value_or(0);
    const StartRate rate = queue.limits.rate.value_or(StartRate{});
    what += "\n  queue " + queue.name + ": at most " + std::to_string(most) + " at a time, " +
            std::to_string(rate.count) + " per " + std::to_string(rate.per_ms) + " ms";
  }
  int shown = 0;
  server_->store().each_state([&](const StateRow& row) {
    if (is_end(row.state) || ++shown > 5) return;
    what += "\n  " + format_command_id(row.id) + " " + std::string(name_of(row.state)) + " attempt " +
            std::to_string(row.attempt) + " of " + std::to_string(row.base_attempt + row.max_attempts) +
            " due in " + std::to_string(row.due_ms - server_wall_ms()) + " ms, shard " +
            std::to_string(row.shard.value) + ", queued " +
            std::to_string(row.queued_ms == 0 ? 0 : server_wall_ms() - row.queued_ms) + " ms ago, key " +
            std::to_string(row.key_hash);
  });
  return what;
}

void World::judge() {
  add_stats();
  Store& store = server_->store();
  if (const auto scans = store.scans(); !scans.empty())
    throw Violation{"I12: a whole table is read by: " + scans.front()};
  if (!store.counters_agree()) throw Violation{"the kept counters differ from the rows"};
  if (!store.memory_agrees()) throw Violation{"rows in memory differ from those of the store"};
  if (const std::string found = store.integrity(); found != "ok") throw Violation{"I14: " + found};
  std::map<CommandId, StateRow> rows;
  store.each_state([&](const StateRow& row) { rows.emplace(row.id, row); });
  const AttemptRows attempt_rows = all_attempts(rows);
  Attempts attempts;
  for (const AttemptRow& row : attempt_rows) attempts[row.id][row.attempt] = row.outcome;
  judge_messages(rows);
  judge_commands(rows);
  judge_attempts(rows, attempts);
  judge_losses(attempts);
  judge_waits(attempt_rows);
  judge_traces();
  judge_epochs(rows, attempt_rows);
  judge_dead_letters(rows);
  judge_deliveries(rows);
  judge_callbacks(rows);
  judge_schedules(rows);
  judge_workflows(rows, attempt_rows);
}

void World::judge_commands(std::map<CommandId, StateRow>& rows) {
  for (const auto& [id, on_lost] : facts_.accepted) {
    const auto at = rows.find(id);
    if (at == rows.end()) throw Violation{"I1: " + format_command_id(id) + " was accepted and is lost"};
    if (!is_end(at->second.state)) throw Violation{"I7: " + format_command_id(id) + " has not ended"};
    if (facts_.cancelled.contains(id) && at->second.state != State::cancelled &&
        !facts_.revivable.contains(id)) {
      throw Violation{"I13: " + format_command_id(id) + " was answered cancelled and is " +
                      std::string(name_of(at->second.state))};
    }
  }
  for (const auto& [id, row] : rows) {
    note(static_cast<std::uint64_t>(row.state) * 1000 + static_cast<std::uint64_t>(row.attempt));
  }
}

// I3 and I9: what the store says of attempts agrees with what ran.
void World::judge_attempts(const std::map<CommandId, StateRow>& rows, const Attempts& attempts) {
  for (const auto& [id, outcomes] : attempts) {
    for (const auto& [number, outcome] : outcomes) {
      const auto ran = ledger_.starts.find({id, number});
      const bool claims_run = outcome == AttemptOutcome::succeeded || outcome == AttemptOutcome::failed;
      if (claims_run && outcome == AttemptOutcome::failed && facts_.deliveries.contains(id)) continue;
      if (claims_run && ran == ledger_.starts.end())
        throw Violation{"I3: " + format_command_id(id) + " has a result but never ran"};
      if (outcome == AttemptOutcome::succeeded && !ran->second.ended_ok)
        throw Violation{"I3: " + format_command_id(id) + " succeeded, they say"};
    }
  }
  for (const auto& [ref, start] : ledger_.starts) {
    const auto outcomes = attempts.find(ref.id);
    const bool on_record = outcomes != attempts.end() && outcomes->second.contains(ref.attempt);
    if (!on_record && foreign_.unasked.contains(ref)) continue;
    if (!on_record) throw Violation{"I9: " + format_command_id(ref.id) + " ran without a permit on record"};
    if (start.ended_ok && outcomes->second.at(ref.attempt) == AttemptOutcome::failed)
      throw Violation{"I3: a success was recorded as failure"};
  }
  for (const auto& [id, row] : rows) {
    if (row.state != State::succeeded) continue;
    const auto outcomes = attempts.find(id);
    if (outcomes == attempts.end() || outcomes->second.rbegin()->second != AttemptOutcome::succeeded)
      throw Violation{"I3: " + format_command_id(id) + " succeeded without an attempt"};
  }
}

// What the client said of lost attempts is kept: no further one under on_lost=dead, and a command that kills
// whoever runs it is put aside after three in a row.
void World::judge_losses(const Attempts& attempts) {
  for (const auto& [id, outcomes] : attempts) {
    const auto known = facts_.accepted.find(id);
    if (known == facts_.accepted.end() || facts_.redriven.contains(id) || facts_.revivable.contains(id))
      continue;
    int in_a_row = 0;
    for (const auto& [number, outcome] : outcomes) {
      const bool went_on = number != outcomes.rbegin()->first;
      in_a_row = outcome == AttemptOutcome::lost ? in_a_row + 1 : 0;
      if (in_a_row == 1 && went_on && known->second == OnLost::dead)
        throw Violation{"I5: " + format_command_id(id) + " was tried again although it must not be"};
      if (in_a_row >= 3 && went_on)
        throw Violation{"I5: poison " + format_command_id(id) + " was tried a fourth time"};
    }
  }
}

// I16: an attempt whose handler asked for a wait is not followed by another one before that.
void World::judge_waits(const AttemptRows& attempts) {
  // Where the wall steps, a server that starts anew may have an earlier clock than the one before it: what
  // lies between two of its instants tells nothing.
  if (plan_.rates.wall_step.count() > 0) return;
  std::map<AttemptRef, const AttemptRow*> rows;
  for (const AttemptRow& row : attempts) rows[{row.id, row.attempt}] = &row;
  for (const auto& [ref, asked_ms] : ledger_.asked_ms) {
    const auto failed = rows.find(ref);
    const auto next = rows.find({ref.id, ref.attempt + 1});
    if (failed == rows.end() || next == rows.end() || next->second->started_ms == 0) continue;
    const AttemptOutcome outcome = failed->second->outcome;
    const bool heard = outcome == AttemptOutcome::failed || outcome == AttemptOutcome::handed_back;
    const bool by_hand = facts_.rescheduled.contains(ref.id) || facts_.redriven.contains(ref.id) ||
                         facts_.revivable.contains(ref.id);
    if (!heard || by_hand) continue;
    if (next->second->started_ms < failed->second->finished_ms + asked_ms)
      throw Violation{"I16: " + format_command_id(ref.id) + " was tried again " +
                      std::to_string(next->second->started_ms - failed->second->finished_ms) +
                      " ms after its handler had asked for " + std::to_string(asked_ms)};
  }
}

// Whoever ran a command was told its own trace: as it came, or, when it is sampled, a span further down.
void World::judge_traces() const {
  for (const auto& [ref, told] : ledger_.traces) {
    const auto known = facts_.traces.find(ref.id);
    if (known == facts_.traces.end()) continue;
    const TracePtr& submitted = known->second;
    bool same = (told == nullptr) == (submitted == nullptr);
    if (same && told) {
      same = told->trace_id() == submitted->trace_id() && told->state == submitted->state &&
             (told->span == submitted->span) != submitted->sampled();
    }
    if (!same)
      throw Violation{format_command_id(ref.id) + " ran with the trace '" + traceparent_of(told) +
                      "', not '" + traceparent_of(submitted) + "'"};
  }
}

// I9: what died has its dead letter in the broker, once it was there to take it.
void World::judge_dead_letters(const std::map<CommandId, StateRow>& rows) {
  for (const auto& [id, row] : rows) {
    if (row.state == State::dead && !wire_.dead_kept.contains({id, row.attempt}))
      throw Violation{"I9: the dead letter of " + format_command_id(id) + " never reached the broker"};
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
