// What limits a queue: paused or not, how many run at once, how many start within a span of time.
//
// The limits hold at the permit, in the transaction that grants it.  Handing out looks ahead, so that few
// messages come there in vain; one that does is dropped by its executor as every refused one, and its
// command, still queued at the same attempt, is published again when there is room (decision 13).
#include <algorithm>

#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {

void Engine::load_queues() {
  for (const QueueRow& row : store_.queues()) {
    QueueInfo& info = queues_[row.number];
    info.paused = row.paused;
    info.gate.set_limits(row.limits);
    if (row.limits.rate) info.gate.recall(store_.rate_slices(row.number), now_);
  }
}

// ---- at the permit
// ------------------------------------------------------------------------------------------------

QueueGate::Stop Engine::permit_stop(QueueNumber queue, const QueueInfo& info) const {
  return info.gate.stop(store_.count(queue, State::running), 0, now_.mono);
}

Refusal Engine::limit_refuses(const StateRow& row) {
  const QueueInfo& info = queues_[row.queue];
  if (!info.gate.limited()) return Refusal::none;
  switch (permit_stop(row.queue, info)) {
    case QueueGate::Stop::none: break;
    case QueueGate::Stop::running:
      return DULY_PLANTED("limit.running") ? Refusal::none : Refusal::queue_limit;
    case QueueGate::Stop::rate: return DULY_PLANTED("limit.rate") ? Refusal::none : Refusal::rate_limit;
  }
  return Refusal::none;
}

// The message is about to be dropped, and its attempt was not granted.
void Engine::hold_back(const StateRow& row) {
  if (Handed* handed = handed_.find(row.id)) {
    handed->refused = true;  // its mark is on the way, and is what makes it queued
    return;
  }
  if (row.state != State::queued) return;  // it is handed out anew in its turn
  queues_[row.queue].gate.held_back.insert(row.id);
  window_.add_republish(lane_of(row), ready_row(row), now_ms());
}

void Engine::charge_start(const StateRow& row) {
  QueueGate& gate = queues_[row.queue].gate;
  gate.held_back.erase(row.id);
  const auto slice = gate.charge(now_);
  if (slice) store_.put_rate_slice(row.queue, *slice, now_ms() - gate.limits().rate->per_ms);
}

// ---- before handing out
// -------------------------------------------------------------------------------------------

std::int64_t Engine::promised(QueueNumber queue, const QueueInfo& info) const {
  const auto held_back = static_cast<std::int64_t>(info.gate.held_back.size());
  return store_.count(queue, State::queued) + info.handed - info.handed_again - held_back;
}

QueueGate::Stop Engine::hand_out_stop(QueueNumber queue, const QueueInfo& info) const {
  return info.gate.stop(store_.count(queue, State::running), promised(queue, info), now_.mono);
}

// Costs a queue without limits one look.
bool Engine::limits_allow(QueueNumber queue, const QueueInfo& info) {
  if (!info.gate.limited()) return true;
  const QueueGate::Stop stop = hand_out_stop(queue, info);
  if (stop == QueueGate::Stop::rate) {
    const auto frees = info.gate.next_free(now_.mono);
    if (frees && (!rate_frees_ || *frees < *rate_frees_)) rate_frees_ = frees;
  }
  return stop == QueueGate::Stop::none;
}

// ---- by hand
// ----------------------------------------------------------------------------------------------------

namespace {

std::string limits_text(const QueueLimits& limits) {
  std::string text = "max_running ";
  text += limits.max_running ? std::to_string(*limits.max_running) : "none";
  text += ", rate ";
  text += limits.rate
              ? std::to_string(limits.rate->count) + " per " + std::to_string(limits.rate->per_ms) + " ms"
              : "none";
  return text + ", bundle " + std::to_string(limits.bundle);
}

}  // namespace

void Engine::on(PutQueue& input) {
  if (!store_.find_queue(input.queue) && store_.queue_count() >= limits::kQueues) {
    return answer(input.reply, Problem{400, "Too many queues", "no further queue can be made", "", 0});
  }
  const QueueNumber number = store_.queue_number(input.queue);
  QueueInfo& info = queues_[number];
  if (input.paused && *input.paused != info.paused) {
    info.paused = *input.paused;
    store_.set_queue_paused(number, info.paused);
    store_.append_audit(now_ms(), input.actor, info.paused ? "queue.pause" : "queue.resume", input.queue, "");
  }
  change_limits(input, number, info);
  effects_.push_back(EnsureQueue{input.queue});
  answer(input.reply, JsonBody{200, *queue_json(input.queue)});
}

void Engine::change_limits(const PutQueue& input, QueueNumber number, QueueInfo& info) {
  QueueLimits limits = info.gate.limits();
  if (input.max_running) limits.max_running = *input.max_running;
  if (input.rate) limits.rate = *input.rate;
  if (input.bundle) limits.bundle = *input.bundle;
  if (limits == info.gate.limits()) return;
  info.gate.set_limits(limits);
  store_.set_queue_limits(number, limits);
  store_.append_audit(now_ms(), input.actor, "queue.limits", input.queue, limits_text(limits));
  if (!input.bundle) return;
  for (const auto& [session, agent] : sessions_) {
    const bool consumes =
        agent.execute && std::count(agent.queues.begin(), agent.queues.end(), input.queue) > 0;
    if (consumes) send(session, Bundles{bundles_of({input.queue})});
  }
}

std::vector<QueueBundle> Engine::bundles_of(const std::vector<std::string>& queues) const {
  std::vector<QueueBundle> bundles;
  for (const std::string& queue : queues) {
    const auto number = store_.find_queue(queue);
    const auto at = number ? queues_.find(*number) : queues_.end();
    if (at != queues_.end()) bundles.push_back({queue, static_cast<int>(at->second.gate.limits().bundle)});
  }
  return bundles;
}

}  // namespace duly
