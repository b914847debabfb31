#include "tests/unit/control-server/core/engine_world.h"

namespace duly::test {

EngineWorld::EngineWorld(EngineConfig wanted, int shards) : config(std::move(wanted)) {
  auto opened = Store::open({"duly.db", vfs.name(), shards, false});
  REQUIRE(opened);
  store = std::move(*opened);
  engine = std::make_unique<Engine>(*store, config, now);
}

Status EngineWorld::run(std::vector<Input> inputs) {
  Engine::Batch batch = engine->run(inputs, now);
  if (!batch.status) CHECK(batch.effects.empty());
  for (Effect& effect : batch.effects) effects.push_back(std::move(effect));
  return batch.status;
}

void EngineWorld::pass(Duration length) {
  const MonoTime end = now.mono + length;
  while (now.mono < end) {
    const Duration step = std::min<Duration>(milliseconds{100}, end - now.mono);
    now.mono += step;
    now.wall += step;
    std::vector<Input> inputs;
    for (const auto& [session, lives] : alive) {
      Heartbeat heartbeat;
      heartbeat.broker_up = true;
      if (lives) inputs.emplace_back(SessionSaid{session, heartbeat});
    }
    inputs.emplace_back(Tick{});
    REQUIRE(run(std::move(inputs)));
  }
}

void EngineWorld::restart() {
  engine.reset();
  store.reset();
  auto opened = Store::open({"duly.db", vfs.name(), 0, false});
  REQUIRE(opened);
  store = std::move(*opened);
  engine = std::make_unique<Engine>(*store, config, now);
  alive.clear();
  effects.clear();
}

SessionId EngineWorld::connect(const std::string& name, std::uint64_t incarnation, std::int64_t room,
                               Hello hello) {
  const SessionId session{++last_session_};
  hello.name = name;
  hello.incarnation = Incarnation{incarnation};
  hello.dispatch = hello.execute = true;
  if (hello.queues.empty()) hello.queues = {"default"};
  Heartbeat heartbeat;
  heartbeat.broker_up = true;
  REQUIRE(run({SessionOpened{session, "127.0.0.1:1"}, SessionSaid{session, hello},
               SessionSaid{session, heartbeat}, SessionSaid{session, Credit{room}}}));
  REQUIRE(run({}));  // what was granted is levelled by the next plan
  alive[session] = true;
  return session;
}

void EngineWorld::close(SessionId session) {
  alive.erase(session);
  REQUIRE(run({SessionClosed{session, "test"}}));
}

CommandSpec EngineWorld::spec(const std::string& key) {
  CommandSpec spec;
  spec.type = "t";
  spec.key = key;
  spec.payload = make_bytes("{}");
  return spec;
}

CommandId EngineWorld::submit(CommandSpec spec) {
  const Answer answer = ask(Submit{0, "test", {NewCommand{std::move(spec), "", 0}}});
  REQUIRE(std::holds_alternative<Submitted>(answer.what));
  return std::get<Submitted>(answer.what).items.at(0).id;
}

std::vector<HandOutItem> EngineWorld::handed(SessionId session) {
  std::vector<HandOutItem> items;
  for (const HandOut& batch : take<HandOut>(session)) {
    items.insert(items.end(), batch.items.begin(), batch.items.end());
  }
  return items;
}

HandOutItem EngineWorld::the_one(SessionId session) {
  const auto items = handed(session);
  REQUIRE(items.size() == 1);
  return items[0];
}

void EngineWorld::mark(SessionId session, const HandOutItem& item) {
  say(session, Marks{1, {{item.id, item.attempt, item.token, item.shard, item.epoch}}});
  CHECK_FALSE(take<MarksAck>(session).empty());  // the stale are acknowledged too
}

BegunItem EngineWorld::begin(SessionId session, const HandOutItem& item, std::uint64_t nonce) {
  say(session, Begin{{{item.id, item.attempt, item.token, nonce}}});
  const auto answers = take<Begun>(session);
  REQUIRE(answers.size() == 1);
  REQUIRE(answers[0].items.size() == 1);
  CHECK(answers[0].items[0].nonce == nonce);
  return answers[0].items[0];
}

void EngineWorld::finish(SessionId session, const HandOutItem& item, AttemptOutcome outcome, bool retryable) {
  say(session, Finish{{{item.id, item.attempt, outcome, retryable, "why", nullptr}}});
  CHECK(take<Finished>(session).size() == 1);  // also when it comes too late
}

void EngineWorld::fail_once(SessionId session) {
  const HandOutItem item = the_one(session);
  REQUIRE(begin(session, item).verdict == Verdict::go);
  finish(session, item, AttemptOutcome::failed);
}

StatsSnapshot EngineWorld::stats() {
  return *std::get<StatsAnswer>(ask(Query{0, Query::What::stats, "", {}}).what);
}

}  // namespace duly::test
