#include "agent/execute/executor.h"

#include <algorithm>
#include <utility>

#include "common/base/assert.h"
#include "common/base/planted.h"
#include "common/model/limits.h"

namespace duly {
namespace {

// Longer than this without a free slot, deliveries are better off with somebody else.
constexpr Duration kHoldTime = milliseconds{500};

}  // namespace

// ---- the broker
// ------------------------------------------------------------------------------------------------

void Executor::delivered(MonoTime now, Delivery delivery) {
  ++counters_.delivered;
  counters_.redelivered += delivery.redelivered ? 1 : 0;
  auto executions = read_executions(delivery.message);
  if (!executions) {
    ++counters_.parked;
    effects_.parks.push_back({std::move(delivery), executions.error().what});
    return;
  }
  const DeliveryKey key{delivery.generation, delivery.tag};
  if (draining_ || !consuming_) return settle_delivery(key, Settle::requeue);
  const bool bundled = executions->size() > 1;
  if (bundled) bundles_[key].left = executions->size();
  for (Execution& execution : *executions) {
    waiting_.emplace(next_nonce_++, Held{key, std::move(execution), bundled, {}});
  }
  ask(now);
}

void Executor::consumer_down() {
  waiting_.clear();
  bundles_.clear();
  // Permits already asked for are answered once, whatever becomes of the delivery: they stay.
}

// One command of a delivery is answered.  A bundle goes back when any of it has to: what has begun of it is
// refused its permit wherever it comes.
void Executor::settle(const Held& held, Settle how) {
  if (!held.bundled) return settle_delivery(held.delivery, how);
  const auto at = bundles_.find(held.delivery);
  if (at == bundles_.end()) return;  // of a connection that is gone
  OpenBundle& bundle = at->second;
  bundle.requeue = bundle.requeue || how == Settle::requeue;
  if (--bundle.left > 0 && !DULY_PLANTED("bundle.ack")) return;
  const Settle whole = bundle.requeue ? Settle::requeue : Settle::ack;
  bundles_.erase(at);
  settle_delivery(held.delivery, whole);
}

void Executor::settle_delivery(const DeliveryKey& delivery, Settle how) {
  counters_.requeued += how == Settle::requeue ? 1 : 0;
  effects_.settlements.push_back({delivery.first, delivery.second, how});
}

// ---- permits
// ---------------------------------------------------------------------------------------------------

std::size_t Executor::free_slots() const {
  const std::size_t used = running_.size() + asked_.size();
  const auto slots = static_cast<std::size_t>(slots_);
  if (unreported_.size() >= limits::kUnreported) return 0;  // results wait for the server: take nothing new
  return used >= slots ? 0 : slots - used;
}

void Executor::ask(MonoTime now) {
  while (linked_ && !waiting_.empty() && free_slots() > 0) {
    auto node = waiting_.extract(waiting_.begin());
    const Execution& execution = node.mapped().execution;
    if (DULY_PLANTED("ack.permit")) settle(node.mapped(), Settle::ack);
    if (const auto bundle = bundles_.find(node.mapped().delivery); bundle != bundles_.end()) {
      bundle->second.begun = true;
    }
    to_begin_.push_back({execution.id, execution.attempt, execution.token, node.key()});
    node.mapped().asked = asked_last_ = now;
    asked_.insert(std::move(node));
  }
}

void Executor::begun(MonoTime now, const Begun& answer) {
  for (const BegunItem& item : answer.items) {
    const auto at = asked_.find(item.nonce);
    if (at == asked_.end()) continue;  // answered before: asked again over a new connection
    Held held = std::move(at->second);
    asked_.erase(at);
    settle(held, Settle::ack);
    counters_.permit.add(now - held.asked);
    ++(item.verdict == Verdict::drop ? counters_.permits_refused : counters_.permits_granted);
    if (item.verdict == Verdict::drop) continue;
    const AttemptRef ref{held.execution.id, held.execution.attempt};
    const bool fresh = running_.emplace(ref, Run{now, now + milliseconds{item.timeout_ms}, false}).second;
    DULY_ASSERT(fresh);  // one permit per attempt, ever
    held.execution.timeout_ms = item.timeout_ms;
    effects_.runs.push_back(std::move(held.execution));
  }
  ask(now);
}

// ---- handlers
// --------------------------------------------------------------------------------------------------

void Executor::done(MonoTime now, AttemptRef ref, Outcome outcome) {
  const auto at = running_.find(ref);
  if (at == running_.end()) return;
  const bool reported = at->second.reported;
  counters_.run.add(now - at->second.begun);
  running_.erase(at);
  ++executed_;
  if (reported) return;
  FinishItem item;
  item.outcome = outcome.ok ? AttemptOutcome::succeeded : AttemptOutcome::failed;
  item.retryable = outcome.retryable;
  item.error = std::move(outcome.error);
  if (outcome.handed_back && !outcome.ok) item.outcome = AttemptOutcome::handed_back;
  item.result = std::move(outcome.result);
  item.retry_after_ms = std::clamp<std::int64_t>(outcome.retry_after_ms, 0, limits::kRetryAfterMs);
  report(ref, std::move(item));
}

void Executor::report(AttemptRef ref, FinishItem item) {
  item.id = ref.id;
  item.attempt = ref.attempt;
  ++counters_.finished[static_cast<std::size_t>(item.outcome)];
  if (item.error.size() > limits::kErrorBytes) item.error.resize(limits::kErrorBytes);
  unreported_.emplace(ref, item);
  to_finish_.push_back(std::move(item));
}

void Executor::cancel_run(const CancelRun& cancel) {
  for (const AttemptRef& ref : cancel.items) {
    const auto at = running_.find(ref);
    if (at == running_.end() || at->second.reported) continue;
    at->second.reported = true;  // the server has ended this attempt already
    ++counters_.finished[static_cast<std::size_t>(AttemptOutcome::cancelled)];
    effects_.stops.emplace_back(ref, "cancelled");
  }
}

void Executor::tick(MonoTime now) {
  for (auto& [ref, run] : running_) {
    if (run.reported || run.deadline > now) continue;
    run.reported = true;
    effects_.stops.emplace_back(ref, "timed out");
    FinishItem item;
    item.outcome = AttemptOutcome::timed_out;
    item.error = "the attempt timed out";
    report(ref, std::move(item));
  }
  ask(now);
  pause_or_resume(now);
}

// A busy executor must not sit on messages that an idle one could run.
void Executor::pause_or_resume(MonoTime now) {
  if (draining_) return;
  if (!consuming_) {
    if (free_slots() > 0 && linked_) {
      consuming_ = true;
      effects_.consume = true;
    }
    return;
  }
  const bool starved = !waiting_.empty() && (free_slots() == 0 || !linked_);
  if (!starved) {
    starved_since_.reset();
    return;
  }
  if (!starved_since_) starved_since_ = now;
  if (now < held_until()) return;
  starved_since_.reset();
  consuming_ = false;
  effects_.consume = false;
  std::erase_if(waiting_, [this](const auto& entry) {
    if (stays(entry.second)) return false;
    settle(entry.second, Settle::requeue);
    return true;
  });
}

// The commands of a bundle wait for each other: as long as they move they are not better off elsewhere.
MonoTime Executor::held_until() const {
  return (bundles_.empty() ? *starved_since_ : std::max(*starved_since_, asked_last_)) + kHoldTime;
}

bool Executor::stays(const Held& held) const {
  const auto at = bundles_.find(held.delivery);
  return held.bundled && at != bundles_.end() && at->second.begun;
}

void Executor::drain() {
  draining_ = true;
  consuming_ = false;
  effects_.consume = false;
  if (!DULY_PLANTED("drain.starved")) starved_since_.reset();  // or that moment, long past, is its next
  for (const auto& [nonce, held] : waiting_) settle(held, Settle::requeue);
  waiting_.clear();
}

void Executor::give_up() {
  for (auto& [ref, run] : running_) {
    if (run.reported) continue;
    run.reported = true;
    effects_.stops.emplace_back(ref, "the agent stops");
    FinishItem item;
    item.outcome = AttemptOutcome::handed_back;
    item.error = "handed back by a draining agent";
    report(ref, std::move(item));
  }
}

// ---- the link
// --------------------------------------------------------------------------------------------------

void Executor::welcome() {
  linked_ = true;
  // What was said on the connection before may not have arrived: say it again.
  to_begin_.clear();
  to_finish_.clear();
  for (const auto& [nonce, held] : asked_) {
    to_begin_.push_back({held.execution.id, held.execution.attempt, held.execution.token, nonce});
  }
  for (const auto& [ref, item] : unreported_) to_finish_.push_back(item);
}

void Executor::finished(const Finished& done) {
  for (const AttemptRef& ref : done.items) unreported_.erase(ref);
}

ExecuteEffects Executor::take(MonoTime now) {
  tick(now);
  if (linked_ && !to_begin_.empty()) effects_.messages.push_back(Begin{std::exchange(to_begin_, {})});
  while (linked_ && !to_finish_.empty()) {
    Finish finish;
    std::size_t bytes = 0;
    auto at = to_finish_.begin();
    for (; at != to_finish_.end() && finish.items.size() < limits::kHandOutItems &&
           bytes < limits::kHandOutBytes;
         ++at) {
      bytes += at->error.size() + (at->result ? at->result->size() : 0);
      finish.items.push_back(std::move(*at));
    }
    to_finish_.erase(to_finish_.begin(), at);
    effects_.messages.push_back(std::move(finish));
  }
  return std::exchange(effects_, {});
}

std::optional<MonoTime> Executor::next_wakeup() const {
  std::optional<MonoTime> next;
  const auto consider = [&](MonoTime at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [ref, run] : running_) {
    if (!run.reported) consider(run.deadline);
  }
  if (starved_since_) consider(held_until());
  return next;
}

std::vector<AttemptRef> Executor::attempts() const {
  std::vector<AttemptRef> refs;
  for (const auto& [nonce, held] : asked_) refs.push_back({held.execution.id, held.execution.attempt});
  for (const auto& [ref, run] : running_) {
    if (!run.reported) refs.push_back(ref);
  }
  for (const auto& [ref, item] : unreported_) refs.push_back(ref);
  return refs;
}

}  // namespace duly
