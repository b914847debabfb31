#include <catch2/catch.hpp>

#include "tests/contract/broker_contract.h"
#include "tests/contract/deliveries_contract.h"
#include "tests/contract/rabbit_world.h"
#include "tests/sim/base/sim_broker.h"

namespace duly::test {
namespace {

class SimWorld final : public BrokerWorld {
 public:
  std::unique_ptr<Broker> make_broker() override {
    return std::make_unique<sim::SimBroker>(
        loop_, rabbit_, sim::SimBrokerConfig{kWindow, kPublishDeadline, kConfirmDeadline});
  }
  bool run_until(const std::function<bool()>& done, Duration limit) override {
    const MonoTime end = loop_.now() + limit;
    while (!done()) {
      const auto next = loop_.next_at();
      if (!next || *next > end) {
        loop_.run_until(end);
        return done();
      }
      loop_.run_one();
    }
    return true;
  }
  std::string fresh_queue() override { return "queue-" + std::to_string(++queues_); }
  void delete_queue(const std::string& broker_queue) override { rabbit_.delete_queue(broker_queue); }
  void stop_node() override { rabbit_.stop(sim::SimRabbit::Lose::unconfirmed_maybe); }
  void start_node() override { rabbit_.start(); }
  void pause_node() override { rabbit_.pause(); }
  void resume_node() override { rabbit_.resume(); }
  void set_blocked(bool blocked) override { rabbit_.set_blocked(blocked); }

 private:
  sim::SimLoop loop_;
  sim::SimRabbit rabbit_{loop_, 1};
  int queues_ = 0;
};

TEST_CASE("SimBroker settles every publish once") {
  SimWorld world;
  publishes_are_settled(world);
}
TEST_CASE("SimBroker tells which publishes failed") {
  SimWorld world;
  publishes_fail_truly(world);
}
TEST_CASE("SimBroker delivers to others what was written") {
  SimWorld world;
  deliveries_arrive_as_they_were(world);
}
TEST_CASE("SimBroker tells what became of deliveries to others") {
  SimWorld world;
  deliveries_to_others_are_settled(world);
}
TEST_CASE("SimBroker settles deliveries as it is told") {
  SimWorld world;
  deliveries_are_settled(world);
}
TEST_CASE("SimBroker delivers as the contract says") {
  SimWorld world;
  deliveries_follow_the_consumer(world);
}
TEST_CASE("SimBroker brings what is published to duly.submit") {
  SimWorld world;
  messages_to_submit_arrive(world);
}
TEST_CASE("SimBroker looks after its queues") {
  SimWorld world;
  queues_are_looked_after(world);
}
TEST_CASE("SimBroker survives a failing node") {
  SimWorld world;
  a_failing_node_is_survived(world);
}

TEST_CASE("RabbitBroker settles every publish once", "[rabbit]") {
  publishes_are_settled(*make_rabbit_world());
}
TEST_CASE("RabbitBroker tells which publishes failed", "[rabbit]") {
  publishes_fail_truly(*make_rabbit_world());
}
TEST_CASE("RabbitBroker delivers to others what was written", "[rabbit]") {
  deliveries_arrive_as_they_were(*make_rabbit_world());
}
TEST_CASE("RabbitBroker tells what became of deliveries to others", "[rabbit]") {
  deliveries_to_others_are_settled(*make_rabbit_world());
}
TEST_CASE("RabbitBroker spares the neighbours of a bad exchange", "[rabbit]") {
  SECTION("one that is not there") {
    a_bad_exchange_costs_its_neighbours_nothing(*make_rabbit_world(), "no-such-exchange");
  }
  SECTION("one that is not allowed") {
    a_bad_exchange_costs_its_neighbours_nothing(*make_rabbit_world(), "amq.rabbitmq.trace");
  }
}
TEST_CASE("RabbitBroker finds the delivery that closes its channel", "[rabbit]") {
  one_that_closes_the_channel_is_found(*make_rabbit_world());
}
TEST_CASE("RabbitBroker settles deliveries as it is told", "[rabbit]") {
  deliveries_are_settled(*make_rabbit_world());
}
TEST_CASE("RabbitBroker delivers as the contract says", "[rabbit]") {
  deliveries_follow_the_consumer(*make_rabbit_world());
}
TEST_CASE("RabbitBroker brings what is published to duly.submit", "[rabbit]") {
  messages_to_submit_arrive(*make_rabbit_world());
}
TEST_CASE("RabbitBroker looks after its queues", "[rabbit]") {
  queues_are_looked_after(*make_rabbit_world());
}
TEST_CASE("RabbitBroker survives a failing node", "[rabbit]") {
  a_failing_node_is_survived(*make_rabbit_world());
}

}  // namespace
}  // namespace duly::test
