#include "tests/sim/world/plan.h"

#include <algorithm>

namespace duly::sim {
namespace {

using Rates = WorldPlan::Rates;

struct RateFault {
  const char* name;
  Duration Rates::*rate;
};
constexpr RateFault kRates[] = {
    {"agent_kill", &Rates::agent_kill},
    {"agent_point", &Rates::agent_point},
    {"agent_pause", &Rates::agent_pause},
    {"agent_drain", &Rates::agent_drain},
    {"partition", &Rates::partition},
    {"reset", &Rates::reset},
    {"garbage", &Rates::garbage},
    {"herd", &Rates::herd},
    {"server_kill", &Rates::server_kill},
    {"server_pause", &Rates::server_pause},
    {"power_loss", &Rates::power_loss},
    {"commit_crash", &Rates::commit_crash},
    {"sync_failure", &Rates::sync_failure},
    {"disk_full", &Rates::disk_full},
    {"slow_disk", &Rates::slow_disk},
    {"broker_restart", &Rates::broker_restart},
    {"broker_wipe", &Rates::broker_wipe},
    {"broker_pause", &Rates::broker_pause},
    {"broker_block", &Rates::broker_block},
    {"queue_delete", &Rates::queue_delete},
    {"queue_purge", &Rates::queue_purge},
    {"stray", &Rates::stray},
    {"replay", &Rates::replay},
    {"wall_step", &Rates::wall_step},
    {"operator", &Rates::operator_action},
    {"queue_limit", &Rates::queue_limit},
    {"bulk_cancel", &Rates::bulk_cancel},
    {"workflow", &Rates::workflow},
    {"workflow_act", &Rates::workflow_act},
    {"message", &Rates::message},
    {"foreign", &Rates::foreign},
    {"foreign_kill", &Rates::foreign_kill},
    {"deliver", &Rates::deliver},
    {"callback", &Rates::callback},
};

struct RabbitFault {
  const char* name;
  double SimRabbitFaults::*chance;
};
constexpr RabbitFault kRabbit[] = {
    {"nack", &SimRabbitFaults::nack},
    {"lose_confirm", &SimRabbitFaults::lose_confirm},
    {"late_confirm", &SimRabbitFaults::late_confirm},
    {"multiple_confirm", &SimRabbitFaults::multiple_confirm},
    {"drop_connection", &SimRabbitFaults::drop_connection},
    {"duplicate_delivery", &SimRabbitFaults::duplicate_delivery},
    {"drop_consumer", &SimRabbitFaults::drop_consumer},
};

struct NetFault {
  const char* name;
  double SimNetFaults::*chance;
};
constexpr NetFault kNet[] = {
    {"reset_per_frame", &SimNetFaults::reset_per_frame},
    {"refuse_connect", &SimNetFaults::refuse_connect},
    {"stall", &SimNetFaults::stall},
};

// Half of the runs have a given fault at all; those that have it draw how often.
Duration maybe(Rng& rng, double chance, Duration least, Duration most) {
  return rng.chance(chance) ? rng.between(least, most) : Duration{0};
}

void draw_broker(Rng& rng, SimRabbitFaults& faults) {
  const auto sometimes = [&](double most) { return rng.chance(0.4) ? rng.fraction() * most : 0.0; };
  faults.nack = sometimes(0.05);
  faults.lose_confirm = sometimes(0.02);
  faults.late_confirm = sometimes(0.05);
  faults.multiple_confirm = sometimes(0.5);
  faults.drop_connection = sometimes(0.02);
  faults.duplicate_delivery = sometimes(0.1);
  faults.drop_consumer = sometimes(0.02);
  if (rng.chance(0.3)) faults.latency_max = rng.between(milliseconds{1}, milliseconds{50});
}

void draw_net(Rng& rng, SimNetFaults& faults) {
  if (rng.chance(0.3)) faults.reset_per_frame = rng.fraction() * 0.01;
  if (rng.chance(0.3)) faults.refuse_connect = rng.fraction() * 0.3;
  if (rng.chance(0.3)) faults.latency_max = rng.between(milliseconds{1}, milliseconds{300});
  if (rng.chance(0.2)) faults.stall = rng.fraction() * 0.01;
}

void draw_process_faults(Rng& rng, Rates& rates) {
  rates.agent_kill = maybe(rng, 0.5, seconds{2}, seconds{15});
  rates.agent_point = maybe(rng, 0.4, seconds{2}, seconds{10});
  rates.agent_pause = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.agent_drain = maybe(rng, 0.3, seconds{4}, seconds{20});
  rates.partition = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.reset = maybe(rng, 0.3, seconds{2}, seconds{10});
  rates.garbage = maybe(rng, 0.2, seconds{2}, seconds{10});
  rates.herd = maybe(rng, 0.15, seconds{6}, seconds{20});
  rates.server_kill = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.server_pause = maybe(rng, 0.2, seconds{4}, seconds{20});
  rates.power_loss = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.commit_crash = maybe(rng, 0.3, seconds{3}, seconds{15});
  rates.sync_failure = maybe(rng, 0.2, seconds{4}, seconds{20});
  rates.disk_full = maybe(rng, 0.15, seconds{5}, seconds{20});
  rates.slow_disk = maybe(rng, 0.15, seconds{2}, seconds{8});
}

void draw_broker_events(Rng& rng, Rates& rates) {
  rates.broker_restart = maybe(rng, 0.3, seconds{5}, seconds{20});
  rates.broker_wipe = maybe(rng, 0.2, seconds{6}, seconds{25});
  rates.broker_pause = maybe(rng, 0.2, seconds{6}, seconds{25});
  rates.broker_block = maybe(rng, 0.2, seconds{6}, seconds{25});
  rates.queue_delete = maybe(rng, 0.2, seconds{5}, seconds{20});
  rates.queue_purge = maybe(rng, 0.2, seconds{5}, seconds{20});
  rates.stray = maybe(rng, 0.2, seconds{2}, seconds{10});
  rates.replay = maybe(rng, 0.3, seconds{1}, seconds{5});
}

// Nothing fails but the clocks: what suspects somebody here suspects wrongly.
void make_calm(Rng& rng, WorldPlan& plan) {
  plan.calm = true;
  plan.slow = rng.chance(0.7);
  if (plan.slow) {
    plan.commands = std::min(plan.commands, 60);
    plan.concurrency = 1;
  }
  plan.agents = std::clamp(plan.agents, 2, 3);
  if (rng.chance(0.5)) plan.ttl = rng.between(milliseconds{600}, milliseconds{1200});
  plan.rates.server_pause = maybe(rng, 0.5, seconds{3}, seconds{8});
  plan.rates.wall_step = maybe(rng, 0.5, seconds{2}, seconds{8});
  if (rng.chance(0.5)) plan.rabbit.multiple_confirm = rng.fraction();
}

// The server's disk is slow for long, and nothing else helps to find out who is silent.
void make_sluggish(Rng& rng, WorldPlan& plan) {
  const Rates none{};
  plan.rates = none;
  plan.rates.slow_disk = rng.between(seconds{2}, seconds{4});
  plan.net = SimNetFaults{};
  plan.ttl = rng.between(milliseconds{800}, milliseconds{2500});
  plan.hurt = seconds{30};
}

// Drawn from dice of their own: what seeds showed before these existed stays as it was.
void draw_operator(std::uint64_t seed, WorldPlan& plan) {
  Rng rng(seed ^ 0x8E9D5A6F1C3B2E47ULL);
  plan.rates.queue_limit = maybe(rng, 0.35, milliseconds{500}, seconds{6});
  plan.rates.bulk_cancel = maybe(rng, 0.2, seconds{2}, seconds{10});
  plan.rates.workflow = maybe(rng, 0.4, seconds{1}, seconds{6});
  plan.rates.workflow_act = maybe(rng, 0.4, seconds{1}, seconds{6});
  plan.rates.message = maybe(rng, 0.4, milliseconds{300}, seconds{3});
  if (!plan.calm && rng.chance(0.4)) {
    plan.rates.foreign = rng.between(milliseconds{400}, seconds{3});
    plan.rates.foreign_kill = maybe(rng, 0.6, seconds{2}, seconds{10});
  }
  if (rng.chance(0.4)) plan.bundle = static_cast<int>(rng.between(2, rng.chance(0.5) ? 4 : 40));
}

void draw_deliveries(std::uint64_t seed, WorldPlan& plan) {
  Rng rng(seed ^ stable_hash("deliver"));
  plan.rates.deliver = maybe(rng, 0.4, milliseconds{150}, seconds{2});
}

// The rate is how long the receiver takes.
void draw_callbacks(std::uint64_t seed, WorldPlan& plan) {
  Rng rng(seed ^ stable_hash("callback"));
  plan.rates.callback = maybe(rng, 0.4, milliseconds{5}, milliseconds{1500});
}

// Some seconds, or for ever.
std::int64_t draw_keep(Rng& rng) { return rng.chance(0.2) ? kKeepForever : rng.between(300, 8000); }

void draw_retention(std::uint64_t seed, WorldPlan& plan) {
  Rng rng(seed ^ 0x5D0C3B7A9E6F1284ULL);
  if (!rng.chance(0.35)) return;
  plan.retention.keep_ms = draw_keep(rng);
  for (const State state : {State::succeeded, State::dead, State::cancelled, State::expired}) {
    if (rng.chance(0.3)) plan.retention.rules.push_back({state, "work", draw_keep(rng)});
    if (rng.chance(0.3)) plan.retention.rules.push_back({state, "", draw_keep(rng)});
    if (rng.chance(0.1)) plan.retention.rules.push_back({state, "other", draw_keep(rng)});
  }
}

}  // namespace

WorldPlan WorldPlan::draw(std::uint64_t seed) {
  Rng rng(seed ^ 0xD1B54A32D192ED03ULL);
  WorldPlan plan;
  plan.shards = static_cast<int>(rng.between(1, rng.chance(0.3) ? 2 : 12));
  plan.agents = static_cast<int>(rng.between(1, 4));
  plan.concurrency = static_cast<int>(rng.between(1, 8));
  plan.commands = static_cast<int>(rng.between(40, 220));
  plan.ttl = rng.between(milliseconds{800}, milliseconds{4000});
  plan.hurt = rng.between(seconds{8}, seconds{30});
  if (rng.chance(0.3)) plan.max_queued = rng.between(1, 10);
  if (rng.chance(0.5)) plan.lane_window = static_cast<std::size_t>(rng.between(2, rng.chance(0.5) ? 4 : 24));
  plan.queues = {"default"};
  if (rng.chance(0.4)) plan.queues.push_back("other");
  plan.keys = rng.chance(0.5);
  plan.hangs = rng.chance(0.3);
  plan.same_time = rng.chance(0.2);
  if (rng.chance(0.4)) plan.schedules = static_cast<int>(rng.between(1, 4));
  if (rng.chance(0.12)) {
    make_calm(rng, plan);
    draw_operator(seed, plan);
    draw_retention(seed, plan);
    draw_deliveries(seed, plan);
    draw_callbacks(seed, plan);
    return plan;
  }
  plan.poison = rng.chance(0.2);
  draw_net(rng, plan.net);
  draw_broker(rng, plan.rabbit);
  draw_process_faults(rng, plan.rates);
  draw_broker_events(rng, plan.rates);
  plan.rates.wall_step = maybe(rng, 0.2, seconds{4}, seconds{20});
  plan.rates.operator_action = maybe(rng, 0.6, milliseconds{200}, seconds{3});
  if (rng.chance(0.05)) make_sluggish(rng, plan);
  draw_operator(seed, plan);
  draw_retention(seed, plan);
  draw_deliveries(seed, plan);
  draw_callbacks(seed, plan);
  return plan;
}

std::optional<Duration> WorldPlan::keep(State state) const {
  std::int64_t keep = retention.keep_ms;
  for (const char* type : {"", "work"}) {
    for (const RetentionRule& rule : retention.rules) {
      if (rule.state == state && rule.type == type) keep = rule.keep_ms;
    }
  }
  return keep == kKeepForever ? std::nullopt : std::optional<Duration>(milliseconds{keep});
}

bool WorldPlan::removes() const {
  return std::any_of(kStates.begin(), kStates.end(),
                     [this](State state) { return is_end(state) && keep(state).has_value(); });
}

std::vector<std::string> WorldPlan::faults() const {
  std::vector<std::string> names;
  for (const RateFault& fault : kRates) {
    if ((rates.*fault.rate).count() > 0) names.emplace_back(fault.name);
  }
  for (const RabbitFault& fault : kRabbit) {
    if (rabbit.*fault.chance > 0) names.emplace_back(fault.name);
  }
  for (const NetFault& fault : kNet) {
    if (net.*fault.chance > 0) names.emplace_back(fault.name);
  }
  if (removes()) names.emplace_back("retention");
  if (bundle > 1) names.emplace_back("bundle");
  if (poison) names.emplace_back("poison");
  if (hangs) names.emplace_back("hangs");
  return names;
}

bool WorldPlan::drop(const std::string& name) {
  for (const RateFault& fault : kRates) {
    if (name == fault.name) return (rates.*fault.rate) = Duration{0}, true;
  }
  for (const RabbitFault& fault : kRabbit) {
    if (name == fault.name) return (rabbit.*fault.chance) = 0, true;
  }
  for (const NetFault& fault : kNet) {
    if (name == fault.name) return (net.*fault.chance) = 0, true;
  }
  if (name == "retention") return retention = Retention{}, true;
  if (name == "bundle") return bundle = 1, true;
  if (name == "poison") return poison = false, true;
  if (name == "hangs") return hangs = false, true;
  return false;
}

bool WorldPlan::set(const std::string& name, std::int64_t value) {
  const auto count = static_cast<int>(value);
  if (name == "shards") return shards = count, true;
  if (name == "agents") return agents = count, true;
  if (name == "concurrency") return concurrency = count, true;
  if (name == "commands") return commands = count, true;
  if (name == "ttl_ms") return ttl = milliseconds{value}, true;
  if (name == "max_queued") return max_queued = value, true;
  if (name == "lane_window") return lane_window = static_cast<std::size_t>(value), true;
  if (name == "calm") return calm = value != 0, true;
  if (name == "schedules") return schedules = count, true;
  if (name == "priorities") return priorities = count, true;
  if (name == "bundle") return bundle = count, true;
  if (name == "keep_ms") return retention = Retention{value, {}}, true;
  if (name == "keys") return keys = value != 0, true;
  for (const RateFault& fault : kRates) {
    if (name == fault.name) return (rates.*fault.rate) = milliseconds{value}, true;
  }
  return false;
}

std::vector<std::string> WorldPlan::known_faults() {
  std::vector<std::string> names{"poison", "hangs", "retention", "bundle"};
  for (const RateFault& fault : kRates) names.emplace_back(fault.name);
  for (const RabbitFault& fault : kRabbit) names.emplace_back(fault.name);
  for (const NetFault& fault : kNet) names.emplace_back(fault.name);
  return names;
}

void WorldCounts::add(const WorldCounts& o) {
  accepted += o.accepted;
  runs += o.runs;
  agent_deaths += o.agent_deaths;
  server_deaths += o.server_deaths;
  power_losses += o.power_losses;
  lost_attempts += o.lost_attempts;
  refused_permits += o.refused_permits;
  stale_marks += o.stale_marks;
  stale_results += o.stale_results;
  republished += o.republished;
  fulls += o.fulls;
  fires += o.fires;
  virtual_ms += o.virtual_ms;
  for (const auto& [name, count] : o.strikes) strikes[name] += count;
  for (const auto& [name, count] : o.seeds) seeds[name] += count;
}

}  // namespace duly::sim
