#include "control-server/ingest/intake.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/model/limits.h"
#include "tests/unit/control-server/api/manual_loop.h"

namespace duly {
namespace {

Delivery a_delivery(std::uint64_t tag, std::string type = "work") {
  Delivery delivery{1, tag, false, Intake::kSubmitQueue, AmqpMessage{}};
  delivery.message.exchange = topology::kSubmitExchange;
  delivery.message.routing_key = "orders";
  delivery.message.message_id = "m" + std::to_string(tag);
  delivery.message.type = std::move(type);
  delivery.message.body = make_bytes("[" + std::to_string(tag) + "]");
  return delivery;
}

Delivery a_result(std::uint64_t tag, std::string body = R"({"outcome":"succeeded"})") {
  Delivery delivery{1, tag, false, Intake::kResultQueue, AmqpMessage{}};
  delivery.message.routing_key = topology::kResultsQueue;
  delivery.message.correlation_id = format_command_id(CommandId{7}) + ".2";
  delivery.message.body = make_bytes(std::move(body));
  return delivery;
}

struct World {
  testing::ManualLoop loop;
  bool mailbox_full = false;
  std::vector<Submit> submits;
  std::vector<ResultMessage> results;
  std::vector<std::uint64_t> acknowledged;
  std::vector<std::pair<PublishTicket, AmqpMessage>> published;
  Intake intake{loop,
                {[this](Input&& input) { return !mailbox_full && keep(std::move(input)); },
                 [this](std::uint64_t, std::uint64_t tag) { acknowledged.push_back(tag); },
                 [this](PublishTicket ticket, AmqpMessage message) {
                   published.emplace_back(ticket, std::move(message));
                 }}};

  bool keep(Input input) {
    if (auto* result = std::get_if<ResultMessage>(&input)) return results.push_back(std::move(*result)), true;
    return submits.push_back(std::get<Submit>(std::move(input))), true;
  }
  void stored(std::size_t index) {
    intake.answered({submits.at(index).reply, Submitted{{{CommandId{7}, false}}}});
  }
  void refuse(std::size_t index, int status) {
    intake.answered({submits.at(index).reply, Problem{status, "No", "refused so", "", 0}});
  }
  void after_rest() { loop.advance(limits::kSubmitRest); }
};

using Tags = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a message is acknowledged when its command is stored, not before") {
  World world;
  world.intake.delivered({a_delivery(1), a_delivery(2)});
  REQUIRE(world.submits.size() == 2);
  CHECK(world.submits[0].commands.at(0).idempotency_key == "m1");
  CHECK(Intake::owns_reply(world.submits[0].reply));
  CHECK(world.acknowledged.empty());
  world.stored(1);
  CHECK(world.acknowledged == Tags{2});
  world.stored(0);
  CHECK(world.acknowledged == Tags{2, 1});
  world.stored(0);  // an answer that nobody waits for
  CHECK(world.acknowledged.size() == 2);
}

TEST_CASE("what the engine has no room for waits, and comes in order") {
  World world;
  world.mailbox_full = true;
  world.intake.delivered({a_delivery(1), a_delivery(2)});
  world.intake.delivered({a_delivery(3)});
  CHECK(world.submits.empty());
  world.after_rest();
  CHECK(world.submits.empty());
  world.mailbox_full = false;
  world.after_rest();
  REQUIRE(world.submits.size() == 3);
  CHECK(*world.submits[0].commands[0].spec.payload == "[1]");
  CHECK(*world.submits[2].commands[0].spec.payload == "[3]");
  CHECK(world.acknowledged.empty());
  CHECK(world.published.empty());
}

TEST_CASE("a full disk and a server that leaves keep a message waiting, a refusal for good parks it") {
  for (const int status : {507, 503}) {
    World world;
    world.intake.delivered({a_delivery(1)});
    world.refuse(0, status);
    CHECK(world.submits.size() == 1);
    world.after_rest();
    REQUIRE(world.submits.size() == 2);
    CHECK(world.acknowledged.empty());
    world.stored(1);
    CHECK(world.acknowledged == Tags{1});
    CHECK(world.published.empty());
  }
  World world;
  world.intake.delivered({a_delivery(1)});
  world.refuse(0, 422);
  REQUIRE(world.published.size() == 1);
  CHECK(std::get<std::string>(world.published[0].second.headers.at("duly-reason")) == "refused so");
  CHECK(world.acknowledged.empty());
}

TEST_CASE("what cannot be understood is acknowledged when its dead letter is confirmed") {
  World world;
  world.intake.delivered({a_delivery(1, "")});
  CHECK(world.submits.empty());
  REQUIRE(world.published.size() == 1);
  const auto [ticket, letter] = world.published[0];
  CHECK(Intake::owns_ticket(ticket));
  CHECK(letter.exchange == topology::kDeadExchange);
  CHECK(letter.routing_key == "duly.submit.unparseable");
  CHECK(*letter.body == "[1]");
  CHECK(letter.message_id == "m1");
  CHECK(std::get<std::string>(letter.headers.at("duly-reason")) == "property type: is required");
  CHECK(std::get<std::string>(letter.headers.at("duly-routing-key")) == "orders");
  for (const auto outcome : {PublishOutcome::in_doubt, PublishOutcome::rejected, PublishOutcome::returned}) {
    world.intake.settled({world.published.back().first, outcome});
    CHECK(world.acknowledged.empty());
    world.after_rest();
  }
  REQUIRE(world.published.size() == 4);
  CHECK(*world.published.back().second.body == "[1]");
  world.intake.settled({world.published.back().first, PublishOutcome::confirmed});
  CHECK(world.acknowledged == Tags{1});
}

TEST_CASE("a lost connection makes everything void: it comes again") {
  World world;
  world.intake.delivered({a_delivery(1), a_delivery(2, "")});
  world.mailbox_full = true;
  world.intake.delivered({a_delivery(3)});
  world.intake.consumer_down();
  world.stored(0);
  world.intake.settled({world.published[0].first, PublishOutcome::confirmed});
  world.mailbox_full = false;
  world.after_rest();
  CHECK(world.acknowledged.empty());
  CHECK(world.submits.size() == 1);
  world.intake.delivered({a_delivery(4)});
  CHECK(world.submits.size() == 2);
}

TEST_CASE("a result is acknowledged when the engine has answered: recorded, or a matter of the past") {
  World world;
  world.intake.delivered({a_result(1), a_delivery(2), a_result(3)});
  REQUIRE(world.results.size() == 2);
  CHECK(world.results[0].item.attempt == 2);
  CHECK(Intake::owns_reply(world.results[0].reply));
  CHECK(world.acknowledged.empty());
  world.intake.answered({world.results[1].reply, Done{CommandId{7}}});
  CHECK(world.acknowledged == Tags{3});
  world.stored(0);
  world.intake.answered({world.results[0].reply, Done{CommandId{7}}});
  CHECK(world.acknowledged == Tags{3, 2, 1});
  CHECK(world.published.empty());
}

TEST_CASE("a result waits for room on the disk, and is parked when it is refused for good") {
  World world;
  world.intake.delivered({a_result(1)});
  world.intake.answered({world.results[0].reply, Problem{507, "No", "the disk is full", "", 0}});
  world.after_rest();
  REQUIRE(world.results.size() == 2);
  CHECK(world.acknowledged.empty());
  world.intake.answered({world.results[1].reply, Problem{404, "No", "there is no such command", "", 0}});
  REQUIRE(world.published.size() == 1);
  CHECK(std::get<std::string>(world.published[0].second.headers.at("duly-reason")) ==
        "there is no such command");
  world.intake.delivered({a_result(2, "{}")});
  REQUIRE(world.published.size() == 2);
  CHECK(world.published[1].second.exchange == topology::kDeadExchange);
  CHECK(world.published[1].second.routing_key == "duly.results.unparseable");
  CHECK(std::get<std::string>(world.published[1].second.headers.at("duly-reason")) ==
        "the body, /outcome: is required");
  CHECK(world.acknowledged.empty());
  world.intake.settled({world.published[1].first, PublishOutcome::confirmed});
  CHECK(world.acknowledged == Tags{2});
}

}  // namespace duly
