// A control server in the simulator: the real store, engine, host and link server, with simulated edges.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control-server/core/engine_host.h"
#include "control-server/ingest/intake.h"
#include "control-server/link/link_server.h"
#include "tests/sim/base/crash_vfs.h"
#include "tests/sim/base/sim_broker.h"
#include "tests/sim/base/sim_link.h"
#include "tests/sim/world/node_loop.h"

namespace duly::sim {

// Thrown out of a crash point inside a batch: the process is gone at exactly that place.
struct ServerCrash {};

class SimServer {
 public:
  struct Config {
    int shards = 4;
    Duration lease_ttl = seconds{2};
    std::int64_t max_queued = 10'000;
    std::size_t lane_window = 1024;
    Retention retention;
    bool by_message = false;  // takes commands from duly.submit
    bool results = false;     // takes results from duly.results
    bool callbacks = false;   // tells of ends
  };
  struct Hooks {
    std::function<void(const Answer&)> answered;
    std::function<void(const SendMessage&)> sent;  // every message to an agent, after its commit
    std::function<void(const CloseSession&)> closing;
    std::function<void(const SessionSaid&)> said;  // every message from an agent, as it arrives
    std::function<void(SessionId)> closed;         // by the agent, the network or a full disk
    // An end is to be told; `answer` says what became of it, while that process lives.
    std::function<void(const SendCallback&, std::function<void(CallbackSettled)> answer)> called;
    std::function<void(CommandId)> removing;  // an ended command, before it is removed
    std::function<bool()> crash_before_commit, crash_after_commit, crash_before_reply;
  };

  SimServer(SimLoop& loop, SimNet& net, SimRabbit& rabbit, CrashVfs& disk, Config config, Hooks hooks);

  void start();
  enum class Death : bool { process, power };
  void crash(Death how);
  // SIGSTOP and SIGCONT.
  void pause();
  void resume();
  // Each commit holds the whole process up for this long; zero = no more.
  void set_slow_disk(Duration per_commit) { slow_disk_ = per_commit; }
  [[nodiscard]] Duration slow_disk() const { return slow_disk_; }
  [[nodiscard]] bool up() const { return host_ != nullptr; }
  // The commit's outcome was unknown: the process has to die now.
  [[nodiscard]] bool wants_to_die() const { return fatal_; }
  // False when it is down or its mailbox is full.
  bool submit(Input input);
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] StatsAnswer stats_at_hand() { return host_->stats_at_hand(); }
  [[nodiscard]] std::uint64_t fulls() const { return fulls_; }

 private:
  void perform(Effect& effect);
  void call_back(const SendCallback& call);
  void wait_for_disk();
  void start_broker();
  void make_intake();
  void settled(const SettledPublish& result);
  void answered(const Answer& answer);
  void refused_full(const std::vector<ReplyTo>& replies);

  SimLoop& loop_;
  SimNet& net_;
  SimRabbit& rabbit_;
  CrashVfs& disk_;
  const Config config_;
  const Hooks hooks_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<NodeLoop> node_loop_;
  std::unique_ptr<EngineHost> host_;
  std::unique_ptr<LinkServer> links_;
  std::unique_ptr<SimBroker> sim_broker_;
  std::unique_ptr<NodeBroker> broker_;
  std::unique_ptr<Intake> intake_;
  std::shared_ptr<bool> alive_;
  bool broker_up_ = false, fatal_ = false;
  Duration slow_disk_{};
  std::uint64_t fulls_ = 0;
};

}  // namespace duly::sim
