// One simulated process's view of the loop: it can be stopped (SIGSTOP) and go on as if nothing had happened.
//
// While stopped, everything that would run in the process waits, in order; its clock runs on.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "common/amqp/broker.h"
#include "common/link/link.h"
#include "tests/sim/base/sim_loop.h"

namespace duly::sim {

class NodeLoop final : public Loop {
 public:
  explicit NodeLoop(SimLoop& loop) : loop_(loop) {}
  // The process is dead: nothing that waits runs any more.
  ~NodeLoop() override { state_->dead = true; }
  NodeLoop(const NodeLoop&) = delete;
  NodeLoop& operator=(const NodeLoop&) = delete;

  MonoTime now() const override { return loop_.now(); }
  WallTime wall() const override { return loop_.wall(); }
  void post(Task task) override { loop_.post(guard(std::move(task))); }
  void at(MonoTime when, Task task) override { loop_.at(when, guard(std::move(task))); }

  void pause() { state_->paused = true; }
  void resume() {
    state_->paused = false;
    for (Task& task : std::exchange(state_->held, {})) loop_.post(guard(std::move(task)));
  }
  [[nodiscard]] bool paused() const { return state_->paused; }

  // A callback of the outside world, held back while the process is stopped.
  template <class... Args>
  std::function<void(Args...)> wrap(std::function<void(Args...)> call) {
    return [state = state_, call = std::move(call)](Args... args) {
      if (state->dead) return;
      if (state->paused || !state->held.empty()) {
        state->held.push_back([call, ... held = args] { call(held...); });
      } else {
        call(std::move(args)...);
      }
    };
  }

 private:
  struct State {
    bool paused = false, dead = false;
    std::vector<Task> held;
  };
  Task guard(Task task) {
    return [state = state_, task = std::move(task)] {
      if (state->dead) return;
      if (state->paused) {
        state->held.push_back(task);
      } else {
        task();
      }
    };
  }

  SimLoop& loop_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A broker client whose events the process sees only while it runs.
class NodeBroker final : public Broker {
 public:
  NodeBroker(NodeLoop& node, Broker& inner) : node_(node), inner_(inner) {}
  void start(BrokerEvents e) override {
    BrokerEvents events;
    events.publisher_state = node_.wrap(std::move(e.publisher_state));
    events.publisher_blocked = node_.wrap(std::move(e.publisher_blocked));
    events.settled = node_.wrap(std::function<void(std::vector<SettledPublish>)>(
        [this, inner = std::move(e.settled)](const std::vector<SettledPublish>& results) {
          if (on_settled) on_settled(results);
          inner(results);
        }));
    events.consumer_up = node_.wrap(std::move(e.consumer_up));
    events.consumer_down = node_.wrap(std::move(e.consumer_down));
    events.deliveries = node_.wrap(std::move(e.deliveries));
    events.inspected = node_.wrap(std::move(e.inspected));
    inner_.start(std::move(events));
  }
  void publish(PublishTicket ticket, AmqpMessage message) override {
    if (on_publish) on_publish(ticket, message);
    inner_.publish(ticket, std::move(message));
  }
  void consume(const std::string& queue, int prefetch) override { inner_.consume(queue, prefetch); }
  void cancel_consumers() override { inner_.cancel_consumers(); }
  void settle(std::uint64_t generation, std::uint64_t tag, Settle how) override {
    inner_.settle(generation, tag, how);
  }
  void inspect(const std::string& queue) override { inner_.inspect(queue); }
  void ensure_queue(const std::string& queue) override { inner_.ensure_queue(queue); }
  void drop_connections(Duration pause) override { inner_.drop_connections(pause); }

  // What a checker sees: each publish, and what the process is told of it.
  std::function<void(PublishTicket, const AmqpMessage&)> on_publish;
  std::function<void(const std::vector<SettledPublish>&)> on_settled;

 private:
  NodeLoop& node_;
  Broker& inner_;
};

// A link whose events the process sees only while it runs; once closed it has none, whatever was held back.
class NodeLink final : public Link {
 public:
  NodeLink(NodeLoop& node, std::unique_ptr<Link> inner) : node_(node), inner_(std::move(inner)) {}
  ~NodeLink() override { *open_ = false; }
  NodeLink(const NodeLink&) = delete;
  NodeLink& operator=(const NodeLink&) = delete;

  void start(Events events) override {
    inner_->start({node_.wrap(while_open(std::move(events.on_frame))),
                   node_.wrap(while_open(std::move(events.on_closed)))});
  }
  void send(Frame frame) override { inner_->send(std::move(frame)); }
  void close(std::string reason) override {
    *open_ = false;
    inner_->close(std::move(reason));
  }
  [[nodiscard]] std::string peer() const override { return inner_->peer(); }

 private:
  template <class Arg>
  std::function<void(Arg)> while_open(std::function<void(Arg)> call) {
    return [open = open_, call = std::move(call)](Arg arg) {
      if (*open) call(arg);
    };
  }

  NodeLoop& node_;
  std::unique_ptr<Link> inner_;
  std::shared_ptr<bool> open_ = std::make_shared<bool>(true);
};

}  // namespace duly::sim
