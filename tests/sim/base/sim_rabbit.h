// A model of one RabbitMQ broker on a SimLoop: what Duly relies on, and the ways in which it fails.
//
// Operation.  Clients (SimBroker) hold connections.  What is sent on one arrives in order, after a latency
// drawn from the faults; the broker's frames go back the same way.  Queues, messages and bindings are
// durable: a restart keeps what was confirmed, may lose what was not, and gives unsettled deliveries back as
// redelivered. Faults are drawn from a generator of its own; with all zero it is a correct and quick broker.
// Limits.  The topology is that of contract section 5, and what bind() makes beside it.  A channel is
// modelled as a connection: it is what closes when a publish names an exchange that is not there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/amqp/broker.h"
#include "tests/sim/base/rng.h"
#include "tests/sim/base/sim_loop.h"

namespace duly::sim {

struct SimRabbitFaults {
  // Each per publish.
  double nack = 0;
  double lose_confirm = 0;        // the message is there, its confirm never comes
  double late_confirm = 0;        // by up to late_confirm_time
  double multiple_confirm = 0;    // held back and confirmed together with others
  double drop_connection = 0;     // the publish has landed, or not
  double duplicate_delivery = 0;  // the message is in the queue twice
  // Per delivery.
  double drop_consumer = 0;
  Duration latency_min{50};  // of each frame
  Duration latency_max{300};
  Duration late_confirm_time{seconds{15}};
};

// What the broker sends on one connection; called as tasks of the loop.
struct SimFrames {
  std::function<void(const AmqpMessage&)> returned;
  std::function<void(const std::string& reason)> refused;  // for what was published; closed() comes next
  std::function<void(std::uint64_t tag, bool multiple)> ack;
  std::function<void(std::uint64_t tag, bool multiple)> nack;
  std::function<void(bool blocked)> blocked;
  std::function<void(std::uint64_t tag, bool redelivered, const std::string& queue, const AmqpMessage&)>
      delivery;
  std::function<void(const std::string& queue)> cancelled;  // the queue was deleted under its consumer
  std::function<void(QueueDepth)> depth;
  std::function<void()> closed;  // the last one
};

// What a checker sees pass by, at the broker itself.
struct SimRabbitWatch {
  std::function<void(const AmqpMessage&)> stored;     // routed into a queue
  std::function<void(const AmqpMessage&)> confirmed;  // a positive confirm is on its way
  std::function<void(const AmqpMessage&)> settled;    // acknowledged by a consumer
};

class SimRabbit {
 public:
  using ConnectionId = std::uint64_t;
  enum class Lose : bool { unconfirmed_maybe, everything };

  // The loop and the broker outlive all clients and all tasks of the loop.
  SimRabbit(SimLoop& loop, std::uint64_t seed) : loop_(loop), rng_(seed) {}
  SimRabbit(const SimRabbit&) = delete;
  SimRabbit& operator=(const SimRabbit&) = delete;

  void set_faults(const SimRabbitFaults& faults) { faults_ = faults; }
  void heal() { faults_ = SimRabbitFaults{}; }
  void set_watch(SimRabbitWatch watch) { watch_ = std::move(watch); }
  // How often each fault of SimRabbitFaults has struck, by its name.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& struck() const { return struck_; }
  // connection.blocked: nothing is read from connections that publish.
  void set_blocked(bool blocked);
  // The process ends, with its disk kept or wiped; start() brings it back.
  void stop(Lose lose);
  void start() { running_ = true; }
  [[nodiscard]] bool running() const { return running_; }
  // SIGSTOP and SIGCONT: connections stay open and nothing answers, until heartbeats are missed.
  void pause();
  void resume();
  void drop_all_connections();
  // Broker queue names.
  void delete_queue(const std::string& name);
  void purge_queue(const std::string& name);
  // An exchange and a queue of somebody else, which outlive everything but what is in the queue.
  void bind(const std::string& exchange, const std::string& key, const std::string& name);
  // A message from somebody else, straight into a queue; nothing happens when there is no such queue.
  void inject(const std::string& name, AmqpMessage message);

  // A copy of some execution message of the past, into its queue again.
  void replay();

  // For checkers.
  [[nodiscard]] std::optional<std::size_t> ready(const std::string& name) const;
  [[nodiscard]] std::optional<std::size_t> unsettled(const std::string& name) const;
  [[nodiscard]] std::vector<AmqpMessage> messages(const std::string& name) const;

  // --- for SimBroker: what a client sends
  // ------------------------------------------------------------------- Nothing while the broker is down.
  std::optional<ConnectionId> connect(SimFrames frames);
  // The client's end is gone; no frame comes any more.
  void abandon(ConnectionId id);
  void declare_topology(ConnectionId id);
  void declare_queue(ConnectionId id, const std::string& queue);  // as consume() names it
  void publish(ConnectionId id, AmqpMessage message);
  void consume(ConnectionId id, const std::string& queue, int prefetch);
  void cancel(ConnectionId id, const std::string& queue);
  void settle(ConnectionId id, std::uint64_t tag, Settle how);
  void look(ConnectionId id, const std::string& queue);
  [[nodiscard]] Duration latency() { return rng_.between(faults_.latency_min, faults_.latency_max); }
  Rng& rng() { return rng_; }

 private:
  struct Stored {
    std::uint64_t number = 0;  // in order of arrival: where it goes back to
    AmqpMessage message;
    int deliveries = 0;
  };
  struct Consumer {
    ConnectionId connection;
    int prefetch;
    int open = 0;
  };
  struct Queue {
    std::map<std::uint64_t, Stored> ready;  // by number
    std::map<std::pair<ConnectionId, std::string>, Consumer> consumers;
    std::uint64_t turn = 0;  // round robin
  };
  struct Unsettled {
    std::string name;
    std::pair<ConnectionId, std::string> consumer;
    Stored stored;
  };
  struct Connection;
  using Handler = std::function<void(Connection&)>;
  struct Connection {
    std::shared_ptr<const SimFrames> frames;
    bool open = true;  // false: `closed` is on its way to the client
    bool publishes = false;
    MonoTime last_in{};  // frames of one direction arrive in order
    MonoTime last_out{};
    std::uint64_t publish_tag = 0;
    std::uint64_t delivery_tag = 0;
    std::set<std::uint64_t> unwritten;  // publish tags not yet on disk
    std::set<std::uint64_t> held;       // publish tags to be confirmed together
    std::map<std::uint64_t, Unsettled> unsettled;
    std::vector<Handler> unread;  // while blocked
  };

  Connection* open_connection(ConnectionId id);
  void receive(ConnectionId id, Handler handler);
  void handle(ConnectionId id, const Handler& handler);
  void send(ConnectionId id, std::function<void(const SimFrames&)> frame);
  void close(ConnectionId id);
  void give_back(Connection& connection, ConnectionId id);

  void on_publish(ConnectionId id, Connection& connection, const AmqpMessage& message);
  // Why a publish to it closes the channel; nothing: it does not.
  [[nodiscard]] std::optional<std::string> refusal(const std::string& exchange) const;
  std::vector<std::string> route(const AmqpMessage& message) const;
  std::vector<std::uint64_t> store(const AmqpMessage& message);
  std::uint64_t put(const std::string& name, const AmqpMessage& message);
  // lost: it is as good as confirmed, and one for several may say so later; none: it was refused, or nobody
  // listens.
  enum class Confirm : std::uint8_t { sent, lost, none };
  void write_later(ConnectionId id, std::uint64_t tag, const AmqpMessage& message, Confirm confirm);
  bool strikes(double chance, const char* fault);
  void written(ConnectionId id, std::uint64_t tag, bool confirms);
  void confirm(ConnectionId id, std::uint64_t tag);
  void flush_held(ConnectionId id);

  void deliver(const std::string& name);
  bool deliver_one(const std::string& name, Queue& queue);
  void on_settle(Connection& connection, std::uint64_t tag, Settle how);
  void requeue(const std::string& name, Stored stored);
  void dead_letter(const std::string& name, const Stored& stored);
  void lose_unwritten();

  SimLoop& loop_;
  Rng rng_;
  SimRabbitFaults faults_;
  SimRabbitWatch watch_;
  std::map<std::string, std::uint64_t> struck_;
  std::vector<AmqpMessage> past_;  // the last execution messages, to be replayed
  bool running_ = true;
  bool blocked_ = false;
  bool paused_ = false;
  bool has_topology_ = false;
  std::uint64_t pauses_ = 0;
  std::uint64_t next_number_ = 0;
  ConnectionId next_connection_ = 0;
  std::map<ConnectionId, Connection> connections_;
  std::map<std::string, Queue> queues_;
  std::map<std::pair<std::string, std::string>, std::string> bindings_;  // of others: exchange and key
  std::set<std::uint64_t> unwritten_;  // numbers of messages that a crash may lose
  std::vector<std::pair<ConnectionId, Handler>> while_paused_;
};

}  // namespace duly::sim
