// How the node acts on what its cores decide, and how it leaves.
#include <algorithm>
#include <utility>

#include "agent/link/agent_node.h"
#include "common/base/log.h"
#include "common/wire/bundle.h"

namespace duly {

// ---- acting
// ----------------------------------------------------------------------------------------------------

void AgentNode::handler_done(AttemptRef ref, Executor::Outcome outcome) {
  pass("execute.after-handler");
  executor_.done(loop_.now(), ref, std::move(outcome));
  act_soon();
}

void AgentNode::act_soon() {
  if (std::exchange(act_posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) act();
  });
}

void AgentNode::act() {
  act_posted_ = false;
  const MonoTime now = loop_.now();
  perform(dispatcher_.take(now));
  perform(executor_.take(now));
  const auto first = dispatcher_.next_wakeup();
  const auto second = executor_.next_wakeup();
  wake_at(first && second ? std::min(*first, *second) : first ? first : second);
  check_drained();
}

void AgentNode::perform(DispatchEffects effects) {
  for (const std::string& queue : effects.ensure_queues) broker_.ensure_queue(queue);
  const std::int64_t now_s = to_ms(loop_.wall()) / 1000;
  for (auto& [ticket, item] : effects.publishes) {
    pass("dispatch.before-publish");
    if (ports_.publishing) ports_.publishing(ticket, item);
    broker_.publish(ticket, item.deliver ? make_delivery(item) : make_execution_message(item, now_s));
    pass("dispatch.after-publish");
  }
  for (auto& [ticket, items] : effects.bundles) {
    pass("dispatch.before-publish");
    for (HandOutItem& item : items) {
      if (ports_.publishing) ports_.publishing(ticket, item);
    }
    broker_.publish(ticket, make_bundle(items, now_s));
    pass("dispatch.after-publish");
  }
  for (const AgentMessage& message : effects.messages) send(message);
}

void AgentNode::perform(ExecuteEffects effects) {
  if (effects.consume && *effects.consume) {
    consume_all();
  } else if (effects.consume) {
    broker_.cancel_consumers();
  }
  for (const auto& settlement : effects.settlements) {
    broker_.settle(settlement.generation, settlement.tag, settlement.how);
  }
  for (auto& parked : effects.parks) park(std::move(parked));
  for (const auto& [ref, reason] : effects.stops) ports_.stop(ref, reason);
  bool finished = false;
  for (const AgentMessage& message : effects.messages) {
    finished = finished || std::holds_alternative<Finish>(message);
    send(message);
  }
  if (finished) pass("execute.after-finish");
  for (Execution& execution : effects.runs) ports_.run(std::move(execution));
}

void AgentNode::park(ExecuteEffects::Park parked) {
  log(LogLevel::warn, "agent", "not understood; parked",
      {{"queue", parked.delivery.queue}, {"reason", parked.reason}});
  AmqpMessage message = std::move(parked.delivery.message);
  message.exchange = topology::kDeadExchange;
  message.routing_key = parked.delivery.queue + ".unparseable";
  message.headers["duly-reason"] = parked.reason;
  const PublishTicket ticket = next_park_++;
  parked_[ticket] = {parked.delivery.generation, parked.delivery.tag};
  broker_.publish(ticket, std::move(message));
}

void AgentNode::wake_at(std::optional<MonoTime> when) {
  if (!when) return;
  const MonoTime now = loop_.now();
  if (wake_at_ > now && wake_at_ <= *when) return;
  wake_at_ = std::max(*when, now + Duration{1});
  loop_.at(wake_at_, [this, at = wake_at_, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || wake_at_ != at) return;
    wake_at_ = MonoTime{};
    act();
  });
}

void AgentNode::pass(const char* point) const {
  if (ports_.passed) ports_.passed(point);
}

// ---- leaving
// ---------------------------------------------------------------------------------------------------

void AgentNode::drain(Duration limit, std::function<void()> done) {
  if (std::exchange(draining_, true)) return;
  drained_ = std::move(done);
  drain_until_ = loop_.now() + limit;
  dispatcher_.drain();
  executor_.drain();
  act_soon();
  // Leaves time for what is handed back to arrive at the server.
  loop_.at(loop_.now() + limit * 3 / 4, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    gave_up_ = true;
    executor_.give_up();
    act_soon();
  });
  loop_.at(drain_until_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && drained_) std::exchange(drained_, nullptr)();
  });
}

void AgentNode::check_drained() {
  if (!draining_ || !drained_) return;
  if (!dispatcher_.idle()) return;
  if (!executor_.idle() && !(gave_up_ && executor_.attempts().empty())) return;
  std::exchange(drained_, nullptr)();
}

AgentStats AgentNode::stats() const {
  AgentStats stats = counters_;
  stats.dispatch = dispatcher_.counters();
  stats.execute = executor_.counters();
  stats.shards_owned = static_cast<std::int64_t>(dispatcher_.holdings().size());
  stats.in_flight = dispatcher_.in_flight();
  stats.running = executor_.running();
  stats.slots = config_.execute ? config_.concurrency : 0;
  stats.linked = welcomed_;
  stats.broker_connected = publisher_up_;
  stats.broker_blocked = publisher_blocked_;
  stats.draining = draining_;
  return stats;
}

}  // namespace duly
