// What the engine tells of state changes: all of them, in order, and none before its commit.
#include <catch2/catch.hpp>
#include <string>

#include "control-server/store/reader.h"
#include "tests/unit/control-server/core/engine_world.h"

namespace duly {

using test::EngineWorld;

namespace {

// "scheduled/0 queued/1 …" of one command, since the last call; takes them away.
std::string told(EngineWorld& world, CommandId id) {
  std::string text;
  for (const StateChanges& changes : world.all<StateChanges>()) {
    for (const StateChange& change : changes.items) {
      if (change.id != id) continue;
      CHECK(change.at_ms > 0);
      if (!text.empty()) text += ' ';
      text += std::string(name_of(change.state)) + "/" + std::to_string(change.attempt);
    }
  }
  std::erase_if(world.effects, [](const Effect& e) { return std::holds_alternative<StateChanges>(e); });
  return text;
}

}  // namespace

TEST_CASE("a life is told step by step") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec spec = EngineWorld::spec();
  spec.retry = RetryPolicy{2, 100, 1.0, 100, 0.0};
  const CommandId id = world.submit(spec);
  HandOutItem item = world.the_one(agent);
  world.mark(agent, item);
  world.mark(agent, item);  // again: it is there already
  world.begin(agent, item);
  world.finish(agent, item, AttemptOutcome::failed);
  CHECK(told(world, id) == "scheduled/0 queued/1 running/1 scheduled/1");
  world.pass(milliseconds{200});
  item = world.the_one(agent);
  world.begin(agent, item);  // its permit outruns the mark
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(told(world, id) == "running/2 succeeded/2");
}

TEST_CASE("an end by hand and one by failure are told with their reason") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec spec = EngineWorld::spec();
  spec.retry.max_attempts = 1;
  const CommandId dead = world.submit(spec);
  world.fail_once(agent);
  bool found = false;
  for (const StateChanges& changes : world.all<StateChanges>()) {
    for (const StateChange& change : changes.items) {
      found = found || (change.id == dead && change.reason == DeadReason::attempts_exhausted);
    }
  }
  CHECK(found);
  CHECK(told(world, dead) == "scheduled/0 running/1 dead/1");
  world.ask(RedriveCommand{0, "test", dead});
  CHECK(told(world, dead) == "scheduled/1");
  spec.delay_ms = 60'000;
  const CommandId later = world.submit(spec);
  world.ask(CancelCommand{0, "test", later});
  CHECK(told(world, later) == "scheduled/0 cancelled/0");
}

TEST_CASE("queues and types are named once, when they are new") {
  EngineWorld world;
  CommandSpec spec = EngineWorld::spec();
  spec.queue = "mail";
  world.submit(spec);
  world.submit(spec);
  std::string names;
  for (const StateChanges& changes : world.all<StateChanges>()) {
    for (const auto& [number, name] : changes.names) names += name + " ";
  }
  CHECK(names == "mail t ");
  CHECK(world.store->names().size() == 2);
}

TEST_CASE("what is done by hand is on record with who and which request, in its own transaction") {
  EngineWorld world;
  CommandSpec spec = EngineWorld::spec();
  spec.delay_ms = 60'000;
  const CommandId id = world.submit(spec);
  const std::int64_t due_ms = to_ms(world.now.wall) + 120'000;
  world.ask(RescheduleCommand{0, Actor("ann", "req-1"), id, due_ms});
  world.ask(CancelCommand{0, Actor("bob", "req-2"), id});
  world.ask(CancelCommand{0, Actor("eve", "req-3"), id});  // it is cancelled already: nothing is done
  world.ask(RecordAct{0, Actor("root"), "server.simulate-crash", "server", "kill at now"});
  REQUIRE(world.run({RecordAct{0, "server", "keys.reload", "keys", "3 keys"}}));
  world.engine.reset();
  world.store.reset();  // this disk takes one connection at a time
  const auto reader = Reader::open("duly.db", world.vfs.name());
  REQUIRE(reader);
  const auto rows = (*reader)->audit(0, 10);
  REQUIRE(rows);
  std::string text;
  for (const Reader::AuditRow& row : *rows)
    text += row.who + " " + row.what + (row.request.empty() ? "" : " " + row.request) + "; ";
  CHECK(text ==
        "server keys.reload; root server.simulate-crash; bob command.cancel req-2; ann "
        "command.reschedule req-1; ");
  CHECK(rows->at(2).subject == format_command_id(id));
}

TEST_CASE("a batch that changes nothing tells nothing") {
  EngineWorld world;
  world.submit(EngineWorld::spec());
  world.effects.clear();
  world.pass(seconds{1});
  CHECK(world.all<StateChanges>().empty());
}

}  // namespace duly
