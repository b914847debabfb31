// Queue limits: at the permit, before handing out, over restarts.
#include <algorithm>

#include "common/wire/json.h"
#include "tests/unit/control-server/core/engine_world.h"

namespace duly {
namespace {

using test::EngineWorld;

void limit(EngineWorld& world, std::optional<std::int64_t> running, std::optional<StartRate> rate) {
  PutQueue put;
  put.actor = "test";
  put.queue = "default";
  put.max_running = running;
  put.rate = rate;
  world.ask(put);
}

void submit_many(EngineWorld& world, int count) {
  for (int i = 0; i < count; ++i) world.submit(EngineWorld::spec());
}

Json view(EngineWorld& world) {
  const Answer answer = world.ask(Query{0, Query::What::queue, "default", {}});
  return *parse_json(std::get<JsonBody>(answer.what).body, 8);
}

std::vector<std::string> reasons(EngineWorld& world, CommandId id) {
  const Answer answer = world.ask(Query{0, Query::What::explain, "", id});
  std::vector<std::string> codes;
  const Json body = *parse_json(std::get<JsonBody>(answer.what).body, 8);
  for (const Json& reason : body["reasons"]) codes.push_back(reason["code"]);
  return codes;
}

bool has(const std::vector<std::string>& codes, const std::string& code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

TEST_CASE("no more is handed out than may run, and an end makes room") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  limit(world, 2, std::nullopt);
  submit_many(world, 5);
  auto out = world.handed(agent);
  REQUIRE(out.size() == 2);
  for (const HandOutItem& item : out) {
    world.mark(agent, item);
    CHECK(world.begin(agent, item).verdict == Verdict::go);
  }
  world.pass(seconds{3});
  CHECK(world.handed(agent).empty());
  CHECK(view(world)["running"] == 2);
  world.finish(agent, out[0], AttemptOutcome::succeeded);
  CHECK(world.handed(agent).size() == 1);
}

TEST_CASE(
    "of messages that were out when the limit was lowered only as many start, and the rest come again") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  submit_many(world, 3);
  const auto out = world.handed(agent);
  REQUIRE(out.size() == 3);
  world.mark(agent, out[0]);
  world.mark(agent, out[1]);
  limit(world, 1, std::nullopt);
  CHECK(world.begin(agent, out[0]).verdict == Verdict::go);
  const BegunItem refused = world.begin(agent, out[1]);
  CHECK(refused.verdict == Verdict::drop);
  CHECK(refused.reason == "queue_limit");
  CHECK(world.begin(agent, out[2]).verdict == Verdict::drop);  // its mark is late
  world.mark(agent, out[2]);
  CHECK(world.state(out[1].id) == State::queued);
  CHECK(world.state(out[2].id) == State::queued);
  CHECK(world.handed(agent).empty());
  CHECK(has(reasons(world, out[1].id), "queue_limit"));
  world.finish(agent, out[0], AttemptOutcome::succeeded);
  const HandOutItem again = world.the_one(agent);
  CHECK(again.attempt == 1);
  CHECK((again.id == out[1].id || again.id == out[2].id));
  CHECK(world.begin(agent, again, 7).verdict == Verdict::go);
  CHECK(world.handed(agent).empty());
  world.finish(agent, again, AttemptOutcome::succeeded);
  CHECK(world.the_one(agent).id != again.id);
}

TEST_CASE("limits are over all agents, and over a restart") {
  EngineWorld world({}, 8);
  limit(world, 3, std::nullopt);
  const SessionId one = world.connect("a");
  const SessionId two = world.connect("b");
  world.pass(seconds{3});
  submit_many(world, 40);
  world.pass(milliseconds{500});
  const auto of_one = world.handed(one);
  const auto of_two = world.handed(two);
  CHECK(of_one.size() + of_two.size() == 3);
  for (const HandOutItem& item : of_one) CHECK(world.begin(one, item).verdict == Verdict::go);
  for (const HandOutItem& item : of_two) CHECK(world.begin(two, item).verdict == Verdict::go);
  world.restart();
  CHECK(view(world)["max_running"] == 3);
  const SessionId stranger = world.connect("c");
  world.pass(milliseconds{5200});
  CHECK(world.state(of_one.empty() ? of_two[0].id : of_one[0].id) == State::scheduled);  // lost by now
  CHECK(world.handed(stranger).size() == 3);
}

TEST_CASE("both agents have their turn at a narrow queue") {
  EngineWorld world({}, 8);
  limit(world, 1, std::nullopt);
  const SessionId agents[] = {world.connect("a"), world.connect("b")};
  world.pass(seconds{6});  // whose shards moved is overruled after a while
  submit_many(world, 60);
  world.pass(milliseconds{200});
  std::size_t served[2] = {0, 0};
  std::set<ShardId> shards;
  for (int i = 0; i < 60; ++i) {
    for (std::size_t who = 0; who < 2; ++who) {
      for (const HandOutItem& item : world.handed(agents[who])) {
        world.begin(agents[who], item, static_cast<std::uint64_t>(i + 1));
        world.finish(agents[who], item, AttemptOutcome::succeeded);
        ++served[who];
        if (i < 30) shards.insert(item.shard);
      }
    }
  }
  CHECK(served[0] + served[1] == 60);
  CHECK(shards.size() >= 7);
}

TEST_CASE("no more start within a span than the rate allows, and a restart does not forget it") {
  EngineWorld world;
  SessionId agent = world.connect("a");
  limit(world, std::nullopt, StartRate{2, 10'000});
  submit_many(world, 5);
  auto out = world.handed(agent);
  REQUIRE(out.size() == 2);
  for (const HandOutItem& item : out) {
    CHECK(world.begin(agent, item).verdict == Verdict::go);
    world.finish(agent, item, AttemptOutcome::succeeded);
  }
  world.pass(seconds{1});
  CHECK(world.handed(agent).empty());
  world.restart();
  agent = world.connect("a", 2);
  world.pass(milliseconds{8800});
  CHECK(world.handed(agent).empty());
  world.pass(milliseconds{500});
  CHECK(world.handed(agent).size() == 2);
  CHECK(view(world)["rate"] == Json({{"count", 2}, {"per_ms", 10'000}}));
}

TEST_CASE("a start in vain of the rate's sake comes again, and the engine wakes for it") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  submit_many(world, 2);
  const auto out = world.handed(agent);
  REQUIRE(out.size() == 2);
  for (const HandOutItem& item : out) world.mark(agent, item);
  limit(world, std::nullopt, StartRate{1, 50});
  CHECK(world.begin(agent, out[0]).verdict == Verdict::go);
  CHECK(world.begin(agent, out[1]).reason == "rate_limit");
  CHECK(has(reasons(world, out[1].id), "rate_limit"));
  CHECK(world.handed(agent).empty());
  REQUIRE(world.run({Tick{}}));
  const MonoTime wakes = world.engine->next_wakeup(world.now);
  CHECK(wakes > world.now.mono);
  CHECK(wakes <= world.now.mono + milliseconds{52});
  world.pass(milliseconds{60});
  CHECK(world.the_one(agent).id == out[1].id);
}

TEST_CASE("what an operator does not name stays, and null removes") {
  EngineWorld world;
  limit(world, 5, StartRate{10, 1000});
  PutQueue put;
  put.queue = "default";
  put.paused = true;
  put.max_running = std::optional<std::int64_t>{};
  world.ask(put);
  world.restart();
  const Json queue = view(world);
  CHECK(queue["paused"] == true);
  CHECK(queue["max_running"].is_null());
  CHECK(queue["rate"]["count"] == 10);
}

TEST_CASE("what is handed out says how many of its queue may travel together, also after a restart") {
  EngineWorld world;
  PutQueue put;
  put.queue = "default";
  put.bundle = 40;
  world.ask(put);
  limit(world, 5, std::nullopt);  // leaves it as it is
  CHECK(view(world)["bundle"] == 40);
  world.restart();
  CHECK(view(world)["bundle"] == 40);
  CHECK(view(world)["max_running"] == 5);
  const SessionId agent = world.connect("a");
  world.pass(milliseconds{5200});
  submit_many(world, 1);
  CHECK(world.the_one(agent).bundle == 40);
}

TEST_CASE(
    "who consumes a queue is told how many commands a message may carry, at first and when it changes") {
  EngineWorld world;
  const auto put = [&](std::int64_t bundle) {
    PutQueue change;
    change.queue = "default";
    change.bundle = bundle;
    world.ask(change);
  };
  put(40);
  Hello elsewhere;
  elsewhere.queues = {"other"};
  const SessionId consumer = world.connect("a");
  const SessionId stranger = world.connect("b", 2, 100, elsewhere);
  const auto welcome = world.take<Welcome>(consumer);
  REQUIRE(welcome.size() == 1);
  REQUIRE(welcome[0].bundles.size() == 1);
  CHECK((welcome[0].bundles[0].queue == "default" && welcome[0].bundles[0].bundle == 40));
  CHECK(world.take<Welcome>(stranger).at(0).bundles.empty());
  put(1);
  const auto told = world.take<Bundles>(consumer);
  REQUIRE(told.size() == 1);
  CHECK((told[0].items.size() == 1 && told[0].items[0].bundle == 1));
  CHECK(world.take<Bundles>(stranger).empty());
  put(1);  // nothing has changed
  CHECK(world.take<Bundles>(consumer).empty());
}

TEST_CASE("a command that was held back can be cancelled, and never starts") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  submit_many(world, 2);
  const auto out = world.handed(agent);
  for (const HandOutItem& item : out) world.mark(agent, item);
  limit(world, 1, std::nullopt);
  world.begin(agent, out[0]);
  world.begin(agent, out[1]);
  world.ask(CancelCommand{0, "test", out[1].id});
  world.finish(agent, out[0], AttemptOutcome::succeeded);
  CHECK(world.handed(agent).empty());
  CHECK(world.state(out[1].id) == State::cancelled);
}

}  // namespace duly
