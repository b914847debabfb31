// Acts on many commands: what they find, in what steps, over a restart.
#include <algorithm>

#include "common/wire/json.h"
#include "tests/unit/control-server/core/engine_world.h"

namespace duly {
namespace {

using test::EngineWorld;

EngineConfig small_steps(int rows) {
  EngineConfig config;
  config.operation_rows = rows;
  return config;
}

Json body_of(const Answer& answer, int status) {
  const auto* body = std::get_if<JsonBody>(&answer.what);
  REQUIRE(body != nullptr);
  CHECK(body->status == status);
  return *parse_json(body->body, 8);
}

// Begins the act; its id.
CommandId start(EngineWorld& world, OperationKind kind, OperationFilter filter, bool dry_run = false) {
  StartOperation request;
  request.actor = "eve";
  request.kind = kind;
  request.filter = std::move(filter);
  request.dry_run = dry_run;
  const Json json = body_of(world.ask(std::move(request)), 202);
  return parse_operation_id(json["id"].get<std::string>()).value();
}

Json look(EngineWorld& world, CommandId id) {
  return body_of(world.ask(Query{0, Query::What::operation, "", id}), 200);
}

OperationFilter of_queue(const std::string& queue) {
  OperationFilter filter;
  filter.match.queue = queue;
  return filter;
}

CommandSpec later(const std::string& key = "") {
  CommandSpec spec = EngineWorld::spec(key);
  spec.delay_ms = 60'000;
  return spec;
}

std::vector<CommandId> submit_many(EngineWorld& world, int count, const CommandSpec& spec) {
  std::vector<CommandId> ids;
  for (int i = 0; i < count; ++i) ids.push_back(world.submit(spec));
  return ids;
}

}  // namespace

TEST_CASE("a bulk cancel ends what matches, in steps, and nothing that was made later") {
  EngineWorld world(small_steps(4));
  const auto ids = submit_many(world, 10, later());
  CommandSpec other = later();
  other.queue = "other";
  const CommandId spared = world.submit(other);
  const CommandId operation = start(world, OperationKind::cancel, of_queue("default"));
  CHECK(look(world, operation)["state"] == "running");
  CHECK(world.store->count(State::cancelled) <= 4);
  const CommandId late = world.submit(later());
  world.pass(seconds{1});
  const Json done = look(world, operation);
  CHECK(done["state"] == "done");
  CHECK(done["matched"] == 10);
  CHECK(done["changed"] == 10);
  CHECK(done["skipped"] == 0);
  CHECK(done["by"] == "eve");
  CHECK_FALSE(done["finished_at"].is_null());
  for (const CommandId id : ids) CHECK(world.state(id) == State::cancelled);
  CHECK(world.state(late) == State::scheduled);
  CHECK(world.state(spared) == State::scheduled);
  CHECK(world.store->counters_agree());
}

TEST_CASE("a restart goes on where the act was, and counts nothing twice") {
  EngineWorld world(small_steps(3));
  submit_many(world, 20, later());
  const CommandId operation = start(world, OperationKind::cancel, of_queue("default"));
  while (world.store->count(State::cancelled) < 7) world.pass(milliseconds{10});
  CHECK(world.store->count(State::cancelled) < 20);
  world.restart();
  world.pass(seconds{1});
  const Json done = look(world, operation);
  CHECK(done["state"] == "done");
  CHECK(done["changed"] == 20);
  CHECK(done["matched"] == 20);
  const CommandId next = world.submit(later());
  CHECK(next > operation);
}

TEST_CASE("a dry run counts and changes nothing") {
  EngineWorld world;
  const auto ids = submit_many(world, 3, later());
  world.ask(CancelCommand{0, "test", ids[0]});
  const CommandId operation = start(world, OperationKind::cancel, of_queue("default"), true);
  world.pass(milliseconds{200});
  const Json done = look(world, operation);
  CHECK(done["state"] == "done");
  CHECK(done["dry_run"] == true);
  CHECK(done["matched"] == 3);
  CHECK(done["changed"] == 0);
  CHECK(done["skipped"] == 1);
  CHECK(world.store->count(State::scheduled) == 2);
}

TEST_CASE("an act can be stopped, and stays where it was") {
  EngineWorld world(small_steps(2));
  submit_many(world, 20, later());
  const CommandId operation = start(world, OperationKind::cancel, of_queue("default"));
  world.pass(milliseconds{200});
  const Json stopped = body_of(world.ask(StopOperation{0, "eve", operation}), 200);
  CHECK(stopped["state"] == "stopped");
  const auto changed = world.store->count(State::cancelled);
  CHECK(stopped["changed"] == changed);
  world.pass(seconds{1});
  CHECK(world.store->count(State::cancelled) == changed);
  CHECK(body_of(world.ask(StopOperation{0, "eve", operation}), 200)["state"] == "stopped");
  CHECK(std::get<Problem>(world.ask(StopOperation{0, "eve", CommandId{5}}).what).status == 404);
}

TEST_CASE("every criterion counts, each through its own walk") {
  EngineWorld world;
  CommandSpec labelled = later();
  labelled.labels = {{"team", "a"}, {"kind", "x"}};
  const CommandId both = world.submit(labelled);
  labelled.labels = {{"team", "a"}, {"kind", "y"}};
  const CommandId one = world.submit(labelled);
  const CommandId keyed = world.submit(later("k"));
  CommandSpec typed = later();
  typed.type = "u";
  const CommandId of_type = world.submit(typed);
  const auto counted = [&](const OperationFilter& filter) {
    const CommandId operation = start(world, OperationKind::cancel, filter, true);
    world.pass(milliseconds{300});
    return look(world, operation)["matched"].get<int>();
  };
  OperationFilter filter;
  filter.match.labels = {{"team", "a"}};
  CHECK(counted(filter) == 2);
  filter.match.labels = {{"team", "a"}, {"kind", "x"}};
  CHECK(counted(filter) == 1);
  filter = {};
  filter.match.key = "k";
  CHECK(counted(filter) == 1);
  filter = {};
  filter.match.type = "u";
  CHECK(counted(filter) == 1);
  filter.match.type = "never seen";
  CHECK(counted(filter) == 0);
  filter = {};
  filter.match.state = State::queued;
  CHECK(counted(filter) == 0);
  filter.match.state = State::scheduled;
  CHECK(counted(filter) == 4);
  filter = {};
  filter.match.due_before_ms = to_ms(world.now.wall);
  CHECK(counted(filter) == 0);
  filter.match.due_before_ms = to_ms(world.now.wall) + 3'600'000;
  CHECK(counted(filter) == 4);
  filter.match.due_after_ms = to_ms(world.now.wall) + 1'800'000;
  CHECK(counted(filter) == 0);
  filter = {};
  filter.ids = {keyed, both, keyed, CommandId{1}};
  CHECK(counted(filter) == 2);
  filter.match.queue = "other";
  CHECK(counted(filter) == 0);
  filter = {};
  filter.all = true;
  CHECK(counted(filter) == 4);
  CHECK((one.value != 0 && of_type.value != 0));
}

TEST_CASE("a bulk cancel of a key starts none of it, and stops what runs") {
  EngineWorld world(small_steps(2));
  const SessionId agent = world.connect("a");
  const auto ids = submit_many(world, 9, EngineWorld::spec("k"));
  world.begin(agent, world.the_one(agent));
  OperationFilter filter;
  filter.match.key = "k";
  start(world, OperationKind::cancel, filter);
  world.pass(seconds{1});
  CHECK(world.handed(agent).empty());
  CHECK(world.take<CancelRun>(agent).size() == 1);
  for (const CommandId id : ids) CHECK(world.state(id) == State::cancelled);
}

TEST_CASE("a bulk retry redrives what is dead and says who and why") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec spec = EngineWorld::spec();
  spec.retry = {1, 0, 1.0, 0, 0.0};
  const CommandId id = world.submit(spec);
  world.fail_once(agent);
  REQUIRE(world.state(id) == State::dead);
  world.submit(later());
  const CommandId operation = start(world, OperationKind::retry, of_queue("default"));
  world.pass(milliseconds{300});
  const Json done = look(world, operation);
  CHECK(done["changed"] == 1);
  CHECK(done["skipped"] == 1);
  CHECK(world.state(id) == State::scheduled);
  CHECK(world.handed(agent).size() == 1);
}

TEST_CASE("only so many acts at a time, each has its turn, and only the newest are kept") {
  EngineWorld world(small_steps(1));
  submit_many(world, 40, later());
  OperationFilter everything;
  everything.all = true;
  std::vector<CommandId> operations;
  for (std::size_t i = 0; i < limits::kOperationsRunning; ++i)
    operations.push_back(start(world, OperationKind::cancel, everything, true));
  StartOperation more;
  more.filter = everything;
  CHECK(std::get<Problem>(world.ask(std::move(more)).what).status == 409);
  world.pass(seconds{3});
  for (const CommandId id : operations) CHECK(look(world, id)["matched"].get<int>() >= 1);
  while (!world.store->running_operations().empty()) world.pass(seconds{1});
  for (std::size_t i = 0; i < limits::kOperationsKept + 5; ++i) {
    start(world, OperationKind::cancel, of_queue("none"));
    world.pass(milliseconds{100});
  }
  CHECK(world.store->operations(1000).size() <= limits::kOperationsKept + 1);
  CHECK(world.engine->next_wakeup(world.now) > world.now.mono);
}

TEST_CASE("a filter reads back as it was written, and one that is not understood acts on nothing") {
  OperationFilter filter;
  filter.match.state = State::dead;
  filter.match.type = "t";
  filter.match.queue = "q";
  filter.match.key = "a \"key\"";
  filter.match.labels = {{"x", "1"}, {"y", "2"}};
  filter.match.due_before_ms = 1'767'225'600'123;
  filter.match.due_after_ms = 0;
  filter.ids = {CommandId{77}, CommandId{78}};
  const std::string text = filter_text(filter);
  const auto again = read_filter(text);
  REQUIRE(again);
  CHECK(filter_text(*again) == text);
  CHECK(again->match.due_after_ms == 0);
  CHECK(again->ids == filter.ids);
  CHECK_FALSE(read_filter(R"({"color":"red"})"));
  CHECK_FALSE(read_filter("nonsense"));
}

}  // namespace duly
