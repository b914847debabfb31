// What people ask for: submit, cancel, redrive, reschedule, wait, pause, pin, drain.
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

Problem not_found(std::string detail) { return {404, "Not found", std::move(detail), "", 0}; }
Problem conflict(std::string detail) { return {409, "Conflict", std::move(detail), "", 0}; }
Problem no_space() {
  return {507, "Insufficient storage", "the disk is full: new work is refused, running work goes on", "", 0};
}

std::string in_state(State state) { return "the command is " + std::string(name_of(state)); }

}  // namespace

// ---- submit
// ----------------------------------------------------------------------------------------------------

// What makes a whole batch impossible before anything is stored.
std::optional<Problem> Engine::refuse_submit(const Submit& input) const {
  if (draining_) return Problem{503, "Shutting down", "the server takes no new work", "", 1};
  if (disk_low_) return no_space();
  std::set<std::string> queues;
  std::set<std::string> types;
  for (const NewCommand& command : input.commands) {
    if (!store_.find_queue(command.spec.queue)) queues.insert(command.spec.queue);
    if (!store_.knows_type(command.spec.type)) types.insert(command.spec.type);
  }
  for (std::size_t i = 0; i < input.commands.size(); ++i) {
    if (auto problem = refuse_callback(input.commands[i].spec, "/commands/" + std::to_string(i)))
      return problem;
  }
  if (store_.queue_count() + queues.size() > limits::kQueues) {
    return Problem{400, "Too many queues", "there are at most " + std::to_string(limits::kQueues) + " queues",
                   "", 0};
  }
  if (store_.type_count() + types.size() > limits::kTypes) {
    return Problem{400, "Too many types", "there are at most " + std::to_string(limits::kTypes) + " types",
                   "", 0};
  }
  return std::nullopt;
}

std::optional<Problem> Engine::refuse_names(const CommandSpec& spec) const {
  Submit alone;
  alone.commands.push_back({spec, "", 0});
  return refuse_submit(alone);
}

// By our clock, and only of what is new: a request that is sent again gets the answer it got.
std::optional<Problem> Engine::refuse_expired(const CommandSpec& spec, std::size_t index) const {
  if (!spec.expires_at_ms) return std::nullopt;
  const std::int64_t due = spec.due_at_ms.value_or(now_ms() + spec.delay_ms.value_or(0));
  if (*spec.expires_at_ms > std::max(due, now_ms())) return std::nullopt;
  return Problem{400, "Invalid request", "must be after the due time and in the future",
                 "/commands/" + std::to_string(index) + "/expires_at", 0};
}

void Engine::on(Submit& input) {
  // All keys are looked at before anything is stored: a batch is all or nothing.
  std::vector<std::optional<CommandId>> known(input.commands.size());
  std::map<std::string, std::size_t> first_in_batch;
  for (std::size_t i = 0; i < input.commands.size(); ++i) {
    const NewCommand& command = input.commands[i];
    if (command.idempotency_key.empty()) continue;
    const auto [first, fresh] = first_in_batch.emplace(command.idempotency_key, i);
    const auto stored = fresh ? store_.idempotent(command.idempotency_key) : std::nullopt;
    const bool other_body = stored ? stored->body_hash != command.body_hash
                                   : input.commands[first->second].body_hash != command.body_hash;
    if (other_body) {
      return answer(
          input.reply,
          Problem{422, "Idempotency key reused", "this idempotency key was used with another body",
                  input.commands.size() == 1 ? "" : "/commands/" + std::to_string(i) + "/idempotency_key",
                  0});
    }
    if (stored) known[i] = stored->id;
  }
  const bool all_known =
      std::all_of(known.begin(), known.end(), [](const auto& id) { return id.has_value(); });
  if (!all_known) {
    if (auto problem = refuse_submit(input)) return answer(input.reply, std::move(*problem));
    for (std::size_t i = 0; i < input.commands.size(); ++i) {
      if (known[i]) continue;
      if (auto problem = refuse_expired(input.commands[i].spec, i))
        return answer(input.reply, std::move(*problem));
      if (auto problem = refuse_parents(input.commands[i].spec, i))
        return answer(input.reply, std::move(*problem));
    }
  }
  Submitted submitted;
  for (std::size_t i = 0; i < input.commands.size(); ++i) {
    const NewCommand& command = input.commands[i];
    if (!known[i] && !command.idempotency_key.empty()) {
      const std::size_t first = first_in_batch.at(command.idempotency_key);
      if (first < i) known[i] = submitted.items[first].id;
    }
    if (known[i]) {
      ++stats_.replayed;
      submitted.items.push_back({*known[i], true});
    } else {
      accept_into(submitted, input.commands[i], input.commands.size() == 1);
    }
  }
  effects_.push_back(Answer{input.reply, std::move(submitted)});
}

// What is stored alone is answered from memory: reading it back would cost a quarter of the request.
void Engine::accept_into(Submitted& submitted, NewCommand& command, bool alone) {
  if (!command.spec.depends_on.empty()) {
    submitted.items.push_back({accept_dependent(command), false});
    return;
  }
  const StateRow row = accept(command);
  submitted.items.push_back({row.id, false});
  if (alone)
    submitted.only =
        std::make_shared<const FreshCommand>(FreshCommand{row, std::move(command.spec), now_ms()});
}

// Its number; declared in the broker when it is new.
QueueNumber Engine::ensure_queue(const std::string& name) {
  if (!store_.find_queue(name)) effects_.push_back(EnsureQueue{name});
  return store_.queue_number(name);
}

StateRow Engine::accept(NewCommand& command, std::int64_t unmet) {
  const TracePtr caller = producer_spans_.enter(command.spec);
  const CommandSpec& spec = command.spec;
  StateRow row;
  row.id = ids_.next(now_.wall);
  row.state = unmet > 0 ? State::waiting : State::scheduled;
  row.shard = shard_of(row.id, spec.key, shards_.count());
  row.queue = ensure_queue(spec.queue);
  row.type = store_.type_number(spec.type);
  row.priority = spec.priority;
  // A delay counts from now as we see it; rounded up to the next millisecond, so that nothing is early.
  const std::int64_t now_up = std::chrono::ceil<milliseconds>(now_.wall.time_since_epoch()).count();
  row.due_ms = spec.due_at_ms.value_or(spec.delay_ms ? now_up + *spec.delay_ms : now_ms());
  row.order_ms = row.due_ms;
  row.max_attempts = spec.retry.max_attempts;
  row.key_hash = key_hash_of(spec.key);
  row.expires_ms = spec.expires_at_ms.value_or(0);
  store_.insert(row, spec, now_ms());
  if (!spec.callback_url.empty()) callbacks_.accepted(row.id, spec.callback_url);
  if (!command.idempotency_key.empty() && !DULY_PLANTED("idempotency.stored")) {
    store_.insert_idempotent(command.idempotency_key, {row.id, command.body_hash},
                             now_ms() + limits::kIdempotencyMs);
  }
  ++stats_.accepted;
  ++seconds_.back().accepted;
  producer_spans_.note(row, spec, caller, now_.wall, effects_);
  if (unmet > 0) return store_.put_unmet(row.id, unmet), row;
  auto body = std::make_shared<CommandBody>();
  *body = CommandBody{spec.type,       spec.queue,   spec.key,          spec.payload, spec.retry,
                      spec.timeout_ms, spec.on_lost, spec.content_type, spec.deliver, spec.trace};
  became_scheduled(row, std::move(body));
  return row;
}

// ---- by hand, on one command
// -----------------------------------------------------------------------------------

void Engine::on(CancelCommand& input) {
  auto row = store_.find(input.id);
  if (!row) return answer(input.reply, not_found("there is no such command"));
  if (row->state == State::cancelled) return answer(input.reply, Done{input.id});
  if (!after(row->state, Move::cancel)) return answer(input.reply, conflict(in_state(row->state)));
  store_.append_audit(now_ms(), input.actor, "command.cancel", format_command_id(input.id),
                      in_state(row->state));
  cancel(*row, input.actor, "");
  answer(input.reply, Done{input.id});
}

void Engine::cancel(StateRow& row, const Actor& who, const std::string& why) {
  store_.append_event(row.id, now_ms(), "cancelled", who, in_state(row.state) + why);
  if (row.state == State::running) {
    const PartyNumber executor = row.executor;
    const int attempt = row.attempt;
    end_attempt(row, AttemptOutcome::cancelled, "cancelled by " + who.name, nullptr);
    const auto at = executors_.find(executor);
    if (at != executors_.end() && at->second.session.value != 0) {
      send(at->second.session, CancelRun{{AttemptRef{row.id, attempt}}});
    }
  }
  if (row.state == State::waiting) store_.remove_unmet(row.id);
  row.token = Token{row.token.value + 1};
  ++stats_.cancelled;
  end(row, Move::cancel);
}

void Engine::on(RedriveCommand& input) {
  auto row = store_.find(input.id);
  if (!row) return answer(input.reply, not_found("there is no such command"));
  if (row->state != State::dead)
    return answer(input.reply, conflict(in_state(row->state) + "; only a dead one can be redriven"));
  if (disk_low_) return answer(input.reply, no_space());
  if (input.payload) {
    if (store_.revisions(row->id) >= limits::kRevisions) {
      return answer(input.reply, conflict("its payload was replaced " + std::to_string(limits::kRevisions) +
                                          " times; submit a new command"));
    }
    store_.replace_payload(row->id, input.payload, now_ms(), input.actor);
  }
  const std::string how = input.payload ? ", with another payload" : "";
  store_.append_audit(now_ms(), input.actor, "command.retry", format_command_id(input.id),
                      "was dead: " + std::string(name_of(row->reason)) + how);
  redrive(*row, input.actor, how);
  answer(input.reply, Done{input.id});
}

void Engine::redrive(StateRow& row, const Actor& who, const std::string& why) {
  store_.append_event(row.id, now_ms(), "redriven", who,
                      "was dead: " + std::string(name_of(row.reason)) + why);
  row.base_attempt = row.attempt;  // numbers go on, a fresh set of attempts is allowed
  row.losses = 0;
  row.token = Token{row.token.value + 1};
  row.due_ms = now_ms();
  row.order_ms = row.due_ms;
  row.finished_ms = 0;
  row.reason = DeadReason::none;
  row.queued_ms = row.started_ms = 0;
  store_.move(row, Move::redrive);
  reopen_fire(row.id);
  callbacks_.reopened(row.id);
  node_reopened(row.id);
  became_scheduled(row, nullptr);
}

void Engine::on(RescheduleCommand& input) {
  auto row = store_.find(input.id);
  if (!row) return answer(input.reply, not_found("there is no such command"));
  if (row->state != State::scheduled && row->state != State::waiting) {
    return answer(input.reply, conflict(in_state(row->state) + "; only a scheduled one can be rescheduled"));
  }
  if (row->expires_ms != 0 && input.due_at_ms >= row->expires_ms) {
    return answer(input.reply, conflict("the command expires before that"));
  }
  const std::string times = format_instant(row->due_ms) + " to " + format_instant(input.due_at_ms);
  store_.append_event(row->id, now_ms(), "rescheduled", input.actor, times);
  store_.append_audit(now_ms(), input.actor, "command.reschedule", format_command_id(input.id), times);
  forget_hand_out(row->id);
  window_.remove(lane_of(*row), row->id);
  if (!DULY_PLANTED("reschedule.token"))
    row->token = Token{row->token.value + 1};  // a message already published must no longer start it
  row->due_ms = input.due_at_ms;
  row->order_ms = input.due_at_ms;
  store_.update(*row);
  if (row->state == State::scheduled) became_scheduled(*row, nullptr);
  release_key(row->key_hash);
  answer(input.reply, Done{input.id});
}

// ---- waiting
// ---------------------------------------------------------------------------------------------------

void Engine::on(AwaitEnd& input) {
  const auto row = store_.find(input.id);
  if (!row) return answer(input.reply, not_found("there is no such command"));
  if (is_end(row->state) || input.until <= now_.mono || wait_of_.size() >= limits::kHttpWaiters) {
    return answer(input.reply, Done{input.id});
  }
  waits_[input.id].emplace_back(input.reply, input.until);
  wait_of_.emplace(input.reply, input.id);
  wait_deadlines_.emplace(input.until, input.reply);
}

void Engine::on(ForgetWait& input) {
  const auto at = wait_of_.find(input.reply);
  if (at == wait_of_.end()) return;
  auto& waiting = waits_.at(at->second);
  for (const auto& [reply, until] : waiting) {
    if (reply == input.reply) wait_deadlines_.erase({until, reply});
  }
  std::erase_if(waiting, [&](const auto& wait) { return wait.first == input.reply; });
  if (waiting.empty()) waits_.erase(at->second);
  wait_of_.erase(at);
}

void Engine::end_waits(CommandId id) {
  const auto at = waits_.find(id);
  if (at == waits_.end()) return;
  for (const auto& [reply, until] : at->second) {
    wait_deadlines_.erase({until, reply});
    wait_of_.erase(reply);
    answer(reply, Done{id});
  }
  waits_.erase(at);
}

std::vector<Effect> Engine::answers_to_waits(const std::vector<Input>& inputs) {
  for (const Input& input : inputs) {
    const auto* wait = std::get_if<AwaitEnd>(&input);
    if (wait != nullptr && !wait_of_.contains(wait->reply)) answer(wait->reply, Done{wait->id});
  }
  for (const auto& [reply, id] : wait_of_) answer(reply, Done{id});
  return std::exchange(effects_, {});
}

void Engine::answer_waits() {
  while (!wait_deadlines_.empty() && wait_deadlines_.begin()->first <= now_.mono) {
    const ReplyTo reply = wait_deadlines_.begin()->second;
    const CommandId id = wait_of_.at(reply);
    ForgetWait forget{reply};
    on(forget);
    answer(reply, Done{id});
  }
}

// ---- shards, agents
// --------------------------------------------------------------------------------------------

void Engine::on(PinShard& input) {
  if (!shards_.valid(ShardId{input.shard})) return answer(input.reply, not_found("there is no such shard"));
  const auto at = agents_.find(input.agent);
  const bool live =
      at != agents_.end() && at->second.session.value != 0 && !at->second.draining && at->second.dispatch;
  if (!live) return answer(input.reply, conflict("agent '" + input.agent + "' is not live"));
  store_.put_shard(shards_.pin(ShardId{input.shard}, input.agent));
  store_.append_audit(now_ms(), input.actor, "shard.pin", std::to_string(input.shard), input.agent);
  rebalance_needed_ = true;
  answer(input.reply, JsonBody{200, "{\"shard\":" + std::to_string(input.shard) + ",\"pinned\":true}"});
}

void Engine::on(UnassignShard& input) {
  if (!shards_.valid(ShardId{input.shard})) return answer(input.reply, not_found("there is no such shard"));
  store_.put_shard(shards_.unassign(ShardId{input.shard}));
  store_.append_audit(now_ms(), input.actor, "shard.unassign", std::to_string(input.shard), "");
  rebalance_needed_ = true;
  answer(input.reply, JsonBody{200, "{\"shard\":" + std::to_string(input.shard) + ",\"pinned\":false}"});
}

void Engine::on(DrainAgent& input) {
  const auto at = agents_.find(input.agent);
  if (at == agents_.end()) return answer(input.reply, not_found("there is no agent '" + input.agent + "'"));
  if (at->second.session.value == 0)
    return answer(input.reply, conflict("agent '" + input.agent + "' is not live"));
  at->second.draining = input.drain;
  store_.append_audit(now_ms(), input.actor, input.drain ? "agent.drain" : "agent.resume", input.agent, "");
  rebalance_needed_ = true;
  answer(input.reply, JsonBody{200, *agent_json(input.agent)});
}

void Engine::on(RecordAct& input) {
  store_.append_audit(now_ms(), input.actor, input.what, input.subject, input.detail);
  if (input.reply != 0) answer(input.reply, Done{});
}

void Engine::on(CrashAgent& input) {
  const auto at = agents_.find(input.agent);
  if (at == agents_.end()) return answer(input.reply, not_found("there is no agent '" + input.agent + "'"));
  if (at->second.session.value == 0)
    return answer(input.reply, conflict("agent '" + input.agent + "' is not live"));
  if (!sessions_.at(at->second.session).fault_injection) {
    return answer(input.reply, Problem{403, "Forbidden", "that agent runs without --fault-injection", "", 0});
  }
  store_.append_audit(now_ms(), input.actor, "agent.simulate-crash", input.agent,
                      input.strike.mode + " at " + input.strike.point);
  send(at->second.session, input.strike);
  answer(input.reply, JsonBody{202, "{}"});
}

void Engine::on(Query& input) {
  const auto found = [&](std::optional<std::string> body, const char* what) {
    if (body) return answer(input.reply, JsonBody{200, std::move(*body)});
    answer(input.reply, not_found(std::string("there is no such ") + what));
  };
  switch (input.what) {
    case Query::What::agents: return answer(input.reply, JsonBody{200, agents_json()});
    case Query::What::agent: return found(agent_json(input.name), "agent");
    case Query::What::shards: return answer(input.reply, JsonBody{200, shards_json()});
    case Query::What::queues: return answer(input.reply, JsonBody{200, queues_json()});
    case Query::What::queue: return found(queue_json(input.name), "queue");
    case Query::What::explain: return found(explain_json(input.id), "command");
    case Query::What::operations: return answer(input.reply, JsonBody{200, operations_json()});
    case Query::What::operation: return found(one_operation_json(input.id), "operation");
    case Query::What::stats:
      effects_.push_back(Answer{input.reply, std::make_shared<const StatsSnapshot>(snapshot())});
      return;
  }
}

}  // namespace duly
