// The run: events of the plan on one loop.
#include "tests/sim/world/world.h"

#include <algorithm>
#include <utility>

namespace duly::sim {
namespace {

constexpr Duration kSampleEvery = milliseconds{250};
// I7: after the faults heal, everything due ends within three lease TTLs and five seconds.  On top comes the
// work itself: time-outs and backoff of the commands, and what a backlog needs on the slots there are (a key
// is one slot).
constexpr Duration kOwnTimes = seconds{12};
constexpr Duration kLongestRun = milliseconds{2500};

}  // namespace

World::World(std::uint64_t seed)
    : seed_(seed),
      plan_(WorldPlan::draw(seed)),
      rng_(seed),
      rabbit_(loop_, rng_.next()),
      net_(loop_, rng_.next()),
      disk_(rng_.next()) {
  SimServer::Config config{plan_.shards, plan_.ttl, plan_.max_queued};
  SimServer::Hooks hooks;
  hooks.answered = [this](const Answer& answer) { answered(answer); };
  hooks.sent = [this](const SendMessage& message) { watch_sent(message); };
  hooks.crash_before_commit = [this] { return std::exchange(crash_at_commit_, false); };
  hooks.crash_after_commit = [this] { return std::exchange(crash_after_commit_, false); };
  server_ = std::make_unique<SimServer>(loop_, net_, rabbit_, disk_, config, std::move(hooks));
  for (int i = 0; i < plan_.agents; ++i) {
    const auto index = static_cast<std::size_t>(i);
    SimAgent::Config agent{"agent-" + std::to_string(i), plan_.concurrency, plan_.queues};
    agents_.push_back(
        std::make_unique<SimAgent>(loop_, net_, rabbit_, ledger_, std::move(agent), [this, index] {
          ++counts_.agent_deaths;
          start_agent_later(index, rng_.between(milliseconds{50}, milliseconds{1500}));
        }));
  }
}

World::~World() = default;

std::uint64_t World::run() {
  net_.set_faults(plan_.net);
  rabbit_.set_faults(plan_.rabbit);
  server_->start();
  for (std::size_t i = 0; i < agents_.size(); ++i)
    start_agent_later(i, rng_.between(Duration{1}, milliseconds{500}));
  to_submit_ = plan_.commands;
  every(plan_.hurt / (plan_.commands / 4 + 1), [this] { submit_some(); });
  every(kSampleEvery, [this] { sample_store(); });
  schedule_faults();
  schedule_broker_faults();
  run_for(plan_.hurt);
  heal();
  run_until_settled(plan_.ttl * 3 + seconds{5} + kOwnTimes + backlog_time());
  judge();
  counts_.runs = ledger_.runs;
  counts_.virtual_ms = to_ms(loop_.now().time_since_epoch());
  return hash_;
}

Duration World::backlog_time() {
  if (!server_->up()) return kLongestRun * plan_.commands;
  const Store& store = server_->store();
  const std::int64_t open =
      store.count(State::scheduled) + store.count(State::queued) + store.count(State::running);
  return kLongestRun * open / (plan_.keys ? 1 : plan_.agents * plan_.concurrency);
}

WorldCounts World::counts() const { return counts_; }

// ---- the loop
// --------------------------------------------------------------------------------------------------

void World::step() {
  server_wall_ = std::max(server_wall_, loop_.wall());
  try {
    loop_.run_one();
  } catch (const ServerCrash&) {
    server_dies(rng_.chance(0.5) ? SimServer::Death::power : SimServer::Death::process);
  }
  if (server_->up() && server_->wants_to_die()) server_dies(SimServer::Death::process);
}

void World::run_for(Duration length) {
  const MonoTime end = loop_.now() + length;
  while (loop_.next_at() && *loop_.next_at() <= end) step();
  loop_.run_until(end);
}

void World::run_until_settled(Duration limit) {
  const MonoTime end = loop_.now() + limit;
  while (!settled()) {
    if (loop_.now() > end) throw Violation{"I7: not settled in time after the heal:" + open_work()};
    run_for(milliseconds{100});
  }
  run_for(milliseconds{500});  // answers and dead letters under way
}

// ---- faults
// ----------------------------------------------------------------------------------------------------

void World::every(Duration mean, std::function<void()> act) {
  if (mean.count() <= 0) return;
  const Duration wait = rng_.between(Duration{1}, mean * 2);
  loop_.at(loop_.now() + wait, [this, mean, act = std::move(act)] {
    act();
    every(mean, act);
  });
}

void World::schedule_faults() {
  const auto fault = [this](Duration mean, std::function<void()> act) {
    every(mean, [this, act = std::move(act)] {
      if (!healing_) act();
    });
  };
  const auto any_agent = [this]() -> SimAgent& { return *agents_[rng_.below(agents_.size())]; };
  const WorldPlan::Rates& rates = plan_.rates;
  fault(rates.agent_kill, [this] { restart_agent(rng_.below(agents_.size())); });
  fault(rates.agent_pause, [this, any_agent] {
    SimAgent& agent = any_agent();
    agent.pause();
    loop_.at(loop_.now() + rng_.between(milliseconds{100}, plan_.ttl * 2), [&agent] { agent.resume(); });
  });
  fault(rates.agent_drain, [this] {
    const std::size_t index = rng_.below(agents_.size());
    if (!agents_[index]->up()) return;
    agents_[index]->drain(milliseconds{800},
                          [this, index] { loop_.post([this, index] { restart_agent(index); }); });
  });
  fault(rates.partition, [this, any_agent] {
    net_.block(any_agent().name(), rng_.chance(0.7), rng_.chance(0.7));
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, plan_.ttl * 2), [this] {
      if (!healing_) net_.heal(), net_.set_faults(plan_.net);
    });
  });
  fault(rates.reset, [this] { net_.reset_all(); });
  fault(rates.server_kill, [this] {
    if (server_->up()) server_dies(SimServer::Death::process);
  });
  fault(rates.power_loss, [this] {
    if (server_->up()) server_dies(SimServer::Death::power);
  });
  fault(rates.commit_crash, [this] { (rng_.chance(0.5) ? crash_at_commit_ : crash_after_commit_) = true; });
  fault(rates.sync_failure, [this] { rng_.chance(0.5) ? disk_.fail_syncs(1) : disk_.fail_writes(1); });
  fault(rates.disk_full, [this] {
    disk_.set_capacity(disk_.size() + 20'000);
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, seconds{3}), [this] { disk_.set_capacity(0); });
  });
  fault(rates.wall_step, [this] { loop_.step_wall(rng_.between(seconds{-3}, seconds{3})); });
  fault(rates.operator_action, [this] { act_on_some_command(); });
}

void World::schedule_broker_faults() {
  const WorldPlan::Rates& rates = plan_.rates;
  const auto broker_back = [this] {
    loop_.at(loop_.now() + rng_.between(milliseconds{100}, seconds{3}), [this] { rabbit_.start(); });
  };
  const auto broker_fault = [this](Duration mean, std::function<void()> act) {
    every(mean, [this, act = std::move(act)] {
      if (healing_) return;
      ++counts_.broker_faults;
      act();
    });
  };
  broker_fault(rates.broker_restart, [this, broker_back] {
    rabbit_.stop(SimRabbit::Lose::unconfirmed_maybe);
    broker_back();
  });
  broker_fault(rates.broker_wipe, [this, broker_back] {
    rabbit_.stop(SimRabbit::Lose::everything);
    broker_back();
  });
  broker_fault(rates.broker_pause, [this] {
    rabbit_.pause();
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, seconds{8}), [this] { rabbit_.resume(); });
  });
  broker_fault(rates.broker_block, [this] {
    rabbit_.set_blocked(true);
    loop_.at(loop_.now() + rng_.between(milliseconds{200}, seconds{8}),
             [this] { rabbit_.set_blocked(false); });
  });
  const auto any_queue = [this] {
    return topology::execute_queue(plan_.queues[rng_.below(plan_.queues.size())]);
  };
  broker_fault(rates.queue_delete, [this, any_queue] { rabbit_.delete_queue(any_queue()); });
  broker_fault(rates.queue_purge, [this, any_queue] { rabbit_.purge_queue(any_queue()); });
  broker_fault(rates.stray, [this, any_queue] {
    AmqpMessage message;
    message.body = make_bytes("not json");
    message.type = "stray";
    rabbit_.inject(any_queue(), message);
  });
}

void World::heal() {
  healing_ = true;
  net_.heal();
  rabbit_.heal();
  rabbit_.start();
  rabbit_.resume();
  rabbit_.set_blocked(false);
  disk_.fail_syncs(0);
  disk_.fail_writes(0);
  disk_.set_capacity(0);
  crash_at_commit_ = crash_after_commit_ = false;
  if (!server_->up()) server_->start();
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    agents_[i]->resume();
    if (!agents_[i]->up()) start_agent_later(i, Duration{1});
  }
  resubmit_unknown();
}

void World::server_dies(SimServer::Death how) {
  note(how == SimServer::Death::power ? 11 : 12);
  ++counts_.server_deaths;
  if (how == SimServer::Death::power) ++counts_.power_losses;
  add_stats();
  crash_at_commit_ = crash_after_commit_ = false;
  server_->crash(how);
  // Whoever waits for an answer does not get one: the outcome is unknown.
  for (auto& [reply, request] : pending_) {
    if (!request.commands.empty()) unknown_.push_back(std::move(request.commands));
  }
  pending_.clear();
  holder_.clear();
  start_server_later(healing_ ? Duration{1} : rng_.between(milliseconds{10}, seconds{3}));
}

void World::start_server_later(Duration after) {
  loop_.at(loop_.now() + after, [this] {
    if (server_->up()) return;
    server_->start();
    if (!server_->up()) return start_server_later(milliseconds{100});
  });
}

void World::restart_agent(std::size_t index) {
  if (agents_[index]->up()) {
    note(20 + index);
    ++counts_.agent_deaths;
    agents_[index]->kill();
  }
  start_agent_later(index, rng_.between(milliseconds{50}, seconds{3}));
}

void World::start_agent_later(std::size_t index, Duration after) {
  loop_.at(loop_.now() + after, [this, index] {
    if (!agents_[index]->up()) agents_[index]->start(++next_incarnation_);
  });
}

void World::note(std::uint64_t what) {
  hash_ = mix(hash_ ^ what ^ static_cast<std::uint64_t>(loop_.now().time_since_epoch().count()) << 8);
}

}  // namespace duly::sim
