// What a seed draws before anything runs: the size of the world and which faults exist in it, how often
// (swarm).
//
// Every fault has a name; a plan can be narrowed by name (shrinking a failure, scenario files).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control-server/core/retention.h"
#include "tests/sim/base/sim_link.h"
#include "tests/sim/base/sim_rabbit.h"

namespace duly::sim {

struct WorldPlan {
  int shards = 4, agents = 2, concurrency = 4, commands = 150;
  Duration ttl = seconds{2};
  Duration hurt = seconds{20};
  std::int64_t max_queued = 10'000;
  std::size_t lane_window = 1024;
  int schedules = 0;
  int priorities = 10;  // that are used
  int bundle = 1;       // of every queue: commands in one message
  Retention retention;  // everything is of the type "work"
  std::vector<std::string> queues;
  SimNetFaults net;
  SimRabbitFaults rabbit;
  // Mean time between events of each kind; zero = that fault does not exist in this run.
  struct Rates {
    Duration agent_kill{}, agent_point{}, agent_pause{}, agent_drain{}, partition{}, reset{}, garbage{},
        herd{};
    Duration server_kill{}, server_pause{}, power_loss{}, commit_crash{}, sync_failure{}, disk_full{},
        slow_disk{};
    Duration broker_restart{}, broker_wipe{}, broker_pause{}, broker_block{}, queue_delete{}, queue_purge{},
        stray{}, replay{};
    Duration wall_step{}, operator_action{}, queue_limit{}, bulk_cancel{}, workflow{}, workflow_act{},
        message{}, foreign{}, foreign_kill{}, deliver{}, callback{};
  } rates;
  bool poison = false, hangs = false, keys = false, same_time = false, slow = false;
  // Nobody dies and nothing is lost in such a world: no agent may be taken for dead, no publish may end in
  // doubt.
  bool calm = false;

  static WorldPlan draw(std::uint64_t seed);
  // How long a command is kept that has ended so; nothing = for ever.
  [[nodiscard]] std::optional<Duration> keep(State state) const;
  [[nodiscard]] bool removes() const;
  // Names of the faults that exist in this run.
  [[nodiscard]] std::vector<std::string> faults() const;
  // Sets a size by its name (shards, agents, ttl_ms, …), or how often in milliseconds a fault strikes; false
  // when there is no such name.
  bool set(const std::string& name, std::int64_t value);
  // Takes the fault of this name out; false when there is no such name.
  bool drop(const std::string& fault);
  static std::vector<std::string> known_faults();
};

// What happened, over one world or many.
struct WorldCounts {
  std::uint64_t accepted = 0, runs = 0, agent_deaths = 0, server_deaths = 0, power_losses = 0;
  std::uint64_t lost_attempts = 0, refused_permits = 0, stale_marks = 0, stale_results = 0, republished = 0,
                fulls = 0, fires = 0;
  std::int64_t virtual_ms = 0;
  std::map<std::string, std::uint64_t> strikes;  // by fault, or fault@point
  std::map<std::string, std::uint64_t> seeds;    // worlds in which the fault existed

  void add(const WorldCounts& other);
};

}  // namespace duly::sim
