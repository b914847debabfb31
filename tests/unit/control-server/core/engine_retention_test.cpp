// What has ended goes when its time is over: in steps, the most specific rule first, never what is needed.
#include "tests/unit/control-server/core/engine_world.h"

namespace duly::test {
namespace {

EngineConfig keeping(std::int64_t keep_ms, std::vector<RetentionRule> rules = {}) {
  EngineConfig config;
  config.removal.retention = {keep_ms, std::move(rules)};
  return config;
}

// Ended at once.
CommandId cancelled(EngineWorld& world, const std::string& type = "t") {
  CommandSpec spec = EngineWorld::spec();
  spec.type = type;
  spec.delay_ms = 3'600'000;
  const CommandId id = world.submit(spec);
  world.ask(CancelCommand{0, "test", id});
  return id;
}

bool there(EngineWorld& world, CommandId id) { return world.store->find(id).has_value(); }

// Dies of its only attempt.
CommandId dead(EngineWorld& world, SessionId agent) {
  CommandSpec spec = EngineWorld::spec();
  spec.retry.max_attempts = 1;
  const CommandId id = world.submit(spec);
  world.fail_once(agent);
  REQUIRE(world.state(id) == State::dead);
  return id;
}

}  // namespace

TEST_CASE("an ended command is removed after its time and not before, a live one never") {
  EngineWorld world(keeping(kMinute));
  const CommandId ended = cancelled(world);
  const CommandId live = world.submit(EngineWorld::spec());
  world.pass(seconds{59});
  CHECK(there(world, ended));
  world.pass(seconds{3});
  CHECK_FALSE(there(world, ended));
  CHECK(there(world, live));
  CHECK(world.stats().removed == 1);
  CHECK(world.stats().by_state[static_cast<std::size_t>(State::cancelled)] == 0);
  CHECK(world.store->counters_agree());
  const Answer again = world.ask(CancelCommand{0, "test", ended});
  CHECK(std::get<Problem>(again.what).status == 404);
}

TEST_CASE("without a time nothing is removed and nobody is woken for it") {
  EngineWorld world;
  const CommandId ended = cancelled(world);
  world.pass(seconds{60 * 30});
  CHECK(there(world, ended));
}

TEST_CASE("state and type beat state, and state beats the rest") {
  EngineWorld world(keeping(3 * kMinute, {{State::cancelled, "quick", kMinute},
                                          {State::cancelled, "", 2 * kMinute},
                                          {State::cancelled, "never", kKeepForever},
                                          {State::dead, "t", kKeepForever}}));
  const CommandId quick = cancelled(world, "quick");
  const CommandId plain = cancelled(world, "plain");
  const CommandId kept = cancelled(world, "never");
  const SessionId agent = world.connect("a");
  const CommandId corpse = dead(world, agent);
  world.pass(seconds{62});
  CHECK_FALSE(there(world, quick));
  CHECK(there(world, plain));
  world.pass(seconds{60});
  CHECK_FALSE(there(world, plain));
  world.pass(seconds{60 * 3});
  CHECK(there(world, kept));
  CHECK(there(world, corpse));
}

TEST_CASE("many go in small steps with pauses between them") {
  EngineConfig config = keeping(kMinute);
  config.removal.rows = 5;
  EngineWorld world(config);
  for (int i = 0; i < 40; ++i) cancelled(world);
  world.now.mono += seconds{60 * 2};
  world.now.wall += seconds{60 * 2};
  std::int64_t left = 40;
  int steps = 0;
  for (; left > 0 && steps < 100; ++steps) {
    REQUIRE(world.run({Tick{}}));
    const std::int64_t now = world.store->count(State::cancelled);
    CHECK(left - now <= 5);
    REQUIRE(world.run({Tick{}}));  // in the same moment: not another one
    CHECK(world.store->count(State::cancelled) == now);
    left = now;
    CHECK(world.engine->next_wakeup(world.now) <= world.now.mono + seconds{1});
    world.now.mono += limits::kRemovalPause;
    world.now.wall += limits::kRemovalPause;
  }
  CHECK(steps == 8);
}

TEST_CASE("a dead command stays until its dead letter is with the broker, and goes then") {
  EngineWorld world(keeping(kMinute));
  const SessionId agent = world.connect("a");
  const CommandId id = dead(world, agent);
  const CommandId other = cancelled(world);
  world.pass(seconds{60 * 2});
  CHECK(there(world, id));
  CHECK_FALSE(there(world, other));  // the walk has passed both
  REQUIRE(world.run({BrokerState{true}}));
  const auto letters = world.all<PublishDeadLetter>();
  REQUIRE(letters.size() == 1);
  CHECK(there(world, id));
  REQUIRE(world.run({DeadLetterSettled{letters[0].ticket, PublishOutcome::confirmed}}));
  CHECK_FALSE(there(world, id));
  CHECK(world.store->dead_outbox_size() == 0);
  CHECK(world.store->counters_agree());
}

TEST_CASE("a dead letter that is confirmed in time changes nothing of the time") {
  EngineWorld world(keeping(kMinute));
  const SessionId agent = world.connect("a");
  const CommandId id = dead(world, agent);
  REQUIRE(world.run({BrokerState{true}}));
  REQUIRE(
      world.run({DeadLetterSettled{world.all<PublishDeadLetter>().at(0).ticket, PublishOutcome::confirmed}}));
  world.pass(seconds{58});
  CHECK(there(world, id));
  world.pass(seconds{4});
  CHECK_FALSE(there(world, id));
}

TEST_CASE("a redriven command is not removed by the time of its first end") {
  EngineWorld world(keeping(kMinute));
  const SessionId agent = world.connect("a");
  const CommandId id = dead(world, agent);
  REQUIRE(world.run({BrokerState{true}}));
  REQUIRE(
      world.run({DeadLetterSettled{world.all<PublishDeadLetter>().at(0).ticket, PublishOutcome::confirmed}}));
  world.pass(seconds{50});
  world.ask(RedriveCommand{0, "test", id});
  world.pass(seconds{60 * 3});
  CHECK(there(world, id));
}

TEST_CASE("an idempotency key outlives its command and makes no second one") {
  EngineWorld world(keeping(kMinute));
  NewCommand command{EngineWorld::spec(), "key", 7};
  command.spec.delay_ms = 3'600'000;
  const auto submit = [&] {
    const Answer answer = world.ask(Submit{0, "test", {command}});
    return std::get<Submitted>(answer.what).items.at(0);
  };
  const CommandId id = submit().id;
  world.ask(CancelCommand{0, "test", id});
  world.pass(seconds{60 * 2});
  REQUIRE_FALSE(there(world, id));
  const SubmittedItem again = submit();
  CHECK(again.replayed);
  CHECK(again.id == id);
  CHECK(world.store->count(State::scheduled) == 0);
}

TEST_CASE("a backfill makes no second command for a fire whose command is gone") {
  EngineWorld world(keeping(kMinute));
  ScheduleSpec spec;
  spec.name = "s";
  spec.timing.every_ms = kMinute;
  spec.command = EngineWorld::spec();
  spec.command.delay_ms = std::nullopt;
  spec.text = "{}";
  const std::int64_t from = to_ms(world.now.wall);
  world.ask(PutSchedule{0, "test", spec, true, std::nullopt, ""});
  world.pass(seconds{130});
  world.store->each_state([&](const StateRow& row) { CHECK(row.state == State::scheduled); });
  OperationFilter all;
  all.all = true;
  StartOperation cancel;
  cancel.actor = "test";
  cancel.filter = all;
  world.ask(std::move(cancel));
  world.ask(ChangeSchedule{0, "test", "s", ChangeSchedule::What::pause, std::nullopt});
  world.pass(seconds{60 * 3});
  std::int64_t commands = 0;
  for (const State state : kStates) commands += world.store->count(state);
  REQUIRE(commands == 0);
  const Answer answer = world.ask(BackfillSchedule{0, "test", "s", from + 1, from + 2 * kMinute + 1});
  CHECK(std::get<JsonBody>(answer.what).body.find("\"created\":0") != std::string::npos);
}

TEST_CASE("after a restart the walk begins again and finds what it left") {
  EngineConfig config = keeping(kMinute);
  config.removal.rows = 3;
  EngineWorld world(config);
  std::vector<CommandId> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(cancelled(world));
  world.now.mono += seconds{60 * 2};
  world.now.wall += seconds{60 * 2};
  REQUIRE(world.run({Tick{}}));
  CHECK(world.store->count(State::cancelled) == 7);
  world.restart();
  world.pass(seconds{2});
  CHECK(world.store->count(State::cancelled) == 0);
  CHECK(world.submit(EngineWorld::spec()) > ids.back());
}

}  // namespace duly::test
