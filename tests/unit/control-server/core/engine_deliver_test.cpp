// Deliver mode: how a command ends that nobody runs.
#include <string>

#include "tests/unit/control-server/core/engine_world.h"

namespace duly {
namespace {

using test::EngineWorld;

CommandSpec delivery(const std::string& key = "") {
  CommandSpec spec = EngineWorld::spec(key);
  spec.deliver = DeliverTarget{"orders", "eu", "properties"};
  spec.retry = {2, 1000, 1.0, 1000, 0.0};
  return spec;
}

void tell_delivery(EngineWorld& world, SessionId session, const HandOutItem& item, MarkOutcome outcome) {
  const std::string error = outcome == MarkOutcome::unroutable ? "unroutable: nowhere" : "";
  world.say(session, Marks{1, {{item.id, item.attempt, item.token, item.shard, item.epoch, outcome, error}}});
  CHECK_FALSE(world.take<MarksAck>(session).empty());
}

int deliver_status(const Answer& answer) {
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem == nullptr ? 200 : problem->status;
}

}  // namespace

TEST_CASE("what is handed out says where it goes, and ends when the broker has confirmed it") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(delivery());
  const HandOutItem item = world.the_one(agent);
  CHECK(item.deliver == DeliverTarget{"orders", "eu", "properties"});
  tell_delivery(world, agent, item, MarkOutcome::delivered);
  CHECK(world.state(id) == State::delivered);
  CHECK(world.row(id).attempt == 1);
  const auto attempts = world.store->attempts(id);
  REQUIRE(attempts.size() == 1);
  CHECK(attempts[0].outcome == AttemptOutcome::delivered);
  CHECK(attempts[0].epoch == item.epoch);
  CHECK(attempts[0].queued_ms != 0);
  CHECK(world.stats().delivered == 1);
  CHECK(deliver_status(world.ask(CancelCommand{0, "test", id})) == 409);
  tell_delivery(world, agent, item, MarkOutcome::delivered);  // said again, because the first answer was lost
  CHECK(world.store->attempts(id).size() == 1);
  CHECK(world.store->counters_agree());
}

TEST_CASE("without a way each attempt fails and backs off, then the command is dead, with its letter") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(delivery());
  tell_delivery(world, agent, world.the_one(agent), MarkOutcome::unroutable);
  CHECK(world.state(id) == State::scheduled);
  CHECK(world.handed(agent).empty());
  world.pass(milliseconds{700});
  CHECK(world.handed(agent).empty());
  world.pass(milliseconds{400});
  const HandOutItem second = world.the_one(agent);
  CHECK(second.attempt == 2);
  tell_delivery(world, agent, second, MarkOutcome::unroutable);
  CHECK(world.state(id) == State::dead);
  CHECK(world.row(id).reason == DeadReason::attempts_exhausted);
  CHECK(world.store->attempts(id).at(1).outcome == AttemptOutcome::failed);
  CHECK(world.store->dead_outbox_size() == 1);
  CHECK(deliver_status(world.ask(RedriveCommand{0, "test", id})) == 200);
  tell_delivery(world, agent, world.the_one(agent), MarkOutcome::delivered);
  CHECK(world.state(id) == State::delivered);
  CHECK(world.row(id).attempt == 3);
}

TEST_CASE("a message of before a reschedule, or of a holding that is gone, ends nothing") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(delivery());
  const HandOutItem item = world.the_one(agent);
  world.ask(RescheduleCommand{0, "test", id, to_ms(world.now.wall) + 60'000});
  for (const MarkOutcome outcome : {MarkOutcome::delivered, MarkOutcome::unroutable}) {
    tell_delivery(world, agent, item, outcome);
    CHECK(world.state(id) == State::scheduled);
    CHECK(world.store->attempts(id).empty());
  }
  const CommandId other = world.submit(delivery());
  HandOutItem stale = world.the_one(agent);
  stale.epoch = Epoch{stale.epoch.value - 1};
  tell_delivery(world, agent, stale, MarkOutcome::delivered);
  CHECK(world.state(other) == State::scheduled);
}

TEST_CASE("a cancelled one stays cancelled, whatever its agent says") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(delivery());
  const HandOutItem item = world.the_one(agent);
  CHECK(deliver_status(world.ask(CancelCommand{0, "test", id})) == 200);
  tell_delivery(world, agent, item, MarkOutcome::delivered);
  CHECK(world.state(id) == State::cancelled);
}

TEST_CASE("each kind of mark counts for its own kind of command only, and nobody runs a delivery") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId to_deliver = world.submit(delivery());
  const HandOutItem item = world.the_one(agent);
  world.mark(agent, item);
  CHECK(world.state(to_deliver) == State::scheduled);
  CHECK(world.begin(agent, item).verdict == Verdict::drop);
  CHECK(deliver_status(world.ask(HttpBegin{0, to_deliver, 1, "foreign"})) == 409);
  tell_delivery(world, agent, world.the_one(agent), MarkOutcome::delivered);  // it was handed out again
  CHECK(world.state(to_deliver) == State::delivered);
  const CommandId to_run = world.submit(EngineWorld::spec());
  const HandOutItem run = world.the_one(agent);
  CHECK_FALSE(run.deliver);
  tell_delivery(world, agent, run, MarkOutcome::delivered);
  CHECK(world.state(to_run) == State::scheduled);
}

TEST_CASE("of one key the next goes when the one before it is delivered, not while it has no way") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId first = world.submit(delivery("k"));
  const CommandId second = world.submit(delivery("k"));
  const HandOutItem item = world.the_one(agent);
  CHECK(item.id == first);
  tell_delivery(world, agent, item, MarkOutcome::unroutable);
  world.pass(milliseconds{500});
  CHECK(world.handed(agent).empty());
  world.pass(milliseconds{600});
  tell_delivery(world, agent, world.the_one(agent), MarkOutcome::delivered);
  const HandOutItem next = world.the_one(agent);
  CHECK(next.id == second);
}

TEST_CASE("deliveries do not count as waiting in the broker, and a paused queue holds them back") {
  EngineConfig config;
  config.max_queued = 1;
  EngineWorld world(config);
  const SessionId agent = world.connect("a");
  for (int i = 0; i < 3; ++i) world.submit(delivery());
  CHECK(world.handed(agent).size() == 3);
  world.ask(PutQueue{0, "test", "default", true});
  world.submit(delivery());
  CHECK(world.handed(agent).empty());
  world.ask(PutQueue{0, "test", "default", false});
  CHECK(world.handed(agent).size() == 1);
}

TEST_CASE("what depends on a delivery runs when it is delivered") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec child = EngineWorld::spec();
  child.depends_on = {world.submit(delivery())};
  const CommandId waiting = world.submit(child);
  CHECK(world.state(waiting) == State::waiting);
  tell_delivery(world, agent, world.the_one(agent), MarkOutcome::delivered);
  CHECK(world.state(waiting) == State::scheduled);
}

TEST_CASE("a restarted server takes the agent's word for what it has in hand") {
  EngineWorld world;
  const SessionId before = world.connect("a");
  const CommandId id = world.submit(delivery("k"));
  const HandOutItem item = world.the_one(before);
  world.restart();
  Hello hello;
  hello.holdings = {{item.shard, item.epoch}};
  hello.in_hand = {{item.id, item.attempt}};
  const SessionId after = world.connect("a", 1, 100, hello);
  CHECK(world.handed(after).empty());
  tell_delivery(world, after, item, MarkOutcome::delivered);
  CHECK(world.state(id) == State::delivered);
}

}  // namespace duly
