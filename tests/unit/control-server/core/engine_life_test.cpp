// The engine from permit to end: results, losses, redrives, and what time does.
#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "control-server/core/engine.h"
#include "control-server/store/backup.h"
#include "tests/unit/control-server/core/engine_world.h"

namespace duly {

using test::EngineWorld;

static CommandSpec quick(int attempts) {
  CommandSpec spec = EngineWorld::spec();
  spec.retry = RetryPolicy{attempts, 100, 1.0, 100, 0.0};
  return spec;
}

TEST_CASE("a failed attempt is tried again after its backoff, until the attempts are used up") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec spec = quick(3);
  spec.retry = RetryPolicy{3, 1000, 3.0, 60'000, 0.0};
  const CommandId id = world.submit(spec);
  world.fail_once(agent);
  CHECK(world.row(id).due_ms == to_ms(world.now.wall) + 1000);
  world.pass(milliseconds{800});
  world.fail_once(agent);
  CHECK(world.row(id).due_ms == to_ms(world.now.wall) + 3000);
  world.pass(milliseconds{2800});
  world.fail_once(agent);
  CHECK(world.state(id) == State::dead);
  CHECK(world.row(id).reason == DeadReason::attempts_exhausted);
  CHECK(world.store->dead_outbox_size() == 1);
}

TEST_CASE("a redrive allows a fresh set of attempts, and their numbers go on") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(2));
  world.fail_once(agent);
  world.pass(milliseconds{200});
  world.fail_once(agent);
  REQUIRE(world.state(id) == State::dead);
  world.ask(RedriveCommand{0, "test", id});
  const HandOutItem third = world.the_one(agent);
  CHECK(third.attempt == 3);
  CHECK(third.max_attempts == 4);
  CHECK(world.begin(agent, third).verdict == Verdict::go);
  world.finish(agent, third, AttemptOutcome::failed);
  world.pass(milliseconds{200});
  world.fail_once(agent);
  CHECK(world.state(id) == State::dead);
  CHECK(world.row(id).attempt == 4);
  CHECK(std::holds_alternative<Problem>(world.ask(RedriveCommand{0, "test", CommandId{1}}).what));
}

TEST_CASE("a redrive may bring another payload, and the old one is kept") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec spec = quick(1);
  spec.payload = make_bytes("{\"n\": 1.0}");
  const CommandId id = world.submit(spec);
  world.fail_once(agent);
  for (int i = 1; i <= limits::kRevisions; ++i) {
    world.ask(RedriveCommand{0, "ann", id, make_bytes(std::to_string(i))});
    const HandOutItem item = world.the_one(agent);
    CHECK(*item.payload == std::to_string(i));
    CHECK(world.begin(agent, item).verdict == Verdict::go);
    world.finish(agent, item, AttemptOutcome::failed);
  }
  CHECK(world.store->revisions(id) == limits::kRevisions);
  const Answer refused = world.ask(RedriveCommand{0, "ann", id, make_bytes("0")});
  REQUIRE(std::holds_alternative<Problem>(refused.what));
  CHECK(std::get<Problem>(refused.what).status == 409);
  CHECK(*world.store->body(id)->payload == std::to_string(limits::kRevisions));
}

TEST_CASE("what is not retryable dies at once") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(5));
  const HandOutItem item = world.the_one(agent);
  world.begin(agent, item);
  world.finish(agent, item, AttemptOutcome::failed, false);
  CHECK(world.row(id).reason == DeadReason::not_retryable);
}

TEST_CASE("work handed back by a draining agent does not count as an attempt") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(1));
  for (int i = 1; i <= 4; ++i) {
    const HandOutItem item = world.the_one(agent);
    CHECK(item.attempt == i);
    CHECK(item.max_attempts == i);
    CHECK(world.begin(agent, item).verdict == Verdict::go);
    world.finish(agent, item, AttemptOutcome::handed_back);
    CHECK(world.state(id) == State::scheduled);
  }
  world.fail_once(agent);
  CHECK(world.state(id) == State::dead);
}

TEST_CASE("a wait that the handler asks for is kept, and the backoff where it is longer") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(4));
  const auto fail = [&](AttemptOutcome outcome, std::int64_t retry_after_ms) {
    const HandOutItem item = world.the_one(agent);
    REQUIRE(world.begin(agent, item).verdict == Verdict::go);
    world.say(agent, Finish{{{item.id, item.attempt, outcome, true, "busy", nullptr, retry_after_ms}}});
    const std::int64_t wait_ms = world.row(id).due_ms - to_ms(world.now.wall);
    world.pass(milliseconds{wait_ms});
    return wait_ms;
  };
  CHECK(fail(AttemptOutcome::failed, 5000) == 5000);
  CHECK(fail(AttemptOutcome::failed, 20) == 100);
  CHECK(fail(AttemptOutcome::handed_back, 700) == 700);
  CHECK(world.row(id).attempts_left());
  CHECK(world.row(id).base_attempt == 1);  // what was handed back did not count
}

TEST_CASE("a result counts from the executor that has the permit, once, and not when it comes too late") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const SessionId other = world.connect("b");
  const CommandId id = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.finish(agent, item, AttemptOutcome::succeeded);  // never begun
  CHECK(world.state(id) == State::scheduled);
  world.begin(agent, item);
  world.finish(other, item, AttemptOutcome::succeeded);
  CHECK(world.state(id) == State::running);
  world.finish(agent, item, AttemptOutcome::failed);
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(world.state(id) == State::scheduled);
  CHECK(world.stats().stale_results == 3);
}

// Begins the attempt that `agent` was handed, and kills the executor.
static void lose_once(EngineWorld& world, std::uint64_t incarnation) {
  const SessionId agent = world.connect("a", incarnation);
  world.pass(milliseconds{200});
  REQUIRE(world.begin(agent, world.the_one(agent)).verdict == Verdict::go);
  world.close(agent);
  world.pass(seconds{1});
}

TEST_CASE("an attempt whose executor is gone is lost, tried again, and its late result is refused") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.begin(agent, item);
  world.close(agent);
  CHECK(world.state(id) == State::running);  // a short break is forgiven
  world.pass(seconds{1});
  CHECK(world.state(id) == State::scheduled);
  CHECK(world.row(id).losses == 1);
  const SessionId back = world.connect("a");
  world.finish(back, item, AttemptOutcome::succeeded);
  CHECK(world.state(id) == State::scheduled);
}

TEST_CASE("an executor that is back in time and names its attempt keeps it, and its result counts") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.begin(agent, item);
  world.close(agent);
  Hello hello;
  hello.attempts = {{id, 1}, {CommandId{77}, 1}};
  const SessionId back = world.connect("a", 1, 100, hello);
  const auto cancelled = world.take<CancelRun>(back);  // what it must no longer run
  REQUIRE(cancelled.size() == 1);
  CHECK(cancelled[0].items == std::vector{AttemptRef{CommandId{77}, 1}});
  world.pass(seconds{2});
  world.finish(back, item, AttemptOutcome::succeeded);
  CHECK(world.state(id) == State::succeeded);
}

TEST_CASE("a running attempt that its executor does not know after a reconnect is lost at once") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  world.begin(agent, world.the_one(agent));
  world.close(agent);
  world.connect("a");
  CHECK(world.state(id) == State::scheduled);
}

TEST_CASE("three executors lost in a row are poison, and a failure between them is not one of them") {
  EngineWorld world;
  const CommandId id = world.submit(quick(10));
  lose_once(world, 1);
  lose_once(world, 2);
  const SessionId agent = world.connect("b");
  world.pass(milliseconds{200});
  world.fail_once(agent);
  world.close(agent);
  lose_once(world, 3);
  lose_once(world, 4);
  CHECK(world.state(id) == State::scheduled);
  lose_once(world, 5);
  CHECK(world.row(id).reason == DeadReason::poison);
}

TEST_CASE("work that must never run twice is dead after its first loss, and a loss uses up an attempt") {
  EngineWorld world;
  CommandSpec once = quick(3);
  once.on_lost = OnLost::dead;
  const CommandId id = world.submit(once);
  lose_once(world, 1);
  CHECK(world.row(id).reason == DeadReason::lost);
  const CommandId single = world.submit(quick(1));
  lose_once(world, 2);
  CHECK(world.row(single).reason == DeadReason::attempts_exhausted);
}

TEST_CASE("a silent agent is dropped after the lease TTL, but not for a pause of the server itself") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  world.begin(agent, world.the_one(agent));
  world.now.mono += seconds{60};  // the server was stopped
  world.now.wall += seconds{60};
  REQUIRE(world.run({Tick{}}));
  CHECK(world.all<CloseSession>().empty());
  CHECK(world.state(id) == State::running);
  CHECK(world.stats().shards_held == 1);
  world.alive[agent] = false;
  world.pass(milliseconds{4700});
  CHECK(world.all<CloseSession>().empty());
  world.pass(milliseconds{300});
  CHECK(world.all<CloseSession>().size() == 1);
  world.alive.erase(agent);
  CHECK(world.stats().shards_held == 0);
}

TEST_CASE("cancelling a running command tells its executor, and what that reports no longer counts") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.begin(agent, item);
  world.ask(CancelCommand{0, "test", id});
  CHECK(world.take<CancelRun>(agent).size() == 1);
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(world.state(id) == State::cancelled);
}

TEST_CASE("an expired command never starts") {
  EngineWorld world;
  CommandSpec spec = quick(3);
  spec.expires_at_ms = to_ms(world.now.wall) + 1000;
  const CommandId id = world.submit(spec);
  world.pass(milliseconds{900});
  CHECK(world.state(id) == State::scheduled);
  world.pass(milliseconds{200});
  CHECK(world.state(id) == State::expired);
}

TEST_CASE("a queued command that the broker has lost is published again as the same attempt") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.mark(agent, item);
  world.pass(seconds{3});
  REQUIRE_FALSE(world.all<InspectQueue>().empty());
  REQUIRE(world.run({QueueInspected{{"default", 0, 1, true}}}));
  const HandOutItem again = world.the_one(agent);
  CHECK((again.id == id && again.attempt == item.attempt && again.token == item.token));
  CHECK(world.begin(agent, item, 1).verdict == Verdict::go);
  CHECK(world.begin(agent, again, 2).verdict == Verdict::drop);
}

TEST_CASE("what was given back is handed out again, and a restart hands out what nobody has") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.say(agent, GiveBack{{{item.id, 1, item.shard, item.epoch, GiveBackReason::in_doubt}}});
  CHECK(world.the_one(agent).id == item.id);
  world.restart();
  Hello hello;
  hello.holdings = {{item.shard, item.epoch}};
  hello.in_hand = {{item.id, 1}};
  const SessionId back = world.connect("a", 1, 100, hello);
  CHECK(world.take<Lease>(back).at(0).items == hello.holdings);
  CHECK(world.handed(back).empty());  // it still has it
  world.mark(back, item);
  CHECK(world.state(item.id) == State::queued);
}

TEST_CASE("a publish that failed is tried again after a pause, though the wall stands") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  world.submit(quick(3));
  for (const Duration pause : {milliseconds{50}, milliseconds{100}}) {
    const HandOutItem item = world.the_one(agent);
    world.say(agent, GiveBack{{{item.id, 1, item.shard, item.epoch, GiveBackReason::rejected}}});
    CHECK(world.handed(agent).empty());
    CHECK(world.engine->next_wakeup(world.now) <= world.now.mono + pause);
    world.now.mono += pause;
    REQUIRE(world.run({Tick{}}));
  }
  CHECK(world.handed(agent).size() == 1);
}

TEST_CASE("where the clock stands is told with who could go on with what is due") {
  EngineWorld world;
  const auto state = [&] { return std::get<ClockState>(world.ask(AskClock{}).what); };
  const SessionId agent = world.connect("a");
  CHECK_FALSE(state().busy);
  world.submit(quick(3));
  CHECK((state().busy && state().served));
  const HandOutItem item = world.the_one(agent);
  world.finish(agent, item, AttemptOutcome::succeeded);
  CommandSpec unserved = quick(3);
  unserved.queue = "nobody";
  world.submit(unserved);
  CHECK((state().busy && !state().served));
}

TEST_CASE("who waits for an end hears of it when it comes, or when the wait is over") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  world.begin(agent, item);
  world.effects.clear();
  REQUIRE(world.run(
      {AwaitEnd{900, id, world.now.mono + seconds{1}}, AwaitEnd{901, id, world.now.mono + seconds{9}}}));
  CHECK(world.all<Answer>().empty());
  world.pass(milliseconds{1100});
  REQUIRE(world.all<Answer>().size() == 1);
  CHECK(world.all<Answer>()[0].reply == 900);
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(world.all<Answer>().size() == 2);
}

TEST_CASE("after a restore what ran is dead for a person to redrive, and nothing of before is taken") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId ran = world.submit(quick(3));
  const HandOutItem item = world.the_one(agent);
  REQUIRE(world.begin(agent, item).verdict == Verdict::go);
  CommandSpec child = quick(1);
  child.depends_on = {ran};
  const CommandId waits = world.submit(child);
  const CommandId queued = world.submit(quick(1));
  const HandOutItem out = world.the_one(agent);
  world.mark(agent, out);
  REQUIRE(world.store->begin_generation(to_ms(world.now.wall)));
  world.restart();
  const SessionId again = world.connect("a");
  CHECK(world.state(ran) == State::dead);
  CHECK(world.row(ran).reason == DeadReason::restored);
  CHECK(world.state(waits) == State::cancelled);
  CHECK(world.begin(again, out).verdict == Verdict::drop);  // a message of the old generation
  world.finish(again, item, AttemptOutcome::succeeded);     // and a result
  CHECK(world.state(ran) == State::dead);
  CHECK(world.state(queued) == State::queued);
  world.ask(RedriveCommand{0, "test", ran});
  CHECK(world.the_one(again).attempt > 1000);
  world.restart();
  CHECK(world.state(ran) == State::scheduled);
}

}  // namespace duly
