#include "agent/dispatch/dispatcher.h"

#include <catch2/catch.hpp>
#include <vector>

#include "common/model/limits.h"

namespace duly {
namespace {

constexpr Duration kTtl = seconds{5};
constexpr MonoTime kStart{seconds{100}};

HandOutItem item(std::int64_t id, Duration due_in = Duration{0}, int shard = 0, std::int64_t epoch = 1) {
  HandOutItem one;
  one.id = CommandId{id};
  one.attempt = 1;
  one.max_attempts = 3;
  one.shard = ShardId{shard};
  one.epoch = Epoch{epoch};
  one.due_in_us = due_in.count();
  one.type = "t";
  one.queue = "default";
  one.payload = make_bytes("{}");
  return one;
}

template <class Message>
std::vector<Message> of(const DispatchEffects& effects) {
  std::vector<Message> found;
  for (const AgentMessage& message : effects.messages) {
    if (const auto* one = std::get_if<Message>(&message)) found.push_back(*one);
  }
  return found;
}

// A dispatcher that is connected, trusted, and holds shards 0 and 1 under epoch 1.
struct DispatcherFixture {
  DispatcherFixture() {
    dispatcher.broker_usable(true);
    dispatcher.welcome(kStart, kTtl);
    dispatcher.lease({});  // the first lease says what may be kept
    dispatcher.lease({{{ShardId{0}, Epoch{1}}, {ShardId{1}, Epoch{1}}}});
    dispatcher.take(kStart);
  }
  DispatchEffects give(std::vector<HandOutItem> items, MonoTime now = kStart) {
    dispatcher.hand_out(now, {std::move(items)});
    return dispatcher.take(now);
  }
  DispatchEffects settle(PublishTicket ticket, PublishOutcome outcome, MonoTime now = kStart) {
    dispatcher.settled(now, {{ticket, outcome}});
    return dispatcher.take(now);
  }
  Dispatcher dispatcher;
};

}  // namespace

TEST_CASE("nothing is published before its time, and then in order of time") {
  DispatcherFixture f;
  CHECK(f.give({item(1, milliseconds{200}), item(2, milliseconds{100})}).publishes.empty());
  CHECK(f.dispatcher.next_wakeup() == kStart + milliseconds{100});
  CHECK(f.dispatcher.take(kStart + milliseconds{100} - Duration{1}).publishes.empty());
  const auto first = f.dispatcher.take(kStart + milliseconds{100}).publishes;
  REQUIRE(first.size() == 1);
  CHECK(first[0].second.id == CommandId{2});
  CHECK(f.dispatcher.take(kStart + seconds{1}).publishes.at(0).second.id == CommandId{1});
  CHECK(f.dispatcher.take(kStart + seconds{1}).publishes.empty());
}

TEST_CASE("a confirmed publish is marked with what it was handed out under, and counted") {
  DispatcherFixture f;
  const auto published = f.give({item(7)}).publishes;
  REQUIRE(published.size() == 1);
  const auto marks = of<Marks>(f.settle(published[0].first, PublishOutcome::confirmed));
  REQUIRE(marks.size() == 1);
  REQUIRE(marks[0].items.size() == 1);
  CHECK(marks[0].items[0].id == CommandId{7});
  CHECK(marks[0].items[0].epoch == Epoch{1});
  CHECK(f.dispatcher.published() == 1);
  CHECK(f.settle(published[0].first, PublishOutcome::confirmed).messages.empty());  // told twice
}

TEST_CASE("what is not confirmed is given back, never marked") {
  const std::pair<PublishOutcome, GiveBackReason> table[] = {
      {PublishOutcome::in_doubt, GiveBackReason::in_doubt},
      {PublishOutcome::returned, GiveBackReason::returned},
      {PublishOutcome::rejected, GiveBackReason::rejected}};
  for (const auto& [outcome, reason] : table) {
    DispatcherFixture f;
    const auto effects = f.settle(f.give({item(7)}).publishes.at(0).first, outcome);
    CHECK(of<Marks>(effects).empty());
    const auto given = of<GiveBack>(effects);
    REQUIRE(given.size() == 1);
    CHECK(given[0].items.at(0).id == CommandId{7});
    CHECK(given[0].items.at(0).reason == reason);
    const bool returned = outcome == PublishOutcome::returned;
    CHECK(effects.ensure_queues ==
          (returned ? std::vector<std::string>{"default"} : std::vector<std::string>{}));
    CHECK(f.dispatcher.in_flight() == 0);
  }
}

TEST_CASE("when the lease can no longer be trusted nothing is published, and the shards are let go") {
  DispatcherFixture f;
  const MonoTime trusted = kStart + kTtl * 4 / 5;
  CHECK(f.give({item(1, seconds{1}), item(2, seconds{4})}).publishes.empty());
  CHECK(f.dispatcher.take(trusted - Duration{1}).publishes.size() == 1);
  const auto effects = f.dispatcher.take(trusted);
  CHECK(effects.publishes.empty());
  REQUIRE(of<GiveBack>(effects).size() == 1);
  CHECK(of<GiveBack>(effects)[0].items.at(0).id == CommandId{2});
  const auto released = of<Released>(effects);
  REQUIRE(released.size() == 1);
  CHECK(released[0].items == std::vector{Holding{ShardId{1}, Epoch{1}}});  // of shard 0 one is unsettled
  CHECK(f.dispatcher.holdings().empty());
  CHECK(f.give({item(3)}, trusted).publishes.empty());
  const auto after = f.settle(1, PublishOutcome::confirmed, trusted);
  CHECK(of<Marks>(after).size() == 1);
  CHECK(of<Released>(after).size() == 1);
}

TEST_CASE(
    "an acknowledged heartbeat extends the trust from when it was sent, and an older one does not shorten "
    "it") {
  DispatcherFixture f;
  f.dispatcher.heartbeat_acknowledged(kStart + seconds{3});
  f.dispatcher.heartbeat_acknowledged(kStart + seconds{1});
  f.give({item(1, milliseconds{6900}), item(2, milliseconds{7100})});
  CHECK(f.dispatcher.take(kStart + milliseconds{6999}).publishes.size() == 1);
  CHECK(f.dispatcher.take(kStart + milliseconds{7200}).publishes.empty());
}

TEST_CASE("the lease runs out also while the link is away, and nothing goes out without a link") {
  DispatcherFixture f;
  f.give({item(1, seconds{1}), item(2, seconds{2})});
  f.dispatcher.link_lost();
  const auto silent = f.dispatcher.take(kStart + seconds{1});
  CHECK((silent.publishes.empty() && silent.messages.empty()));
  CHECK(f.dispatcher.take(kStart + seconds{4}).publishes.empty());
  CHECK(f.dispatcher.holdings().empty());
}

TEST_CASE("marks are sent again on a new connection until they are acknowledged") {
  DispatcherFixture f;
  f.settle(f.give({item(7)}).publishes.at(0).first, PublishOutcome::confirmed);
  CHECK(f.dispatcher.in_hand() == std::vector{AttemptRef{CommandId{7}, 1}});
  f.dispatcher.link_lost();
  CHECK(f.dispatcher.take(kStart).messages.empty());
  f.dispatcher.welcome(kStart, kTtl);
  const auto again = of<Marks>(f.dispatcher.take(kStart));
  REQUIRE(again.size() == 1);
  CHECK(again[0].items.at(0).id == CommandId{7});
  f.dispatcher.marks_acknowledged(again[0].sequence);
  CHECK(f.dispatcher.in_hand().empty());
  f.dispatcher.link_lost();
  f.dispatcher.welcome(kStart, kTtl);
  CHECK(of<Marks>(f.dispatcher.take(kStart)).empty());
}

TEST_CASE("the first lease after a welcome drops the shards it does not name, or names under another epoch") {
  DispatcherFixture f;
  f.dispatcher.lease({{{ShardId{2}, Epoch{1}}}});
  f.give({item(1, milliseconds{10}, 0), item(2, milliseconds{10}, 1), item(3, milliseconds{10}, 2)});
  f.dispatcher.link_lost();
  f.dispatcher.welcome(kStart, kTtl);
  CHECK(f.dispatcher.take(kStart + milliseconds{20}).publishes.empty());  // not before the lease
  f.dispatcher.lease({{{ShardId{0}, Epoch{1}}, {ShardId{1}, Epoch{2}}}});
  const auto effects = f.dispatcher.take(kStart + milliseconds{20});
  REQUIRE(effects.publishes.size() == 1);
  CHECK(effects.publishes[0].second.id == CommandId{1});
  CHECK(of<GiveBack>(effects).empty());  // the server forgot them with the lease
  CHECK(f.dispatcher.holdings() == std::vector<Holding>{{ShardId{0}, Epoch{1}}, {ShardId{1}, Epoch{2}}});
}

TEST_CASE("commands of a shard that is not held, or of another epoch, are not published") {
  DispatcherFixture f;
  CHECK(f.give({item(1, Duration{0}, 5), item(2, Duration{0}, 0, 2)}).publishes.empty());
  CHECK(f.dispatcher.in_flight() == 0);
}

TEST_CASE("a revoked shard gives back what is upcoming, and is released after its publishes are marked") {
  DispatcherFixture f;
  const auto published = f.give({item(1), item(2, milliseconds{50}), item(3, milliseconds{50}, 1)}).publishes;
  REQUIRE(published.size() == 1);
  f.dispatcher.revoke({{{ShardId{0}, Epoch{9}}}});  // of another epoch: not ours
  CHECK(f.dispatcher.take(kStart).messages.empty());
  f.dispatcher.revoke({{{ShardId{0}, Epoch{1}}}});
  const auto revoked = f.dispatcher.take(kStart);
  REQUIRE(of<GiveBack>(revoked).size() == 1);
  CHECK(of<GiveBack>(revoked)[0].items.at(0).id == CommandId{2});
  CHECK(of<Released>(revoked).empty());
  CHECK(f.give({item(4)}).publishes.empty());
  const auto settled = f.settle(published[0].first, PublishOutcome::confirmed);
  std::vector<std::string> order;
  for (const AgentMessage& message : settled.messages) {
    if (std::holds_alternative<Marks>(message)) order.emplace_back("marks");
    if (std::holds_alternative<Released>(message)) order.emplace_back("released");
  }
  CHECK(order == std::vector<std::string>{"marks", "released"});
  CHECK(f.dispatcher.take(kStart + milliseconds{50}).publishes.size() == 1);  // the other shard goes on
}

TEST_CASE("a broker that is away gives back what is upcoming, and takes no credit until it is there") {
  DispatcherFixture f;
  f.give({item(1, seconds{1})});
  f.dispatcher.broker_usable(false);
  const auto effects = f.dispatcher.take(kStart);
  REQUIRE(of<GiveBack>(effects).size() == 1);
  CHECK(of<GiveBack>(effects)[0].items.at(0).reason == GiveBackReason::broker_down);
  CHECK(of<Credit>(effects).empty());
  CHECK_FALSE(f.dispatcher.holdings().empty());
}

TEST_CASE("a hello claims what is in hand under the present epochs, and nothing of a holding that is gone") {
  DispatcherFixture f;
  f.give({item(1), item(2, seconds{1}), item(3, Duration{0}, 1)});  // 1 and 3 are published, 2 waits
  CHECK(f.dispatcher.in_hand().size() == 3);
  f.dispatcher.link_lost();
  f.dispatcher.welcome(kStart, kTtl);
  f.dispatcher.lease({{{ShardId{1}, Epoch{1}}}});
  f.dispatcher.lease({{{ShardId{0}, Epoch{3}}}});  // another held it in between
  CHECK(f.dispatcher.in_hand() == std::vector<AttemptRef>{{CommandId{3}, 1}});
}

TEST_CASE("credit is given up to what fits in hand, and begins anew with each connection") {
  Dispatcher dispatcher;
  dispatcher.broker_usable(true);
  dispatcher.welcome(kStart, kTtl);
  CHECK(of<Credit>(dispatcher.take(kStart)).empty());
  dispatcher.lease({});
  const auto first = of<Credit>(dispatcher.take(kStart));
  REQUIRE(first.size() == 1);
  CHECK(first[0].room == static_cast<std::int64_t>(limits::kAgentInHand));
  CHECK(of<Credit>(dispatcher.take(kStart)).empty());
  dispatcher.link_lost();
  dispatcher.welcome(kStart, kTtl);
  dispatcher.lease({});
  CHECK(of<Credit>(dispatcher.take(kStart)).size() == 1);
}

TEST_CASE("what is due of a queue with a bundle goes out together, and nobody waits for company") {
  DispatcherFixture f;
  const auto bundled = [](std::int64_t id, Duration due_in = Duration{0}) {
    HandOutItem one = item(id, due_in);
    one.bundle = 3;
    return one;
  };
  const auto effects =
      f.give({bundled(1), bundled(2), item(3), bundled(4), bundled(5), bundled(6, milliseconds{10})});
  REQUIRE(effects.bundles.size() == 1);
  CHECK(effects.bundles[0].second.size() == 3);  // 1, 2, 4
  CHECK(effects.bundles[0].second[2].id == CommandId{4});
  REQUIRE(effects.publishes.size() == 2);  // 3, and 5, which was left alone
  CHECK(effects.publishes[1].second.id == CommandId{5});
  CHECK(f.dispatcher.in_flight() == 6);
  CHECK(f.dispatcher.in_hand().size() == 6);
  const auto later = f.dispatcher.take(kStart + milliseconds{10});
  CHECK((later.bundles.empty() && later.publishes.at(0).second.id == CommandId{6}));
}

TEST_CASE("each command of a bundle is marked, or given back") {
  DispatcherFixture f;
  HandOutItem one = item(1), two = item(2, Duration{0}, 1);
  one.bundle = two.bundle = 100;
  const auto first = f.give({one, two});
  REQUIRE(first.bundles.size() == 1);
  SECTION("confirmed") {
    const auto marks = of<Marks>(f.settle(first.bundles[0].first, PublishOutcome::confirmed));
    REQUIRE(marks.size() == 1);
    REQUIRE(marks[0].items.size() == 2);
    CHECK((marks[0].items[0].id == CommandId{1} && marks[0].items[1].id == CommandId{2}));
    CHECK(f.dispatcher.published() == 2);
    CHECK(f.dispatcher.in_flight() == 0);
  }
  SECTION("returned, refused or in doubt") {
    for (const auto outcome :
         {PublishOutcome::returned, PublishOutcome::rejected, PublishOutcome::in_doubt}) {
      const auto again = f.give({one, two}).bundles.at(0).first;
      const auto back = of<GiveBack>(f.settle(again, outcome));
      REQUIRE(back.size() == 1);
      CHECK(back[0].items.size() == 2);
    }
  }
  SECTION("a shard that is taken away waits for it") {
    f.dispatcher.revoke({{{ShardId{1}, Epoch{1}}}});
    CHECK(of<Released>(f.dispatcher.take(kStart)).empty());
    CHECK(of<Released>(f.settle(first.bundles[0].first, PublishOutcome::confirmed)).size() == 1);
  }
}

TEST_CASE("a bundle ends where its payloads grow large") {
  DispatcherFixture f;
  std::vector<HandOutItem> items;
  for (int id = 1; id <= 4; ++id) {
    items.push_back(item(id));
    items.back().bundle = 100;
    items.back().payload = make_bytes(std::string(limits::kBundleBytes / 2, 'x'));
  }
  const auto effects = f.give(items);
  REQUIRE(effects.bundles.size() == 2);
  CHECK(effects.bundles[0].second.size() == 2);
}

TEST_CASE("at most a window of publishes is unconfirmed") {
  DispatcherFixture f;
  std::vector<HandOutItem> many;
  for (std::int64_t id = 1; id <= 1500; ++id) many.push_back(item(id));
  CHECK(f.give(many).publishes.size() == limits::kPublishWindow);
  CHECK(f.settle(1, PublishOutcome::confirmed).publishes.size() == 1);
}

TEST_CASE(
    "a draining dispatcher says so, gives back, releases, and is idle when its marks are acknowledged") {
  DispatcherFixture f;
  const auto published = f.give({item(1), item(2, seconds{1}, 1)}).publishes;
  f.dispatcher.drain();
  const auto effects = f.dispatcher.take(kStart);
  CHECK(of<Leaving>(effects).size() == 1);
  CHECK(of<GiveBack>(effects).size() == 1);
  CHECK(of<Credit>(effects).empty());
  CHECK_FALSE(f.dispatcher.idle());
  const auto marks = of<Marks>(f.settle(published.at(0).first, PublishOutcome::confirmed));
  CHECK_FALSE(f.dispatcher.idle());
  f.dispatcher.marks_acknowledged(marks.at(0).sequence);
  CHECK(f.dispatcher.idle());
}

TEST_CASE("how late a publish is and how long its confirm takes is counted") {
  DispatcherFixture f;
  const auto late = f.give({item(1, milliseconds{-30}), item(2, milliseconds{100})}).publishes;
  REQUIRE(late.size() == 1);
  f.settle(late[0].first, PublishOutcome::confirmed, kStart + milliseconds{7});
  const auto second = f.dispatcher.take(kStart + milliseconds{104}).publishes;
  REQUIRE(second.size() == 1);
  f.settle(second[0].first, PublishOutcome::rejected, kStart + milliseconds{500});
  const DispatchCounters& counters = f.dispatcher.counters();
  CHECK(counters.handed_out == 2);
  CHECK(counters.lateness.total == 2);
  CHECK(counters.lateness.sum_us == 34'000);
  CHECK(counters.confirm.total == 1);  // what the broker refused says nothing of how long a confirm takes
  CHECK(counters.confirm.sum_us == 7'000);
  CHECK(counters.settled == std::array<std::uint64_t, 4>{1, 0, 1, 0});
  CHECK(counters.given_back[static_cast<std::size_t>(GiveBackReason::rejected)] == 1);
}

TEST_CASE("marks count when the server has them") {
  DispatcherFixture f;
  const auto published = f.give({item(1), item(2)}).publishes;
  f.dispatcher.settled(kStart, {{published[0].first, PublishOutcome::confirmed},
                                {published[1].first, PublishOutcome::confirmed}});
  const auto marks = of<Marks>(f.dispatcher.take(kStart));
  REQUIRE(marks.size() == 1);
  CHECK(f.dispatcher.counters().marked == 0);
  f.dispatcher.marks_acknowledged(marks[0].sequence);
  f.dispatcher.marks_acknowledged(marks[0].sequence);
  CHECK(f.dispatcher.counters().marked == 2);
}

namespace {

HandOutItem delivery(std::int64_t id) {
  HandOutItem one = item(id);
  one.deliver = DeliverTarget{"orders", "eu", "p"};
  return one;
}

}  // namespace

TEST_CASE("a delivery is marked as delivered when it is confirmed, and no queue of ours is made for it") {
  DispatcherFixture f;
  const auto effects = f.give({delivery(7)});
  CHECK(effects.ensure_queues.empty());
  CHECK(of<Marks>(effects).empty());
  const auto marks = of<Marks>(f.settle(effects.publishes.at(0).first, PublishOutcome::confirmed));
  REQUIRE(marks.size() == 1);
  CHECK(marks[0].items.at(0).outcome == MarkOutcome::delivered);
  CHECK(marks[0].items.at(0).error.empty());
}

TEST_CASE("a delivery without a way is marked as failed and says why; one in doubt is given back") {
  DispatcherFixture f;
  f.dispatcher.settled(kStart,
                       {{f.give({delivery(7)}).publishes.at(0).first, PublishOutcome::returned, "NO_ROUTE"}});
  const auto effects = f.dispatcher.take(kStart);
  CHECK(of<GiveBack>(effects).empty());
  CHECK(effects.ensure_queues.empty());
  const auto marks = of<Marks>(effects);
  REQUIRE(marks.size() == 1);
  CHECK(marks[0].items.at(0).outcome == MarkOutcome::unroutable);
  CHECK(marks[0].items.at(0).error == "unroutable: exchange 'orders', routing key 'eu': NO_ROUTE");
  for (const PublishOutcome outcome : {PublishOutcome::in_doubt, PublishOutcome::rejected}) {
    const auto given = f.settle(f.give({delivery(8)}).publishes.at(0).first, outcome);
    CHECK(of<Marks>(given).empty());
    CHECK(of<GiveBack>(given).size() == 1);
  }
}

}  // namespace duly
