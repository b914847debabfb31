// The whole of Duly in one thread, from one seed: hurt it, heal it, let it settle, judge it.
//
// The seed draws the size of the world, which faults exist in this run and how often (swarm), and every
// event. Oracles keep facts of their own (world/ledger.h) and compare the store with them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/world/ledger.h"
#include "tests/sim/world/sim_agent.h"
#include "tests/sim/world/sim_server.h"

namespace duly::sim {

struct WorldPlan {
  int shards = 4, agents = 2, concurrency = 4, commands = 150;
  Duration ttl = seconds{2};
  Duration hurt = seconds{20};
  std::int64_t max_queued = 10'000;
  std::vector<std::string> queues;
  SimNetFaults net;
  SimRabbitFaults rabbit;
  // Mean time between events of each kind; zero = that fault does not exist in this run.
  struct Rates {
    Duration agent_kill{}, agent_pause{}, agent_drain{}, partition{}, reset{};
    Duration server_kill{}, power_loss{}, commit_crash{}, sync_failure{}, disk_full{};
    Duration broker_restart{}, broker_wipe{}, broker_pause{}, broker_block{}, queue_delete{}, queue_purge{},
        stray{};
    Duration wall_step{}, operator_action{};
  } rates;
  bool poison = false, hangs = false, keys = false;

  static WorldPlan draw(std::uint64_t seed);
};

struct WorldCounts {
  std::uint64_t accepted = 0, runs = 0, agent_deaths = 0, server_deaths = 0, power_losses = 0,
                broker_faults = 0;
  std::uint64_t lost_attempts = 0, refused_permits = 0, stale_marks = 0, stale_results = 0, republished = 0,
                fulls = 0;
  std::int64_t virtual_ms = 0;

  void add(const WorldCounts& other);
};

class World {
 public:
  explicit World(std::uint64_t seed);
  ~World();

  // Throws Violation.  The answer is the hash of everything observed: the same for the same seed.
  std::uint64_t run();
  [[nodiscard]] WorldCounts counts() const;

 private:
  // ---- running
  // -----------------------------------------------------------------------------------------------
  void run_for(Duration length);
  void run_until_settled(Duration limit);
  [[nodiscard]] Duration backlog_time();
  void every(Duration mean, std::function<void()> act);
  void schedule_faults();
  void schedule_broker_faults();
  void heal();
  void step();
  void server_dies(SimServer::Death how);
  void start_server_later(Duration after);
  void start_agent_later(std::size_t index, Duration after);
  void restart_agent(std::size_t index);

  // ---- the client
  // --------------------------------------------------------------------------------------------
  void submit_some();
  void resubmit_unknown();
  void act_on_some_command();
  void answered(const Answer& answer);
  NewCommand draw_command();

  // ---- oracles
  // -----------------------------------------------------------------------------------------------
  void watch_sent(const SendMessage& message);
  void watch_start(AttemptRef ref);
  void sample_store();
  [[nodiscard]] bool settled();
  [[nodiscard]] std::string open_work();  // for the message of a run that does not settle
  void judge();
  void judge_commands(std::map<CommandId, StateRow>& rows);
  void judge_attempts(const std::map<CommandId, StateRow>& rows);
  void ask_stats();
  void add_stats();
  void note(std::uint64_t what);

  const std::uint64_t seed_;
  const WorldPlan plan_;
  Rng rng_;
  SimLoop loop_;
  SimRabbit rabbit_;
  SimNet net_;
  CrashVfs disk_;
  Ledger ledger_;
  ClientFacts facts_;
  std::unique_ptr<SimServer> server_;
  std::vector<std::unique_ptr<SimAgent>> agents_;

  struct Pending {  // a request without an answer yet
    std::vector<NewCommand> commands;
    CommandId id;  // of a single-command action
    std::string action;
    MonoTime sent;
  };
  std::map<ReplyTo, Pending> pending_;
  ReplyTo next_reply_ = 1;
  std::vector<std::vector<NewCommand>> unknown_;  // submits whose outcome nobody told
  std::vector<CommandId> some_;                   // accepted, to act upon
  int to_submit_ = 0;
  std::uint64_t next_key_ = 1;
  std::uint64_t next_incarnation_ = 1;

  std::map<ShardId, Epoch> highest_;
  std::map<std::pair<ShardId, Epoch>, SessionId> holder_;
  std::map<CommandId, State> ended_;  // as last sampled
  WallTime server_wall_{};
  bool healing_ = false;
  bool crash_at_commit_ = false, crash_after_commit_ = false;
  std::uint64_t hash_ = 0x9E3779B97F4A7C15ULL;
  WorldCounts counts_;
  StatsSnapshot stats_;  // of the present server process, as last asked
};

}  // namespace duly::sim
