// The steps of a command's life that executors and agents report: mark, permit, finish, lost.
//
// Fences.  A mark counts only under the present epoch of its shard, a permit only for the next attempt and
// the present token, a result only for the permit that is out.  Each is checked in the transaction that
// records it; nothing stale is ever marked, permitted or recorded (design decision 4).
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {

// ---- marks
// -----------------------------------------------------------------------------------------------------

bool Engine::mark(const MarkItem& item, const Agent& agent) {
  if (!DULY_PLANTED("mark.epoch") && !shards_.holds(agent.session, item.shard, item.epoch)) return false;
  auto row = store_.find(item.id);
  if (!row || row->shard != item.shard) return false;
  const Handed* handed = handed_.find(item.id);
  const bool in_turn = row->key_hash == 0 || row->state != State::scheduled || handed != nullptr;
  const bool any_token =
      item.outcome == MarkOutcome::published ? DULY_PLANTED("mark.token") : DULY_PLANTED("deliver.token");
  const bool this_token = any_token || row->token == item.token;
  const bool current = this_token && row->next_attempt() == item.attempt && in_turn;
  const bool refused = handed != nullptr && handed->refused;
  const bool delivers =
      handed != nullptr ? handed->delivers : row->state == State::scheduled && store_.delivers(item.id);
  if (handed != nullptr) {
    forget_hand_out(item.id);
    // What the agent published is no longer what the command is: hand it out anew.
    if (!current && row->state == State::scheduled) became_scheduled(*row, nullptr);
  }
  if (delivers || item.outcome != MarkOutcome::published) {
    if (row->state != State::scheduled || !current) return true;
    const bool its_own_kind = delivers && item.outcome != MarkOutcome::published;
    its_own_kind ? mark_delivery(*row, item, agent) : became_scheduled(*row, nullptr);
  } else if (current && (row->state == State::scheduled || row->state == State::queued)) {
    QueueInfo& info = queues_[row->queue];
    info.failures_in_a_row = 0;
    info.last_problem.clear();
    row->queued_ms = now_ms();
    row->epoch = item.epoch;
    row->publisher = agent.party;
    row->state == State::scheduled ? store_.move(*row, Move::mark) : store_.update(*row);
    if (refused) hold_back(*row);
    ++stats_.marked;
  } else if (row->state == State::running && row->attempt == item.attempt && row->queued_ms == 0) {
    row->queued_ms = now_ms();  // the permit outran the mark
    if (row->epoch.value == 0) {
      row->epoch = item.epoch;
      row->publisher = agent.party;
    }
    store_.update(*row);
    ++stats_.marked;
  }
  return true;
}

void Engine::said(Agent& agent, Marks& marks) {
  for (const MarkItem& item : marks.items) {
    if (!mark(item, agent)) ++stats_.stale_marks;
  }
  send(agent.session, MarksAck{marks.sequence});
}

// ---- permits
// ---------------------------------------------------------------------------------------------------

Permit Engine::permit(const PermitRequest& request) {
  const auto [id, attempt, token, executor, nonce, session, ran] = request;
  auto row = store_.find(id);
  if (!row)
    return note_missing(id, "its message came, attempt " + std::to_string(attempt)), Permit{Refusal::unknown};
  const auto terms = store_.attempt_terms(id);
  if (!terms) return {Refusal::unknown};
  if (terms->delivers) return {Refusal::stale};  // nobody runs it: it goes where it was to be delivered
  if (row->state == State::running && row->attempt == attempt) {
    const bool this_request = DULY_PLANTED("permit.nonce") || row->nonce == nonce;
    const bool same = row->executor == executor && this_request && session.value != 0;
    if (same || DULY_PLANTED("permit.once"))
      return {Refusal::none, terms->timeout_ms};  // the answer was lost, not the permit
    return {Refusal::already_permitted};
  }
  if (attempt <= row->attempt) return {is_end(row->state) ? Refusal::finished : Refusal::already_permitted};
  if (is_end(row->state)) return {Refusal::finished};
  if (row->state != State::scheduled && row->state != State::queued) return {Refusal::stale};
  const bool other_token = token && *token != row->token && !DULY_PLANTED("permit.token");
  if (attempt != row->next_attempt() || other_token) return {Refusal::stale};
  // The token of an agent's message tells that the row was due; what a stranger says of one proves nothing.
  const bool proven = token && (session.value != 0 || ran);
  if (!proven && row->due_ms > now_ms()) return {Refusal::not_due};
  if (row->expires_ms != 0 && row->expires_ms <= now_ms() && !DULY_PLANTED("permit.expiry")) {
    expire(*row);
    return {Refusal::expired};
  }
  const Handed* handed = handed_.find(id);
  // A message of a holding that is gone: another command of the key may have had its turn since.
  const bool out_of_turn = row->key_hash != 0 && row->state == State::scheduled && handed == nullptr;
  if (out_of_turn && !DULY_PLANTED("permit.turn")) return {Refusal::stale};
  if (const Refusal limit = ran ? Refusal::none : limit_refuses(*row); limit != Refusal::none) {
    hold_back(*row);
    return {limit};
  }
  if (handed != nullptr && row->state == State::scheduled) {
    row->epoch = handed->epoch;
    row->publisher = handed->publisher;
  }
  forget_hand_out(id);
  window_.remove(lane_of(*row), id);
  row->attempt = attempt;
  row->started_ms = now_ms();
  row->executor = executor;
  row->nonce = nonce;
  store_.move(*row, Move::permit);
  note_running(*row, terms->timeout_ms, session.value == 0);
  count_start(*row, !ran);
  return {Refusal::none, terms->timeout_ms};
}

// How late it is says something of us only when it starts `just_now`.
void Engine::count_start(const StateRow& row, bool just_now) {
  charge_start(row);
  queues_[row.queue].suspect_after = limits::kQueuedSuspect;  // the queue moves
  ++stats_.permitted;
  ++seconds_.back().started;
  if (!just_now) return;
  const std::int64_t late_us =
      std::max<std::int64_t>(now_.wall.time_since_epoch().count() - row.due_ms * 1000, 0);
  stats_.lateness.add(late_us);
  seconds_.back().lateness.add(late_us);
}

// Agents end an attempt at its time-out and say so: they are waited for.  Of a foreign executor nothing is
// known but its last sign, so its time is over exactly then.
MonoTime Engine::attempt_deadline(const Running& running) const {
  const Duration grace =
      running.foreign ? Duration{0} : std::max<Duration>(config_.lease_ttl * 2, seconds{10});
  return awake() + milliseconds{running.timeout_ms} + grace;
}

void Engine::note_running(const StateRow& row, std::int64_t timeout_ms, bool foreign) {
  Running running{row.attempt, row.executor, row.queue, MonoTime{}, timeout_ms, foreign};
  running.deadline = attempt_deadline(running);
  executors_[row.executor].running.try_emplace(row.id, {});
  running_.erase(row.id);
  watch_deadline(row.id, *running_.try_emplace(row.id, std::move(running)).first);
}

void Engine::watch_deadline(CommandId id, const Running& running) {
  running_deadlines_.add(running.deadline, id);
  if (!running_deadlines_.mostly_gone(running_.size())) return;
  std::vector<Deadlines::Entry> live;
  for (const CommandId one : running_.ids()) live.emplace_back(running_.find(one)->deadline, one);
  running_deadlines_.keep_only(std::move(live));
}

void Engine::said(Agent& agent, Begin& begin) {
  Begun begun;
  begun.items.reserve(begin.items.size());
  for (const BeginItem& item : begin.items) {
    const Permit permitted =
        permit({item.id, item.attempt, item.token, agent.party, item.nonce, agent.session});
    const bool go = permitted.refusal == Refusal::none;
    if (!go) ++stats_.permits_refused;
    begun.items.push_back({item.id, item.attempt, item.nonce, go ? Verdict::go : Verdict::drop,
                           std::string(name_of(permitted.refusal)), permitted.timeout_ms});
  }
  send(agent.session, std::move(begun));
}

// ---- results
// ---------------------------------------------------------------------------------------------------

void Engine::said(Agent& agent, Finish& finished) {
  Finished done;
  done.items.reserve(finished.items.size());
  for (const FinishItem& item : finished.items) {
    if (!finish(item, agent.party)) ++stats_.stale_results;
    done.items.push_back({item.id, item.attempt});
  }
  send(agent.session, std::move(done));
}

namespace {

std::int64_t asked_wait_ms(const FinishItem& item) {
  return DULY_PLANTED("retry.after") ? 0 : std::min(item.retry_after_ms, limits::kRetryAfterMs);
}

}  // namespace

bool Engine::finish(const FinishItem& item, PartyNumber executor) {
  auto row = store_.find(item.id);
  if (!row)
    note_missing(item.id, "its attempt " + std::to_string(item.attempt) +
                              " has ended: " + std::string(name_of(item.outcome)));
  if (!row || row->state != State::running) return false;
  const bool this_run = row->attempt == item.attempt && row->executor == executor;
  if (!this_run && !DULY_PLANTED("result.attempt")) return false;
  end_attempt(*row, item.outcome, item.error, item.result);
  row->losses = 0;
  switch (item.outcome) {
    case AttemptOutcome::succeeded:
      ++stats_.succeeded;
      end(*row, Move::succeed);
      break;
    case AttemptOutcome::handed_back:
      row->base_attempt += 1;  // work handed back does not count
      store_.append_event(row->id, now_ms(), "handed_back", "agent",
                          "attempt " + std::to_string(item.attempt));
      retry(*row, now_ms() + asked_wait_ms(item));
      break;
    case AttemptOutcome::failed:
    case AttemptOutcome::timed_out:
    case AttemptOutcome::lost:
    case AttemptOutcome::cancelled:
    case AttemptOutcome::delivered:  // no executor says that
      ++stats_.failed;
      retry_or_die(*row, item.retryable,
                   item.retryable ? DeadReason::attempts_exhausted : DeadReason::not_retryable,
                   asked_wait_ms(item));
      break;
  }
  return true;
}

void Engine::lose_attempt(CommandId id, const std::string& why) {
  auto row = store_.find(id);
  if (!row || row->state != State::running || !running_.contains(id)) {
    forget_running(id);
    return;
  }
  log(LogLevel::warn, "engine", "attempt lost",
      {{"command", id},
       {"attempt", row->attempt},
       {"shard", row->shard},
       {"epoch", row->epoch},
       {"why", why}});
  ++stats_.lost;
  store_.append_event(id, now_ms(), "lost", "server", "attempt " + std::to_string(row->attempt) + ": " + why);
  const auto body = store_.body(id);
  end_attempt(*row, AttemptOutcome::lost, why, nullptr);
  ++row->losses;
  if (body && body->on_lost == OnLost::dead && !DULY_PLANTED("lost.policy"))
    return die(*row, DeadReason::lost);
  if (row->losses >= limits::kPoisonLosses && !DULY_PLANTED("lost.poison"))
    return die(*row, DeadReason::poison);
  retry_or_die(*row, true, DeadReason::attempts_exhausted);
}

// Appends the attempt's row and clears what belongs to it.
void Engine::end_attempt(StateRow& row, AttemptOutcome outcome, const std::string& error, Bytes result) {
  store_.append_attempt({row.id, row.attempt, row.epoch, row.publisher, row.executor, row.queued_ms,
                         row.started_ms, now_ms(), outcome, error.substr(0, limits::kErrorBytes),
                         std::move(result)});
  forget_running(row.id);
  row.queued_ms = row.started_ms = 0;
  row.epoch = Epoch{0};
  row.publisher = row.executor = 0;
  row.nonce = 0;
}

void Engine::retry_or_die(StateRow& row, bool retryable, DeadReason final_reason, std::int64_t least_ms) {
  if (!retryable || !row.attempts_left()) return die(row, final_reason);
  const auto body = store_.body(row.id);
  if (!body) return;
  const int round =
      row.attempt - row.base_attempt + 1;  // of the attempt to come, counted since the last redrive
  const auto seed = static_cast<std::uint64_t>(row.id.value) ^ static_cast<std::uint64_t>(row.attempt) << 48;
  const std::int64_t backoff = backoff_ms(body->retry, std::max(round, 2), seed);
  retry(row, now_ms() + std::max(backoff, least_ms));
}

void Engine::retry(StateRow& row, std::int64_t due_ms) {
  ++stats_.retried;
  row.due_ms = due_ms;
  store_.move(row, Move::retry);
  became_scheduled(row, nullptr);
}

void Engine::die(StateRow& row, DeadReason reason) {
  ++stats_.died;
  row.reason = reason;
  store_.append_event(row.id, now_ms(), "dead", "server", std::string(name_of(reason)));
  store_.insert_dead(row.id, row.attempt);
  dead_letters_pending_ = true;
  end(row, Move::die);
}

void Engine::expire(StateRow& row) {
  ++stats_.expired;
  store_.append_event(row.id, now_ms(), "expired", "server",
                      "not started by " + format_instant(row.expires_ms));
  if (row.state == State::waiting) {
    store_.remove_unmet(row.id);
    store_.move(row, Move::release);
  }
  end(row, Move::expire);
}

void Engine::end(StateRow& row, Move how) {
  forget_hand_out(row.id);
  queues_[row.queue].gate.held_back.erase(row.id);
  window_.remove(lane_of(row), row.id);
  row.finished_ms = std::max<std::int64_t>(now_ms(), 1);
  store_.move(row, how);
  ++seconds_.back().ended;
  end_waits(row.id);
  release_key(row.key_hash);
  close_fire(row.id);
  callbacks_.ended(row, now_ms());
  if (store_.count(State::waiting) > 0) ended_.push_back(row.id);
  if (open_workflows_ > 0) node_ended(row);
}

// ---- bookkeeping
// -----------------------------------------------------------------------------------------------

void Engine::became_scheduled(const StateRow& row, BodyPtr body) {
  window_.add(lane_of(row), ready_row(row), now_ms(), std::move(body));
}

void Engine::forget_hand_out(CommandId id) {
  const Handed* handed = handed_.find(id);
  if (handed == nullptr) return;
  QueueInfo& queue = queues_[handed->queue];
  --queue.handed;
  if (handed->delivers) --queue.handed_to_others;
  if (handed->republish) --queue.handed_again;
  handed_in(handed->shard).erase(id);
  const auto key = handed_keys_.find(handed->row.key_hash);
  if (key != handed_keys_.end() && key->second == id) handed_keys_.erase(key);
  handed_.erase(id);
}

void Engine::forget_running(CommandId id) {
  const Running* at = running_.find(id);
  if (at == nullptr) return;
  const auto executor = executors_.find(at->executor);
  if (executor != executors_.end()) executor->second.running.erase(id);
  running_.erase(id);
}

// The next of a key may go when the one before it has ended.
void Engine::release_key(std::int64_t key_hash) {
  if (key_hash == 0) return;
  const auto head = store_.key_head(key_hash);
  if (!head || head->state != State::scheduled || handed_.contains(head->id)) return;
  became_scheduled(*head, nullptr);
}

}  // namespace duly
