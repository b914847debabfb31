// An agent in the simulator: the real node, dispatcher and executor; handlers whose behaviour the payload
// names.
//
// Payload "[fails, ms, kind]": the first `fails` attempts fail, each takes `ms`; kind 1 = the first attempt
// hangs until it is stopped, 2 = the process dies when it starts the first attempt, 3 = dies every time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/link/agent_node.h"
#include "tests/sim/base/sim_broker.h"
#include "tests/sim/base/sim_link.h"
#include "tests/sim/world/ledger.h"
#include "tests/sim/world/node_loop.h"

namespace duly::sim {

// Thrown out of a crash point of an agent: its process is gone at exactly that place.
struct AgentCrash {
  std::size_t agent;
};

class SimAgent {
 public:
  struct Config {
    std::string name;
    int concurrency = 4;
    std::vector<std::string> queues;
  };
  struct Hooks {
    std::function<void()> died;                     // the process ended by itself (poison)
    std::function<void()> hung;                     // a handler began that does not end by itself
    std::function<void(const char* point)> passed;  // may throw AgentCrash
    std::function<void(PublishTicket, const AmqpMessage&)> published;
    std::function<void(const std::vector<SettledPublish>&)> settled;
  };
  SimAgent(SimLoop& loop, SimNet& net, SimRabbit& rabbit, Ledger& ledger, Config config, Hooks hooks);

  void start(std::uint64_t incarnation);
  void kill();
  [[nodiscard]] bool up() const { return process_ != nullptr; }
  void pause();
  void resume();
  void drain(Duration limit, std::function<void()> done);
  [[nodiscard]] const std::string& name() const { return config_.name; }

 private:
  struct Process {
    explicit Process(SimLoop& loop, SimRabbit& rabbit)
        : node_loop(loop), sim_broker(loop, rabbit), broker(node_loop, sim_broker) {}
    NodeLoop node_loop;
    SimBroker sim_broker;
    NodeBroker broker;
    std::unique_ptr<AgentNode> node;
    std::map<AttemptRef, bool> running;  // true = hangs
  };
  void run(const Execution& execution);
  void stop(AttemptRef ref, const std::string& reason);
  void finish_later(AttemptRef ref, Duration after, bool ok);
  void refine_failure(AttemptRef ref, Executor::Outcome& outcome);

  SimLoop& loop_;
  SimNet& net_;
  SimRabbit& rabbit_;
  Ledger& ledger_;
  const Config config_;
  const Hooks hooks_;
  std::shared_ptr<Process> process_;
};

}  // namespace duly::sim
