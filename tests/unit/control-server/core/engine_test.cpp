// The engine from request to permit: nothing before the commit, one permit, nothing stale.
#include "control-server/core/engine.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/core/engine_host.h"
#include "tests/sim/base/sim_loop.h"
#include "tests/unit/control-server/core/engine_world.h"

namespace duly {

using test::EngineWorld;

static int status_of(const Answer& answer) {
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem == nullptr ? 0 : problem->status;
}

TEST_CASE(
    "nothing is answered or handed out before the commit is on disk, and nothing at all when it fails") {
  EngineWorld* here = nullptr;
  std::vector<std::uint64_t> syncs;
  const auto look = [&] {
    if (here != nullptr) syncs.push_back(here->vfs.counts().syncs);
  };
  EngineConfig config;
  config.before_commit = look;
  config.after_commit = look;
  EngineWorld world(config);
  const SessionId agent = world.connect("a");
  here = &world;
  const std::uint64_t before = world.vfs.counts().syncs;
  world.submit(EngineWorld::spec());
  REQUIRE(syncs.size() == 2);
  CHECK(syncs[0] == before);
  CHECK(syncs[1] > before);
  CHECK(world.handed(agent).size() == 1);

  world.effects.clear();
  world.vfs.fail_syncs(1);
  const Status failed = world.run({Submit{9, "test", {NewCommand{EngineWorld::spec(), "", 0}}}});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == Errc::fatal);
  CHECK(world.effects.empty());
}

TEST_CASE("a command is handed out not earlier than the look-ahead, with the time that is left") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec later = EngineWorld::spec();
  later.delay_ms = 1000;
  world.submit(later);
  world.pass(milliseconds{700});
  CHECK(world.handed(agent).empty());
  world.pass(milliseconds{100});
  CHECK(world.the_one(agent).due_in_us == 200'000);
}

TEST_CASE("no more is handed out than there is credit for") {
  EngineWorld world;
  const SessionId agent = world.connect("a", 1, 3);
  for (int i = 0; i < 5; ++i) world.submit(EngineWorld::spec());
  CHECK(world.handed(agent).size() == 3);
  world.say(agent, Credit{10});
  CHECK(world.handed(agent).size() == 2);
}

TEST_CASE("a mark under the present epoch queues the command, one under an old epoch changes nothing") {
  EngineWorld world;
  const SessionId first = world.connect("a");
  const CommandId id = world.submit(EngineWorld::spec());
  const HandOutItem old = world.the_one(first);
  world.close(first);
  const SessionId second = world.connect("b");
  const HandOutItem present = world.the_one(second);
  CHECK(present.epoch > old.epoch);
  const SessionId back = world.connect("a");
  world.mark(back, old);
  world.mark(second, old);
  CHECK(world.state(id) == State::scheduled);
  CHECK(world.stats().stale_marks == 2);
  world.mark(second, present);
  CHECK(world.state(id) == State::queued);
  CHECK(world.row(id).epoch == present.epoch);
}

TEST_CASE("an attempt gets one permit: the same delivery asks again and gets it again, another never") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const SessionId other = world.connect("b");
  const CommandId id = world.submit(EngineWorld::spec());
  const HandOutItem item = world.the_one(agent);
  world.mark(agent, item);
  const BegunItem first = world.begin(agent, item, 7);
  CHECK(first.verdict == Verdict::go);
  CHECK(first.timeout_ms == 60'000);
  CHECK(world.state(id) == State::running);
  CHECK(world.begin(agent, item, 7).verdict == Verdict::go);
  CHECK(world.begin(agent, item, 8).reason == "already_permitted");
  CHECK(world.begin(other, item, 7).reason == "already_permitted");
  CHECK(world.stats().permitted == 1);
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(world.begin(agent, item, 7).reason == "finished");
  CHECK(world.begin(agent, item, 7).verdict == Verdict::drop);
}

TEST_CASE("a permit is refused for an attempt to come, for an unknown command, and for an expired one") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec spec = EngineWorld::spec();
  spec.expires_at_ms = to_ms(world.now.wall) + 5000;
  const CommandId id = world.submit(spec);
  HandOutItem item = world.the_one(agent);
  HandOutItem wrong = item;
  wrong.attempt = 2;
  CHECK(world.begin(agent, wrong).reason == "stale");
  wrong = item;
  wrong.id = CommandId{1};
  CHECK(world.begin(agent, wrong).reason == "unknown_command");
  world.now.wall += seconds{5};
  CHECK(world.begin(agent, item).reason == "expired");
  CHECK(world.state(id) == State::expired);
}

TEST_CASE("a permit may outrun its mark, which then only says when it was queued") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(EngineWorld::spec());
  const HandOutItem item = world.the_one(agent);
  CHECK(world.begin(agent, item).verdict == Verdict::go);
  CHECK(world.row(id).queued_ms == 0);
  world.mark(agent, item);
  CHECK(world.state(id) == State::running);
  CHECK(world.row(id).queued_ms > 0);
}

TEST_CASE("after a reschedule the message of before neither marks nor starts the command") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId id = world.submit(EngineWorld::spec());
  const HandOutItem old = world.the_one(agent);
  const std::int64_t due = to_ms(world.now.wall) + 1000;
  CHECK(status_of(world.ask(RescheduleCommand{0, "test", id, due})) == 0);
  world.mark(agent, old);
  CHECK(world.state(id) == State::scheduled);
  CHECK(world.begin(agent, old).reason == "stale");
  world.pass(milliseconds{800});
  const HandOutItem fresh = world.the_one(agent);
  CHECK(fresh.token != old.token);
  CHECK(world.begin(agent, old).reason == "stale");
  CHECK(world.begin(agent, fresh).verdict == Verdict::go);
  CHECK(status_of(world.ask(RescheduleCommand{0, "test", id, due})) == 409);
}

TEST_CASE("an idempotency key gives the first command again, and another body is a conflict") {
  EngineWorld world;
  const auto submit = [&](std::vector<NewCommand> commands) {
    return world.ask(Submit{0, "test", std::move(commands)});
  };
  const NewCommand first{EngineWorld::spec(), "k1", 11};
  const auto id = std::get<Submitted>(submit({first}).what).items.at(0).id;
  const auto again = std::get<Submitted>(submit({first}).what).items.at(0);
  CHECK(again.id == id);
  CHECK(again.replayed);

  const NewCommand fresh{EngineWorld::spec(), "k2", 22};
  const NewCommand clash{EngineWorld::spec(), "k1", 99};
  const Answer refused = submit({fresh, NewCommand{EngineWorld::spec(), "", 0}, clash});
  CHECK(status_of(refused) == 422);
  CHECK(std::get<Problem>(refused.what).pointer == "/commands/2/idempotency_key");
  CHECK(world.store->count(State::scheduled) == 1);  // all or nothing
  CHECK_FALSE(world.store->idempotent("k2").has_value());
  CHECK(status_of(submit({fresh, NewCommand{EngineWorld::spec(), "k2", 23}})) == 422);
  CHECK(world.store->count(State::scheduled) == 1);

  const auto items = std::get<Submitted>(submit({fresh, fresh, first}).what).items;
  REQUIRE(items.size() == 3);
  CHECK_FALSE(items[0].replayed);
  CHECK((items[1].replayed && items[1].id == items[0].id));
  CHECK((items[2].replayed && items[2].id == id));
  CHECK(world.store->count(State::scheduled) == 2);
}

TEST_CASE("the statistics of a queue tell what of it has not ended, and who could run it") {
  EngineWorld world;
  world.connect("a");
  world.submit(EngineWorld::spec());
  CommandSpec elsewhere = EngineWorld::spec();
  elsewhere.queue = "lonely";
  world.submit(elsewhere);
  const StatsSnapshot stats = world.stats();
  CHECK(stats.queue_count == 2);
  REQUIRE(stats.queues.size() == 2);
  CHECK((stats.queues[0].name == "default" && stats.queues[1].name == "lonely"));
  CHECK((stats.queues[0].executors == 1 && stats.queues[1].executors == 0));
  CHECK(stats.queues[1].open[1] == 1);  // scheduled
  CHECK_FALSE(stats.queues[1].paused);
}

TEST_CASE("a queue tells which targets its agents spare, as of their last heartbeats") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec elsewhere = EngineWorld::spec();
  elsewhere.queue = "lonely";
  world.submit(EngineWorld::spec());
  world.submit(elsewhere);
  Heartbeat heartbeat;
  heartbeat.broker_up = true;
  heartbeat.circuits = {{"https://a.example:443", false}, {"http://b.example:80", true}};
  const auto circuits = [&world](const std::string& queue) {
    const Answer answer = world.ask(Query{0, Query::What::queue, queue, {}});
    return parse_json(std::get<JsonBody>(answer.what).body, limits::kJsonDepth)->at("circuits").dump();
  };
  CHECK(circuits("default") == "[]");
  world.say(agent, heartbeat);
  CHECK(circuits("default") == R"([{"agent":"a","state":"open","target":"https://a.example:443"},)"
                               R"({"agent":"a","state":"half_open","target":"http://b.example:80"}])");
  CHECK(circuits("lonely") == "[]");  // nobody there consumes it
  heartbeat.circuits.clear();
  world.say(agent, heartbeat);
  CHECK(circuits("default") == "[]");
}

TEST_CASE("at most max_queued commands of a queue are out, and one that starts makes room for the next") {
  EngineConfig config;
  config.max_queued = 2;
  EngineWorld world(config);
  const SessionId agent = world.connect("a");
  for (int i = 0; i < 5; ++i) world.submit(EngineWorld::spec());
  const auto out = world.handed(agent);
  REQUIRE(out.size() == 2);
  world.mark(agent, out[0]);
  world.mark(agent, out[1]);
  CHECK(world.handed(agent).empty());
  CHECK(world.begin(agent, out[0]).verdict == Verdict::go);
  CHECK(world.handed(agent).size() == 1);
}

TEST_CASE("commands of one key go one at a time in order of (due, id), and other keys do not wait for them") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec early = EngineWorld::spec("k");
  const std::int64_t now = to_ms(world.now.wall);
  early.due_at_ms = now - 5;
  CommandSpec late = EngineWorld::spec("k");
  late.due_at_ms = now - 1;
  const Answer answer = world.ask(
      Submit{0,
             "test",
             {NewCommand{late, "", 0}, NewCommand{early, "", 0}, NewCommand{EngineWorld::spec("x"), "", 0}}});
  const auto items = std::get<Submitted>(answer.what).items;
  const auto out = world.handed(agent);
  REQUIRE(out.size() == 2);
  const bool first_is_key = out[0].key == "k";
  const HandOutItem keyed = out[first_is_key ? 0 : 1];
  CHECK(keyed.id == items[1].id);
  CHECK(out[first_is_key ? 1 : 0].id == items[2].id);
  world.mark(agent, keyed);
  CHECK(world.begin(agent, keyed).verdict == Verdict::go);
  CHECK(world.handed(agent).empty());
  world.finish(agent, keyed, AttemptOutcome::succeeded);
  CHECK(world.the_one(agent).id == items[0].id);
}

TEST_CASE("a paused queue hands out nothing until it is resumed") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  world.ask(PutQueue{0, "test", "default", true});
  world.submit(EngineWorld::spec());
  world.pass(milliseconds{300});
  CHECK(world.handed(agent).empty());
  world.restart();
  const SessionId again = world.connect("a", 2);
  world.pass(seconds{6});  // the shard was reserved for the incarnation before
  CHECK(world.handed(again).empty());
  world.ask(PutQueue{0, "test", "default", false});
  CHECK(world.handed(again).size() == 1);
}

TEST_CASE("a full disk refuses the batch whole and by name, and the engine goes on from what is stored") {
  sim::CrashVfs vfs(1);
  sim::SimLoop loop;
  auto store = Store::open({"duly.db", vfs.name(), 1, false});
  REQUIRE(store);
  std::vector<Effect> effects;
  std::vector<ReplyTo> refused;
  EnginePorts ports;
  ports.release = [&](std::vector<Effect>&& more) { effects = std::move(more); };
  ports.refused_full = [&](std::vector<ReplyTo>&& replies) { refused = std::move(replies); };
  ports.fatal = [](const Error& error) { FAIL(error.what); };
  EngineHost host(loop, **store, {}, ports);
  host.start();
  const auto submit = [&](ReplyTo reply, std::size_t bytes) {
    CommandSpec spec = EngineWorld::spec();
    spec.payload = make_bytes("\"" + std::string(bytes, 'x') + "\"");
    REQUIRE(host.submit(Submit{reply, "test", {NewCommand{spec, "key-" + std::to_string(bytes), 1}}}));
    loop.run_for(Duration{1});
  };
  submit(1, 10);
  vfs.set_capacity(vfs.size() + 20'000);
  submit(2, 500'000);
  CHECK(refused == std::vector<ReplyTo>{2});
  CHECK((*store)->count(State::scheduled) == 1);
  CHECK_FALSE((*store)->idempotent("key-500000").has_value());
  vfs.set_capacity(0);
  effects.clear();
  submit(3, 500'000);
  CHECK((*store)->count(State::scheduled) == 2);
  bool answered = false;
  for (const Effect& effect : effects) {
    const auto* answer = std::get_if<Answer>(&effect);
    answered = answered || (answer != nullptr && answer->reply == 3);
  }
  CHECK(answered);
  CHECK((*store)->counters_agree());
}

TEST_CASE("a question on a full disk is answered, once, and a fire that finds no room does not spin") {
  sim::CrashVfs vfs(1);
  sim::SimLoop loop;
  auto store = Store::open({"duly.db", vfs.name(), 1, false});
  REQUIRE(store);
  std::vector<ReplyTo> answers;
  EnginePorts ports;
  ports.release = [&](std::vector<Effect>&& effects) {
    for (const Effect& effect : effects) {
      if (const auto* answer = std::get_if<Answer>(&effect)) answers.push_back(answer->reply);
    }
  };
  int full = 0;
  ports.refused_full = [&](std::vector<ReplyTo>&&) { ++full; };
  ports.fatal = [](const Error& error) { FAIL(error.what); };
  EngineHost host(loop, **store, {}, ports);
  host.start();
  PutSchedule put{1, "test", {}, true, std::nullopt, ""};
  put.spec.name = "large";
  put.spec.timing.every_ms = 1000;
  put.spec.command = EngineWorld::spec();
  put.spec.command.payload = make_bytes("\"" + std::string(500'000, 'x') + "\"");
  REQUIRE(host.submit(std::move(put)));
  loop.run_for(Duration{1});
  REQUIRE(answers == std::vector<ReplyTo>{1});
  vfs.set_capacity(vfs.size() + 20'000);
  loop.run_for(seconds{2});  // it is due
  REQUIRE(full > 0);
  full = 0;
  for (ReplyTo reply = 2; reply < 12; ++reply) {
    REQUIRE(host.submit(Query{reply, Query::What::stats, "", {}}));
    for (int steps = 0; loop.next_at() && *loop.next_at() <= loop.now(); ++steps) {
      REQUIRE(steps < 100);
      loop.run_one();
    }
    CHECK(answers.size() == reply);
  }
  CHECK(full <= 10);
  (*store)->checkpoint_if_beyond(0);
  vfs.set_capacity(0);
  loop.run_for(seconds{6});
  CHECK((*store)->count(State::scheduled) >= 1);
}

TEST_CASE("ten thousand of one key hold up neither the engine nor the others") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  Submit many;
  for (int i = 0; i < 10'000; ++i) many.commands.push_back({EngineWorld::spec("hot"), "", 0});
  REQUIRE(world.run({Input(std::move(many))}));
  const CommandId other = world.submit(EngineWorld::spec());
  std::size_t batches = 1;
  for (; world.engine->next_wakeup(world.now) <= world.now.mono && batches < 100; ++batches)
    REQUIRE(world.run({Tick{}}));
  CHECK(batches >= 3);  // of at most kKeyRefusals each
  CHECK(batches < 100);
  const auto items = world.handed(agent);
  REQUIRE(items.size() == 2);
  CHECK(items[1].id == other);
}

}  // namespace duly
