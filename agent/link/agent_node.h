// An agent as a whole, over the three interfaces: connects its dispatcher and its executor to a Link, a
// Broker and the handlers.  The same code runs in a process and in the simulator.
//
// Operation.  Keeps a link to the server (reconnecting by itself with backoff), heartbeats over it, and
// closes it when the server is silent for a lease TTL.  Everything that happens in one turn of the loop is
// acted on together, so frames and publishes batch by themselves. Concurrency.  Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/dispatch/dispatcher.h"
#include "agent/execute/executor.h"
#include "common/amqp/broker.h"
#include "common/link/link.h"
#include "common/runtime/loop.h"

namespace duly {

struct AgentConfig {
  std::string name;
  Incarnation incarnation;
  bool dispatch = true;
  bool execute = true;
  std::vector<std::string> queues = {"default"};
  int concurrency = 64;
  int prefetch = 64;
  std::string version;
  std::string token;
  bool fault_injection = false;
};

struct AgentPorts {
  std::function<void(Execution)> run;  // answered by handler_done()
  std::function<void(AttemptRef, const std::string& reason)> stop;
  std::function<std::vector<OpenCircuit>()> circuits;      // of its handlers, for heartbeats; empty = none
  std::function<void(const Strike&)> strike;               // crash simulation; empty = not armed
  std::function<void(const char* point)> passed;           // crash simulation points; empty = none
  std::function<void(const std::string& reason)> refused;  // by the server, for good or for now
  // Of each command that is about to be published, whose trace may be changed; empty = nobody listens.
  std::function<void(PublishTicket, HandOutItem&)> publishing;
  std::function<void(const std::vector<SettledPublish>&)> settled;  // what became of them
};

struct AgentStats {
  DispatchCounters dispatch;
  ExecuteCounters execute;
  std::int64_t shards_owned = 0, in_flight = 0, running = 0, slots = 0;
  bool linked = false, broker_connected = false, broker_blocked = false, draining = false;
  std::uint64_t links_made = 0, links_lost = 0, refused = 0;  // refused: this agent by the server
  std::uint64_t broker_connects = 0, consumers_lost = 0;
  Histogram heartbeat;  // the server's answer after a heartbeat
};

class AgentNode {
 public:
  AgentNode(Loop& loop, LinkConnector connect, Broker& broker, AgentPorts ports, AgentConfig config);
  ~AgentNode();
  AgentNode(const AgentNode&) = delete;
  AgentNode& operator=(const AgentNode&) = delete;

  void start();
  void handler_done(AttemptRef ref, Executor::Outcome outcome);
  // Hands over, finishes or hands back what is in hand within `limit`, then calls `done` (once).
  void drain(Duration limit, std::function<void()> done);
  // Drops the link as a failing network would and opens none for `pause` (crash simulation).
  void drop_link(Duration pause);

  // What its metrics show, at this moment.
  [[nodiscard]] AgentStats stats() const;

 private:
  BrokerEvents broker_events();
  void connect();
  void connect_later();
  void connected(std::unique_ptr<Link> link);
  void link_lost(const std::string& reason);
  void received(const Frame& frame);
  void on(const Welcome& message);
  void on(const Bundles& message);
  void on(const Refused& message);
  void on(const HeartbeatAck& message);
  void on(const Lease& message);
  void on(const Revoke& message);
  void on(HandOut& message);
  void on(const MarksAck& message);
  void on(const Begun& message);
  void on(const Finished& message);
  void on(const CancelRun& message);
  void on(const Strike& message);
  void say_hello();
  void heartbeat();
  void schedule_heartbeat();
  void watch_consumption();
  void consume_all();
  void inspected(const QueueDepth& depth);
  void settled(std::vector<SettledPublish> results);
  void broker_state_changed();

  // Acts once at the end of this turn of the loop.
  void act_soon();
  void act();
  void perform(DispatchEffects effects);
  void perform(ExecuteEffects effects);
  void park(ExecuteEffects::Park park);
  void wake_at(std::optional<MonoTime> when);
  void check_drained();
  void pass(const char* point) const;
  void send(const AgentMessage& message);

  Loop& loop_;
  LinkConnector connect_;
  Broker& broker_;
  const AgentPorts ports_;
  const AgentConfig config_;
  Dispatcher dispatcher_;
  Executor executor_;
  AgentStats counters_;  // those that count here; stats() fills in the rest

  std::unique_ptr<Link> link_;
  std::uint64_t link_number_ = 0;  // callbacks of older links are void
  bool welcomed_ = false;
  bool connecting_ = false;
  MonoTime no_link_before_{};
  int failures_ = 0;
  MonoTime hello_sent_{};
  Duration ttl_ = seconds{5};
  std::uint64_t next_heartbeat_ = 1;
  std::map<std::uint64_t, MonoTime> heartbeats_;  // sent and not acknowledged
  MonoTime heard_{};

  std::map<std::string, int> bundles_;  // of the queues consumed; absent = 1
  bool publisher_up_ = false, publisher_blocked_ = false;
  MonoTime broker_changed_{};
  MonoTime delivered_{};   // when the last delivery came
  int starved_looks_ = 0;  // in a row: messages are there, slots are free, and nothing comes
  struct Parked {
    std::uint64_t generation, tag;
  };
  std::map<PublishTicket, Parked> parked_;
  PublishTicket next_park_;

  bool act_posted_ = false;
  MonoTime wake_at_{};
  bool draining_ = false, gave_up_ = false;
  MonoTime drain_until_{};
  std::function<void()> drained_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace duly
