#include "agent/execute/executor.h"

#include <catch2/catch.hpp>
#include <vector>

#include "common/model/limits.h"
#include "common/wire/bundle.h"

namespace duly {
namespace {

constexpr MonoTime kExecutorStart{seconds{100}};

Delivery delivery(std::int64_t id, std::uint64_t tag, int attempt = 1) {
  HandOutItem item;
  item.id = CommandId{id};
  item.attempt = attempt;
  item.type = "t";
  item.queue = "default";
  item.payload = make_bytes("{}");
  return {1, tag, false, "default", make_execution_message(item, 1)};
}

Delivery bundle(const std::vector<std::int64_t>& ids, std::uint64_t tag) {
  std::vector<HandOutItem> items;
  for (const std::int64_t id : ids) {
    items.emplace_back();
    items.back().id = CommandId{id};
    items.back().attempt = 1;
    items.back().type = "t";
    items.back().queue = "default";
    items.back().payload = make_bytes("{}");
  }
  return {1, tag, false, "default", make_bundle(items, 1)};
}

template <class Message>
std::vector<Message> of(const ExecuteEffects& effects) {
  std::vector<Message> found;
  for (const AgentMessage& message : effects.messages) {
    if (const auto* one = std::get_if<Message>(&message)) found.push_back(*one);
  }
  return found;
}

// An executor with a link; the test plays the broker, the server and the handlers.
struct ExecutorFixture {
  explicit ExecutorFixture(int slots = 2) : executor(slots) {
    executor.welcome();
    executor.take(kExecutorStart);
  }
  ExecuteEffects deliver(std::int64_t id, std::uint64_t tag, MonoTime now = kExecutorStart) {
    executor.delivered(now, delivery(id, tag));
    return executor.take(now);
  }
  // The permit that these effects ask for.
  static BeginItem asked(const ExecuteEffects& effects) {
    const auto begins = of<Begin>(effects);
    REQUIRE(begins.size() == 1);
    REQUIRE(begins[0].items.size() == 1);
    return begins[0].items[0];
  }
  ExecuteEffects answer(const BeginItem& item, Verdict verdict, MonoTime now = kExecutorStart) {
    executor.begun(now, {{{item.id, item.attempt, item.nonce, verdict, "", 1000}}});
    return executor.take(now);
  }
  ExecuteEffects run(std::int64_t id) {
    return answer(asked(deliver(id, static_cast<std::uint64_t>(id))), Verdict::go);
  }
  ExecuteEffects done(std::int64_t id, bool ok = true) {
    executor.done(kExecutorStart, {CommandId{id}, 1}, {ok, true, ok ? "" : "broken", make_bytes("7")});
    return executor.take(kExecutorStart);
  }
  Executor executor;
};

std::vector<Settle> hows(const ExecuteEffects& effects) {
  std::vector<Settle> all;
  for (const auto& settlement : effects.settlements) all.push_back(settlement.how);
  return all;
}

}  // namespace

TEST_CASE("a delivery is neither run nor acknowledged before its permit, and both after it") {
  ExecutorFixture f;
  const auto delivered = f.deliver(7, 70);
  CHECK((delivered.runs.empty() && delivered.settlements.empty()));
  const BeginItem item = ExecutorFixture::asked(delivered);
  CHECK(item.id == CommandId{7});
  const auto begun = f.answer(item, Verdict::go);
  REQUIRE(begun.runs.size() == 1);
  CHECK(begun.runs[0].id == CommandId{7});
  REQUIRE(begun.settlements.size() == 1);
  CHECK((begun.settlements[0].tag == 70 && begun.settlements[0].how == Settle::ack));
  CHECK(f.answer(item, Verdict::go).runs.empty());  // answered twice
}

TEST_CASE("a refused delivery is acknowledged and not run") {
  ExecutorFixture f;
  const auto begun = f.answer(ExecutorFixture::asked(f.deliver(7, 70)), Verdict::drop);
  CHECK(begun.runs.empty());
  CHECK(hows(begun) == std::vector{Settle::ack});
  CHECK(f.executor.idle());
}

TEST_CASE("a message that is not understood is parked with the reason, and no permit is asked for") {
  ExecutorFixture f;
  Delivery broken = delivery(7, 70);
  broken.message.headers.erase("duly-token");
  f.executor.delivered(kExecutorStart, broken);
  const auto effects = f.executor.take(kExecutorStart);
  REQUIRE(effects.parks.size() == 1);
  CHECK(effects.parks[0].reason.find("duly-token") != std::string::npos);
  CHECK((effects.messages.empty() && effects.settlements.empty()));
}

TEST_CASE("permits are asked only for free slots, one more when a handler ends") {
  ExecutorFixture f(1);
  f.run(1);
  CHECK(of<Begin>(f.deliver(2, 20)).empty());
  f.executor.done(kExecutorStart, {CommandId{1}, 1}, {true, true, "", nullptr});
  CHECK(ExecutorFixture::asked(f.executor.take(kExecutorStart)).id == CommandId{2});
}

TEST_CASE("a bundle is settled with the last of its commands, and each asks for itself") {
  ExecutorFixture f(3);
  f.executor.delivered(kExecutorStart, bundle({1, 2, 3}, 70));
  const auto begins = of<Begin>(f.executor.take(kExecutorStart));
  REQUIRE(begins.size() == 1);
  REQUIRE(begins[0].items.size() == 3);
  const auto first = f.answer(begins[0].items[0], Verdict::go);
  CHECK((first.runs.size() == 1 && first.settlements.empty()));
  const auto second = f.answer(begins[0].items[1], Verdict::drop);
  CHECK((second.runs.empty() && second.settlements.empty()));
  const auto third = f.answer(begins[0].items[2], Verdict::go);
  CHECK(third.runs.at(0).id == CommandId{3});
  REQUIRE(third.settlements.size() == 1);
  CHECK((third.settlements[0].tag == 70 && third.settlements[0].how == Settle::ack));
}

TEST_CASE(
    "a bundle that nobody has begun goes back to the queue for want of slots; one that has begun stays") {
  ExecutorFixture f(1);
  const MonoTime held = kExecutorStart + milliseconds{501};
  SECTION("none of it has begun") {
    f.run(9);
    f.executor.delivered(kExecutorStart, bundle({1, 2}, 70));
    f.executor.take(kExecutorStart);
    CHECK(hows(f.executor.take(held)) == std::vector{Settle::requeue});  // once
  }
  SECTION("one of it has begun") {
    f.executor.delivered(kExecutorStart, bundle({1, 2}, 70));
    f.answer(ExecutorFixture::asked(f.executor.take(kExecutorStart)), Verdict::go);
    const auto starved = f.executor.take(held);
    CHECK((starved.settlements.empty() && starved.consume == false));
    f.executor.done(held, {CommandId{1}, 1}, {true, true, "", nullptr});
    const auto next = f.executor.take(held);
    CHECK(ExecutorFixture::asked(next).id == CommandId{2});
    CHECK(hows(f.answer(ExecutorFixture::asked(next), Verdict::go, held)) == std::vector{Settle::ack});
  }
}

TEST_CASE("who drains puts a bundle back when what it has asked for is answered") {
  ExecutorFixture f(1);
  f.executor.delivered(kExecutorStart, bundle({1, 2}, 70));
  const BeginItem asked = ExecutorFixture::asked(f.executor.take(kExecutorStart));
  f.executor.drain();
  CHECK(f.executor.take(kExecutorStart).settlements.empty());
  CHECK(hows(f.answer(asked, Verdict::go)) == std::vector{Settle::requeue});
}

TEST_CASE("a bundle of a connection that is gone is not settled") {
  ExecutorFixture f(2);
  f.executor.delivered(kExecutorStart, bundle({1, 2, 3}, 70));
  const auto begins = of<Begin>(f.executor.take(kExecutorStart));
  f.executor.consumer_down();
  CHECK(hows(f.answer(begins.at(0).items.at(0), Verdict::go)).empty());
  CHECK(hows(f.answer(begins.at(0).items.at(1), Verdict::drop)).empty());
}

TEST_CASE("a result is reported, and again on each new connection until the server has it") {
  ExecutorFixture f;
  f.run(1);
  const auto finish = of<Finish>(f.done(1, false));
  REQUIRE(finish.size() == 1);
  CHECK(finish[0].items.at(0).outcome == AttemptOutcome::failed);
  CHECK(finish[0].items.at(0).error == "broken");
  CHECK(of<Finish>(f.executor.take(kExecutorStart)).empty());
  f.executor.link_lost();
  f.executor.welcome();
  CHECK(f.executor.attempts() == std::vector{AttemptRef{CommandId{1}, 1}});
  CHECK(of<Finish>(f.executor.take(kExecutorStart)).at(0).items.at(0).id == CommandId{1});
  CHECK_FALSE(f.executor.idle());
  f.executor.finished({{{CommandId{1}, 1}}});
  f.executor.link_lost();
  f.executor.welcome();
  CHECK(f.executor.take(kExecutorStart).messages.empty());
  CHECK(f.executor.idle());
}

TEST_CASE("a result that comes while the link is away waits for it") {
  ExecutorFixture f;
  f.run(1);
  f.executor.link_lost();
  CHECK(f.done(1).messages.empty());
  f.executor.welcome();
  CHECK(of<Finish>(f.executor.take(kExecutorStart)).size() == 1);
}

TEST_CASE("a time-out is reported once, its handler is stopped, and what that says later is ignored") {
  ExecutorFixture f(1);
  f.run(1);
  CHECK(f.executor.next_wakeup() == kExecutorStart + milliseconds{1000});
  CHECK(f.executor.take(kExecutorStart + milliseconds{999}).stops.empty());
  const auto late = f.executor.take(kExecutorStart + milliseconds{1000});
  REQUIRE(late.stops.size() == 1);
  CHECK(of<Finish>(late).at(0).items.at(0).outcome == AttemptOutcome::timed_out);
  const auto later = f.executor.take(kExecutorStart + seconds{5});
  CHECK((later.stops.empty() && later.messages.empty()));
  CHECK(
      of<Begin>(f.deliver(2, 20, kExecutorStart + seconds{5})).empty());  // its slot is in use until it stops
  const auto done = f.done(1);
  CHECK(of<Finish>(done).empty());
  CHECK(of<Begin>(done).size() == 1);
}

TEST_CASE("a permit that was asked for is asked for again after a reconnect, under the same nonce") {
  ExecutorFixture f;
  const BeginItem first = ExecutorFixture::asked(f.deliver(1, 10));
  f.executor.link_lost();
  f.executor.consumer_down();  // the delivery is void, the permit may be out
  CHECK(f.executor.attempts() == std::vector{AttemptRef{CommandId{1}, 1}});
  f.executor.welcome();
  const BeginItem again = ExecutorFixture::asked(f.executor.take(kExecutorStart));
  CHECK((again.nonce == first.nonce && again.id == first.id));
  CHECK(f.answer(again, Verdict::go).runs.size() == 1);
}

TEST_CASE("two deliveries of one attempt ask under two nonces, and one of them runs") {
  ExecutorFixture f;
  const BeginItem one = ExecutorFixture::asked(f.deliver(1, 10));
  const BeginItem two = ExecutorFixture::asked(f.deliver(1, 11));
  CHECK(one.nonce != two.nonce);
  CHECK(f.answer(one, Verdict::go).runs.size() == 1);
  CHECK(f.answer(two, Verdict::drop).runs.empty());
}

TEST_CASE(
    "deliveries that find no slot for long go back to the queue, and consuming stops until there is one") {
  ExecutorFixture f(1);
  f.run(1);
  CHECK(f.deliver(2, 20).settlements.empty());
  CHECK(f.executor.next_wakeup() == kExecutorStart + milliseconds{500});
  CHECK(f.executor.take(kExecutorStart + milliseconds{499}).settlements.empty());
  const auto starved = f.executor.take(kExecutorStart + milliseconds{500});
  CHECK(hows(starved) == std::vector{Settle::requeue});
  CHECK(starved.consume == false);
  CHECK(hows(f.deliver(3, 30, kExecutorStart + milliseconds{500})) == std::vector{Settle::requeue});
  CHECK(f.done(1).consume == true);
}

TEST_CASE("without a link deliveries go back to the queue as well, and consuming begins again with it") {
  ExecutorFixture f;
  f.executor.link_lost();
  CHECK(f.deliver(1, 10).messages.empty());
  CHECK(hows(f.executor.take(kExecutorStart + milliseconds{500})) == std::vector{Settle::requeue});
  f.executor.welcome();
  CHECK(f.executor.take(kExecutorStart + seconds{1}).consume == true);
}

TEST_CASE("deliveries of a lost consumer are forgotten, not settled") {
  ExecutorFixture f(1);
  f.run(1);
  f.deliver(2, 20);
  f.executor.consumer_down();
  CHECK(f.executor.take(kExecutorStart + seconds{1}).settlements.empty());
  CHECK(of<Begin>(f.done(1)).empty());
}

TEST_CASE("a cancelled run is stopped once and reports nothing") {
  ExecutorFixture f;
  f.run(1);
  f.executor.cancel_run({{{CommandId{1}, 1}, {CommandId{9}, 1}}});
  f.executor.cancel_run({{{CommandId{1}, 1}}});
  CHECK(f.executor.take(kExecutorStart).stops.size() == 1);
  CHECK(f.executor.attempts().empty());
  CHECK(f.done(1).messages.empty());
}

TEST_CASE("a draining executor requeues what waits, takes nothing new, and hands back what still runs") {
  ExecutorFixture f(1);
  f.run(1);
  f.deliver(2, 20);
  f.executor.drain();
  const auto drained = f.executor.take(kExecutorStart);
  CHECK(hows(drained) == std::vector{Settle::requeue});
  CHECK(drained.consume == false);
  CHECK(f.executor.next_wakeup() == kExecutorStart + seconds{1});  // the time-out of what runs
  CHECK(hows(f.deliver(3, 30)) == std::vector{Settle::requeue});
  f.executor.give_up();
  const auto given = f.executor.take(kExecutorStart);
  CHECK(given.stops.size() == 1);
  CHECK(of<Finish>(given).at(0).items.at(0).outcome == AttemptOutcome::handed_back);
  CHECK(of<Finish>(f.done(1)).empty());
  CHECK_FALSE(f.executor.idle());
  f.executor.finished({{{CommandId{1}, 1}}});
  CHECK(f.executor.idle());
}

TEST_CASE("a handler may hand its attempt back or ask for a wait, and knows its time-out") {
  ExecutorFixture f(2);
  const auto begun = f.run(1);
  REQUIRE(begun.runs.size() == 1);
  CHECK(begun.runs[0].timeout_ms == 1000);  // of the permit
  f.executor.done(kExecutorStart, {CommandId{1}, 1}, {false, true, "circuit open", nullptr, 3000, true});
  const FinishItem back = of<Finish>(f.executor.take(kExecutorStart)).at(0).items.at(0);
  CHECK(back.outcome == AttemptOutcome::handed_back);
  CHECK(back.retry_after_ms == 3000);
  f.run(2);
  f.executor.done(kExecutorStart, {CommandId{2}, 1}, {false, true, "busy", nullptr, INT64_MAX, false});
  const FinishItem failed = of<Finish>(f.executor.take(kExecutorStart)).at(0).items.at(0);
  CHECK(failed.outcome == AttemptOutcome::failed);
  CHECK(failed.retry_after_ms == limits::kRetryAfterMs);
}

TEST_CASE("permits, attempts by their end, and the time both take are counted") {
  ExecutorFixture f(8);
  const auto asked = f.asked(f.deliver(1, 1));
  f.answer(asked, Verdict::go, kExecutorStart + milliseconds{3});
  f.executor.done(kExecutorStart + milliseconds{43}, {CommandId{1}, 1}, {true, true, "", nullptr});
  f.answer(f.asked(f.deliver(2, 2)), Verdict::drop);
  f.run(3);
  f.executor.cancel_run({{{CommandId{3}, 1}}});
  f.done(3);  // what a cancelled handler says later is no end of its attempt
  f.run(4);
  f.executor.take(kExecutorStart + seconds{2});  // its limit is a second
  const ExecuteCounters& counters = f.executor.counters();
  CHECK(counters.delivered == 4);
  CHECK((counters.permits_granted == 3 && counters.permits_refused == 1));
  CHECK(counters.permit.total == 4);
  CHECK(counters.permit.sum_us == 3'000);
  CHECK(counters.run.total == 2);
  CHECK(counters.run.sum_us >= 40'000);
  CHECK(counters.finished == std::array<std::uint64_t, 6>{1, 0, 1, 0, 0, 1});
}

}  // namespace duly
