// What the seed draws before anything runs.
#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

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

}  // namespace

WorldPlan WorldPlan::draw(std::uint64_t seed) {
  Rng rng(seed ^ 0xD1B54A32D192ED03ULL);
  WorldPlan plan;
  plan.shards = static_cast<int>(rng.between(1, 12));
  plan.agents = static_cast<int>(rng.between(1, 4));
  plan.concurrency = static_cast<int>(rng.between(1, 8));
  plan.commands = static_cast<int>(rng.between(40, 220));
  plan.ttl = rng.between(milliseconds{800}, milliseconds{4000});
  plan.hurt = rng.between(seconds{8}, seconds{30});
  if (rng.chance(0.3)) plan.max_queued = rng.between(1, 10);
  plan.queues = {"default"};
  if (rng.chance(0.4)) plan.queues.push_back("other");
  plan.keys = rng.chance(0.5);
  plan.poison = rng.chance(0.2);
  plan.hangs = rng.chance(0.3);
  draw_net(rng, plan.net);
  draw_broker(rng, plan.rabbit);
  Rates& rates = plan.rates;
  rates.agent_kill = maybe(rng, 0.5, seconds{2}, seconds{15});
  rates.agent_pause = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.agent_drain = maybe(rng, 0.3, seconds{4}, seconds{20});
  rates.partition = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.reset = maybe(rng, 0.3, seconds{2}, seconds{10});
  rates.server_kill = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.power_loss = maybe(rng, 0.4, seconds{3}, seconds{15});
  rates.commit_crash = maybe(rng, 0.3, seconds{3}, seconds{15});
  rates.sync_failure = maybe(rng, 0.2, seconds{4}, seconds{20});
  rates.disk_full = maybe(rng, 0.15, seconds{5}, seconds{20});
  rates.broker_restart = maybe(rng, 0.3, seconds{5}, seconds{20});
  rates.broker_wipe = maybe(rng, 0.2, seconds{6}, seconds{25});
  rates.broker_pause = maybe(rng, 0.2, seconds{6}, seconds{25});
  rates.broker_block = maybe(rng, 0.2, seconds{6}, seconds{25});
  rates.queue_delete = maybe(rng, 0.2, seconds{5}, seconds{20});
  rates.queue_purge = maybe(rng, 0.2, seconds{5}, seconds{20});
  rates.stray = maybe(rng, 0.2, seconds{2}, seconds{10});
  rates.wall_step = maybe(rng, 0.2, seconds{4}, seconds{20});
  rates.operator_action = maybe(rng, 0.6, milliseconds{200}, seconds{3});
  return plan;
}

void WorldCounts::add(const WorldCounts& o) {
  accepted += o.accepted;
  runs += o.runs;
  agent_deaths += o.agent_deaths;
  server_deaths += o.server_deaths;
  power_losses += o.power_losses;
  broker_faults += o.broker_faults;
  lost_attempts += o.lost_attempts;
  refused_permits += o.refused_permits;
  stale_marks += o.stale_marks;
  stale_results += o.stale_results;
  republished += o.republished;
  fulls += o.fulls;
  virtual_ms += o.virtual_ms;
}

}  // namespace duly::sim
