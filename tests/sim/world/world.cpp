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
constexpr std::int64_t kMostAttempts = 4;  // as draw_command() draws them
constexpr int kStepsOfSecond = 200'000;    // a hundred times what a busy world takes

}  // namespace

World::World(std::uint64_t seed, WorldPlan plan)
    : seed_(seed),
      plan_(std::move(plan)),
      rng_(seed),
      parent_dice_(seed ^ stable_hash("parents")),
      rabbit_(loop_, rng_.next()),
      net_(loop_, rng_.next()),
      disk_(rng_.next()) {
  for (const std::string& name : plan_.faults()) counts_.seeds[name] = 1;
  SimServer::Config config{plan_.shards,
                           plan_.ttl,
                           plan_.max_queued,
                           plan_.lane_window,
                           plan_.retention,
                           plan_.rates.message.count() > 0,
                           plan_.rates.foreign.count() > 0,
                           plan_.rates.callback.count() > 0};
  server_ = std::make_unique<SimServer>(loop_, net_, rabbit_, disk_, config, server_hooks());
  for (std::size_t i = 0; i < static_cast<std::size_t>(plan_.agents); ++i) {
    SimAgent::Config agent{"agent-" + std::to_string(i), plan_.concurrency, plan_.queues};
    agents_.push_back(
        std::make_unique<SimAgent>(loop_, net_, rabbit_, ledger_, std::move(agent), agent_hooks(i)));
  }
  watch_broker();
}

SimServer::Hooks World::server_hooks() {
  SimServer::Hooks hooks;
  hooks.answered = [this](const Answer& answer) { answered(answer); };
  hooks.sent = [this](const SendMessage& message) { watch_sent(message); };
  // Nobody fails in a calm world: a clock that was stepped and a server that slept make nobody dead.
  hooks.closing = [this](const CloseSession& closing) {
    wire_.heard.erase(closing.session);
    if (plan_.calm && closing.reason.starts_with("silent"))
      throw Violation{"I7: an agent that never failed was taken for dead"};
  };
  hooks.closed = [this](SessionId session) { wire_.heard.erase(session); };
  hooks.said = [this](const SessionSaid& said) { watch_said(said); };
  hooks.called = [this](const SendCallback& call, std::function<void(CallbackSettled)> answer) {
    called_back(call, std::move(answer));
  };
  hooks.removing = [this](CommandId id) { watch_removal(id); };
  hooks.crash_before_commit = [this] { return std::exchange(crash_at_commit_, false); };
  hooks.crash_after_commit = [this] { return std::exchange(crash_after_commit_, false); };
  hooks.crash_before_reply = [this] { return std::exchange(crash_before_reply_, false); };
  return hooks;
}

SimAgent::Hooks World::agent_hooks(std::size_t index) {
  SimAgent::Hooks hooks;
  hooks.died = [this, index] {
    ++counts_.agent_deaths;
    ++counts_.strikes["poison"];
    start_agent_later(index, rng_.between(milliseconds{50}, milliseconds{1500}));
  };
  hooks.hung = [this] { ++counts_.strikes["hangs"]; };
  hooks.passed = [this, index](const char* point) { agent_passed(index, point); };
  hooks.published = [this, index](PublishTicket ticket, const AmqpMessage& message) {
    watch_published(index, ticket, message);
  };
  hooks.settled = [this, index](const std::vector<SettledPublish>& results) {
    watch_settled(index, results);
  };
  return hooks;
}

World::~World() = default;

std::uint64_t World::run() {
  net_.set_faults(plan_.net);
  rabbit_.set_faults(plan_.rabbit);
  server_->start();
  // A bundle is for agents alone.
  if (plan_.bundle > 1 && plan_.rates.foreign.count() == 0) bundle_queues();
  if (plan_.rates.queue_limit.count() > 0) limit_some_queue();
  for (std::size_t i = 0; i < agents_.size(); ++i)
    start_agent_later(i, rng_.between(Duration{1}, milliseconds{500}));
  if (plan_.rates.message.count() > 0) start_publisher();
  if (plan_.rates.foreign.count() > 0) start_foreigner();
  to_submit_ = plan_.commands;
  every(plan_.hurt / (plan_.commands / 4 + 1), [this] { submit_some(); });
  every(kSampleEvery, [this] { sample_store(); });
  draw_schedules();
  every(kSampleEvery, [this] { ask_for_schedules(); });
  if (plan_.rates.workflow.count() > 0)
    every(
        kSampleEvery, [this] { ask_for_workflows(); },
        std::make_shared<Rng>(seed_ ^ stable_hash("ask for workflows")));
  schedule_agent_faults();
  schedule_server_faults();
  schedule_broker_faults();
  schedule_other_faults();
  start_deliveries();
  start_callbacks();
  run_for(plan_.hurt);
  heal();
  run_until_settled(plan_.ttl * 3 + seconds{5} + kOwnTimes + backlog_time());
  run_until_removed();
  judge();
  counts_.runs = ledger_.runs;
  counts_.virtual_ms = to_ms(loop_.now().time_since_epoch());
  return hash_;
}

Duration World::backlog_time() {
  if (!server_->up()) return kLongestRun * plan_.commands + limited_time(plan_.commands);
  const Store& store = server_->store();
  std::int64_t open =
      store.count(State::scheduled) + store.count(State::queued) + store.count(State::running);
  // And what comes only now, because nobody answered it before.
  for (const Unsent& unsent : unknown_) open += static_cast<std::int64_t>(unsent.commands.size());
  for (const auto& [reply, pending] : pending_) open += static_cast<std::int64_t>(pending.commands.size());
  open += static_cast<std::int64_t>(messages_on_their_way());
  // Those that wait for each other run one after the other.  Of a schedule all may be such as fail three
  // times before they succeed, and of one key.
  const std::int64_t waiting = store.count(State::waiting);
  const std::int64_t attempts = plan_.keys && plan_.schedules > 0 ? kMostAttempts : 1;
  return kLongestRun * open * attempts / (plan_.keys ? 1 : plan_.agents * plan_.concurrency) +
         kLongestRun * waiting * 4 + limited_time(open + waiting);
}

WorldCounts World::counts() const {
  WorldCounts counts = counts_;
  for (const auto& [name, count] : rabbit_.struck()) counts.strikes[name] += count;
  for (const auto& [name, count] : net_.struck()) counts.strikes[name] += count;
  return counts;
}

// ---- the loop
// --------------------------------------------------------------------------------------------------

void World::step() {
  watch_for_spin();
  server_wall_ = std::max(server_wall_, loop_.wall());
  try {
    loop_.run_one();
  } catch (const ServerCrash&) {
    server_dies(rng_.chance(0.5) ? SimServer::Death::power : SimServer::Death::process);
  } catch (const AgentCrash& crash) {
    restart_agent(crash.agent);
  }
  if (server_->up() && server_->wants_to_die()) server_dies(SimServer::Death::process);
}

// Nothing goes round and round: neither a reader nor a full disk may make it.
void World::watch_for_spin() {
  if (loop_.now() - second_since_ >= seconds{1}) {
    second_since_ = loop_.now();
    steps_of_second_ = 0;
  }
  if (++steps_of_second_ > kStepsOfSecond)
    throw Violation{"I7: it spins, " + std::to_string(kStepsOfSecond) + " steps within a second"};
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

void World::every(Duration mean, std::function<void()> act, const std::shared_ptr<Rng>& dice) {
  if (mean.count() <= 0) return;
  const Duration wait = (dice ? *dice : rng_).between(Duration{1}, mean * 2);
  loop_.at(loop_.now() + wait, [this, mean, act = std::move(act), dice] {
    act();
    every(mean, act, dice);
  });
}

void World::heal() {
  healing_ = true;
  crash_point_.clear();
  server_->set_slow_disk(Duration{0});
  server_->resume();
  net_.heal();
  rabbit_.heal();
  rabbit_.start();
  rabbit_.resume();
  rabbit_.set_blocked(false);
  disk_.fail_syncs(0);
  disk_.fail_writes(0);
  disk_.set_capacity(0);
  crash_at_commit_ = crash_after_commit_ = crash_before_reply_ = false;
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
  crash_at_commit_ = crash_after_commit_ = crash_before_reply_ = false;
  server_->crash(how);
  wire_.heard.clear();
  forget_schedule_requests();
  forget_workflow_requests();
  // Whoever waits for an answer does not get one: the outcome is unknown.
  for (auto& [reply, request] : pending_) {
    if (!request.commands.empty()) unknown_.push_back({std::move(request.commands), true});
  }
  pending_.clear();
  foreign_unanswered();
  for (auto& [queue, facts] : limits_) facts.asked = false;
  start_server_later(healing_ ? Duration{1} : rng_.between(milliseconds{10}, seconds{3}));
}

void World::start_server_later(Duration after) {
  loop_.at(loop_.now() + after, [this] {
    if (server_->up()) return;
    server_->start();
    if (!server_->up()) return start_server_later(milliseconds{100});
    if (rng_.chance(0.5)) resubmit_unknown();  // clients are quick
    if (!std::exchange(power_fails_again_, false) || healing_) return;
    loop_.at(loop_.now() + rng_.between(Duration{1}, milliseconds{40}), [this] {
      if (server_->up() && !healing_) server_dies(SimServer::Death::power);
    });
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
