// The faults of a run, each with its name, its mean time between strikes, and what it does.
#include <algorithm>
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr const char* kAgentPoints[] = {
    "dispatch.after-poll",    "dispatch.before-publish", "dispatch.after-publish", "dispatch.after-confirm",
    "execute.after-delivery", "execute.after-begin",     "execute.after-handler",  "execute.after-finish"};

}  // namespace

// Each fault has dice of its own: one that is taken out changes nothing of when and where the others strike.
void World::fault(const char* name, Duration mean, std::function<void()> act) {
  const auto dice = std::make_shared<Rng>(seed_ ^ stable_hash(name));
  const auto strike = [this, name, act = std::move(act), dice] {
    if (healing_) return;
    ++counts_.strikes[name];
    std::swap(rng_, *dice);
    act();
    std::swap(rng_, *dice);
  };
  every(mean, strike, dice);
}

std::string World::any_queue() {
  return topology::execute_queue(plan_.queues[rng_.below(plan_.queues.size())]);
}

void World::agent_passed(std::size_t index, const char* point) {
  if (crash_point_ != point) return;
  crash_point_.clear();
  ++counts_.strikes[std::string("agent_point@") + point];
  throw AgentCrash{index};
}

void World::schedule_agent_faults() {
  const WorldPlan::Rates& rates = plan_.rates;
  fault("agent_kill", rates.agent_kill, [this] { restart_agent(rng_.below(agents_.size())); });
  fault("agent_point", rates.agent_point,
        [this] { crash_point_ = kAgentPoints[rng_.below(std::size(kAgentPoints))]; });
  fault("agent_pause", rates.agent_pause, [this] {
    SimAgent& agent = any_agent();
    agent.pause();
    loop_.at(loop_.now() + rng_.between(milliseconds{100}, plan_.ttl * 2), [&agent] { agent.resume(); });
  });
  fault("agent_drain", rates.agent_drain, [this] {
    const std::size_t index = rng_.below(agents_.size());
    if (!agents_[index]->up()) return;
    agents_[index]->drain(milliseconds{800},
                          [this, index] { loop_.post([this, index] { restart_agent(index); }); });
  });
  fault("partition", rates.partition, [this] {
    net_.block(any_agent().name(), rng_.chance(0.7), rng_.chance(0.7));
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, plan_.ttl * 2), [this] {
      if (!healing_) net_.heal(), net_.set_faults(plan_.net);
    });
  });
  fault("reset", rates.reset, [this] { net_.reset_all(); });
  fault("garbage", rates.garbage, [this] { net_.garble(); });
  // All agents die in one moment, and come back in one moment.
  fault("herd", rates.herd, [this] {
    const Duration away = rng_.between(milliseconds{50}, seconds{2});
    for (std::size_t i = 0; i < agents_.size(); ++i) {
      if (agents_[i]->up()) ++counts_.agent_deaths;
      agents_[i]->kill();
      start_agent_later(i, away);
    }
  });
}

void World::schedule_server_faults() {
  const WorldPlan::Rates& rates = plan_.rates;
  fault("server_kill", rates.server_kill, [this] {
    if (server_->up()) server_dies(SimServer::Death::process);
  });
  fault("server_pause", rates.server_pause, [this] {
    server_->pause();
    loop_.at(loop_.now() + rng_.between(milliseconds{100}, plan_.ttl * 2), [this] { server_->resume(); });
  });
  fault("power_loss", rates.power_loss, [this] {
    if (server_->up()) server_dies(SimServer::Death::power);
  });
  fault("commit_crash", rates.commit_crash, [this] {
    const std::uint64_t where = rng_.below(3);
    (where == 0 ? crash_at_commit_ : where == 1 ? crash_after_commit_ : crash_before_reply_) = true;
  });
  // Alone, or followed at once by what shows whether somebody went on as if nothing had been.
  fault("sync_failure", rates.sync_failure, [this] {
    if (rng_.chance(0.5)) {
      sync_fails_with_submit_ = true;
    } else {
      rng_.chance(0.5) ? disk_.fail_syncs(1) : disk_.fail_writes(1);
    }
    const std::uint64_t then = rng_.below(3);
    if (then == 0) power_fails_again_ = true;
    if (then != 1) return;
    loop_.at(loop_.now() + rng_.between(Duration{1}, milliseconds{120}), [this] {
      if (server_->up() && !healing_) server_dies(SimServer::Death::process);
    });
  });
  fault("disk_full", rates.disk_full, [this] {
    disk_.set_capacity(disk_.size() + 20'000);
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, seconds{3}), [this] { disk_.set_capacity(0); });
  });
  // For a while, and perhaps with somebody frozen all the time.
  fault("slow_disk", rates.slow_disk, [this] {
    if (server_->slow_disk().count() > 0) return;
    const Duration length = rng_.chance(0.3) ? seconds{1} : plan_.ttl * 3 + seconds{8};
    server_->set_slow_disk(rng_.chance(0.3) ? rng_.between(milliseconds{20}, milliseconds{200})
                                            : rng_.between(milliseconds{250}, milliseconds{600}));
    SimAgent& agent = any_agent();
    if (rng_.chance(0.6)) agent.pause();
    loop_.at(loop_.now() + length, [this, &agent] {
      server_->set_slow_disk(Duration{0});
      agent.resume();
    });
  });
}

void World::schedule_broker_faults() {
  const WorldPlan::Rates& rates = plan_.rates;
  const auto back = [this] {
    loop_.at(loop_.now() + rng_.between(milliseconds{100}, seconds{3}), [this] { rabbit_.start(); });
  };
  fault("broker_restart", rates.broker_restart, [this, back] {
    rabbit_.stop(SimRabbit::Lose::unconfirmed_maybe);
    back();
  });
  fault("broker_wipe", rates.broker_wipe, [this, back] {
    rabbit_.stop(SimRabbit::Lose::everything);
    forget_messages();
    back();
  });
  fault("broker_pause", rates.broker_pause, [this, back] {
    rabbit_.pause();
    // Then it goes on, or it is killed and what nobody has written yet is gone.
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, seconds{8}), [this, back] {
      if (healing_ || rng_.chance(0.6)) return rabbit_.resume();
      rabbit_.stop(SimRabbit::Lose::unconfirmed_maybe);
      back();
    });
  });
  fault("broker_block", rates.broker_block, [this] {
    rabbit_.set_blocked(true);
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, seconds{8}),
             [this] { rabbit_.set_blocked(false); });
  });
  fault("queue_delete", rates.queue_delete, [this] { rabbit_.delete_queue(any_queue()); });
  fault("queue_purge", rates.queue_purge, [this] { rabbit_.purge_queue(any_queue()); });
  fault("replay", rates.replay, [this] { rabbit_.replay(); });
  fault("stray", rates.stray, [this] {
    AmqpMessage message;
    message.body = make_bytes("not json");
    message.type = "stray";
    rabbit_.inject(any_queue(), message);
  });
}

void World::schedule_other_faults() {
  fault("wall_step", plan_.rates.wall_step,
        [this] { loop_.step_wall(rng_.between(seconds{-3}, seconds{3})); });
  fault("operator", plan_.rates.operator_action, [this] { act_on_some_command(); });
  fault("bulk_cancel", plan_.rates.bulk_cancel, [this] { cancel_many(); });
  fault("workflow", plan_.rates.workflow, [this] { draw_workflow(); });
  fault("workflow_act", plan_.rates.workflow_act, [this] { act_on_some_workflow(); });
  fault("message", plan_.rates.message, [this] { publish_messages(); });
  fault("foreign", plan_.rates.foreign, [this] { submit_foreign(); });
  fault("foreign_kill", plan_.rates.foreign_kill, [this] { kill_foreigner(); });
  fault("queue_limit", plan_.rates.queue_limit, [this] { limit_some_queue(); });
}

}  // namespace duly::sim
