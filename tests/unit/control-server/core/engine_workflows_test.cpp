// Commands that wait for others: released, cancelled, tried again; a workflow always ends.
#include "tests/unit/control-server/core/engine_world.h"

namespace duly::test {
namespace {

struct Made {
  CommandId id;
  std::vector<CommandId> nodes;
};

// Nodes named n0, n1, … with these parents; those with a payload that names a result take it.
Made make(EngineWorld& world, const std::vector<std::vector<std::size_t>>& parents,
          OnFailure policy = OnFailure::cancel_rest,
          const std::map<std::size_t, std::string>& payloads = {}) {
  SubmitWorkflow input;
  input.work.reply = 900'000;
  input.name = "w";
  input.on_failure = policy;
  for (std::size_t i = 0; i < parents.size(); ++i) {
    CommandSpec spec = EngineWorld::spec();
    spec.retry.max_attempts = 1;
    const auto payload = payloads.find(i);
    if (payload != payloads.end()) spec.payload = make_bytes(payload->second);
    input.nodes.push_back({"n" + std::to_string(i), parents[i], payload != payloads.end()});
    input.work.commands.push_back({spec, "", 0});
  }
  world.effects.clear();
  REQUIRE(world.run({Input(std::move(input))}));
  const auto answers = world.all<Answer>();
  REQUIRE(answers.size() == 1);
  const CommandId id = std::get<Submitted>(answers[0].what).items.at(0).id;
  return {id, world.store->nodes(id)};
}

std::string states(EngineWorld& world, const Made& made) {
  std::string text;
  for (const CommandId id : made.nodes) text += name_of(world.state(id)).substr(0, 2);
  return text;
}

// Runs the one that is handed out; answers which it was.
CommandId run_one(EngineWorld& world, SessionId session, AttemptOutcome outcome,
                  const std::string& result = "") {
  const HandOutItem item = world.the_one(session);
  REQUIRE(world.begin(session, item).verdict == Verdict::go);
  FinishItem finish;
  finish.id = item.id;
  finish.attempt = item.attempt;
  finish.outcome = outcome;
  finish.retryable = true;
  if (!result.empty()) finish.result = make_bytes(result);
  world.say(session, Finish{{finish}});
  CHECK(world.take<Finished>(session).size() == 1);
  return item.id;
}

int change(EngineWorld& world, CommandId id, ChangeWorkflow::What what) {
  const Answer answer = world.ask(ChangeWorkflow{0, "test", id, what});
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem != nullptr ? problem->status : 0;
}

WorkflowRow row(EngineWorld& world, const Made& made) { return *world.store->workflow(made.id); }

using What = ChangeWorkflow::What;

}  // namespace

TEST_CASE("a command is released when its last parent has succeeded, also over a restart") {
  EngineWorld world;
  const Made made = make(world, {{}, {0}, {0, 1}});
  CHECK(states(world, made) == "scwawa");
  world.restart();
  const SessionId agent = world.connect("a");
  CHECK(run_one(world, agent, AttemptOutcome::succeeded) == made.nodes[0]);
  CHECK(states(world, made) == "suscwa");
  world.restart();
  const SessionId again = world.connect("a", 2);
  world.pass(seconds{6});  // the shard was held by the one before
  CHECK(run_one(world, again, AttemptOutcome::succeeded) == made.nodes[1]);
  CHECK(run_one(world, again, AttemptOutcome::succeeded) == made.nodes[2]);
  CHECK(row(world, made).state == WorkflowState::succeeded);
  CHECK(row(world, made).open == 0);
  CHECK(world.store->open_workflow_count() == 0);
  CHECK(world.store->counters_agree());
}

TEST_CASE("when one fails the rest is cancelled, or only what depends on it") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  // n0 → n1 → n2 and, beside them, n3 that waits for n0 too, and n4 for it.
  const std::vector<std::vector<std::size_t>> graph{{}, {0}, {1}, {0}, {3}};
  const Made rest = make(world, graph, OnFailure::cancel_rest);
  run_one(world, agent, AttemptOutcome::failed);
  CHECK(states(world, rest) == "decacacaca");
  CHECK(row(world, rest).state == WorkflowState::failed);

  const Made on = make(world, {{}, {}, {0}, {1}, {2}}, OnFailure::keep_on);
  auto items = world.handed(agent);
  REQUIRE(items.size() == 2);
  const std::size_t first = items[0].id == on.nodes[0] ? 0 : 1;
  CHECK(world.begin(agent, items[first]).verdict == Verdict::go);
  world.finish(agent, items[first], AttemptOutcome::failed);
  CHECK(states(world, on) ==
        "descca"
        "waca");
  CHECK(row(world, on).state == WorkflowState::running);
  CHECK(world.begin(agent, items[1 - first]).verdict == Verdict::go);
  world.finish(agent, items[1 - first], AttemptOutcome::succeeded);
  CHECK(run_one(world, agent, AttemptOutcome::succeeded) == on.nodes[3]);
  CHECK(row(world, on).state == WorkflowState::failed);
  CHECK(row(world, on).failed == 3);
}

TEST_CASE("a retry takes up what failed and what was cancelled for it, and leaves what succeeded") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const Made made = make(world, {{}, {0}, {1}});
  CHECK(change(world, made.id, What::retry) == 409);
  run_one(world, agent, AttemptOutcome::succeeded);
  run_one(world, agent, AttemptOutcome::failed);
  CHECK(states(world, made) == "sudeca");
  CHECK(change(world, made.id, What::retry) == 0);
  CHECK(states(world, made) == "suscwa");
  CHECK(row(world, made).state == WorkflowState::running);
  CHECK(row(world, made).failed == 0);
  CHECK(run_one(world, agent, AttemptOutcome::succeeded) == made.nodes[1]);
  CHECK(run_one(world, agent, AttemptOutcome::succeeded) == made.nodes[2]);
  CHECK(row(world, made).state == WorkflowState::succeeded);
  CHECK(change(world, made.id, What::retry) == 409);
  CHECK(change(world, made.id, What::cancel) == 409);
  CHECK(change(world, CommandId{5}, What::cancel) == 404);
}

TEST_CASE("a cancelled workflow cancels all that has not ended, and can be taken up again") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const Made made = make(world, {{}, {0}, {1}});
  const HandOutItem item = world.the_one(agent);
  CHECK(world.begin(agent, item).verdict == Verdict::go);
  CHECK(change(world, made.id, What::cancel) == 0);
  CHECK(world.take<CancelRun>(agent).size() == 1);
  CHECK(states(world, made) == "cacaca");
  CHECK(row(world, made).state == WorkflowState::cancelled);
  CHECK(change(world, made.id, What::cancel) == 0);
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(states(world, made) == "cacaca");
  CHECK(change(world, made.id, What::retry) == 0);
  CHECK(states(world, made) == "scwawa");
  for (int i = 0; i < 3; ++i) run_one(world, agent, AttemptOutcome::succeeded);
  CHECK(row(world, made).state == WorkflowState::succeeded);
}

TEST_CASE("results go into the payload when it is released; one that is not there cancels") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const Made made =
      make(world, {{}, {0}, {1}}, OnFailure::cancel_rest,
           {{1, R"({"n":{"$result":"n0","pointer":"/total"}})"}, {2, R"({"$result":"n1","pointer":"/x"})"}});
  run_one(world, agent, AttemptOutcome::succeeded, R"({"total": 1.50})");
  const HandOutItem second = world.the_one(agent);
  CHECK(*second.payload == R"({"n":1.50})");
  CHECK(world.begin(agent, second).verdict == Verdict::go);
  world.finish(agent, second, AttemptOutcome::succeeded);
  CHECK(states(world, made) == "susuca");
  CHECK(row(world, made).state == WorkflowState::failed);
}

TEST_CASE("depends_on of single commands: met, unmet, ended badly, unknown") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  CommandSpec once = EngineWorld::spec();
  once.retry.max_attempts = 1;
  const CommandId parent = world.submit(once);
  CommandSpec child = EngineWorld::spec();
  child.depends_on = {parent};
  const CommandId waits = world.submit(child);
  CHECK(world.state(waits) == State::waiting);
  CHECK(run_one(world, agent, AttemptOutcome::succeeded) == parent);
  CHECK(run_one(world, agent, AttemptOutcome::succeeded) == waits);
  const CommandId at_once = world.submit(child);
  CHECK(world.state(at_once) == State::scheduled);
  run_one(world, agent, AttemptOutcome::succeeded);

  const CommandId bad = world.submit(once);
  child.depends_on = {at_once, bad};
  const CommandId doomed = world.submit(child);
  child.depends_on = {doomed};
  const CommandId doomed_too = world.submit(child);
  run_one(world, agent, AttemptOutcome::failed);
  CHECK(world.state(bad) == State::dead);
  CHECK(world.state(doomed) == State::cancelled);
  CHECK(world.state(doomed_too) == State::cancelled);
  const CommandId late = world.submit(child);
  CHECK(world.state(late) == State::cancelled);
  CHECK(world.store->count(State::waiting) == 0);
  CHECK(world.store->counters_agree());

  child.depends_on = {CommandId{7}};
  const Answer refused = world.ask(Submit{0, "test", {{child, "", 0}}});
  REQUIRE(std::holds_alternative<Problem>(refused.what));
  CHECK(std::get<Problem>(refused.what).pointer == "/commands/0/depends_on/0");
}

TEST_CASE("an end and those that begin to wait for it in one batch are counted once") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  const CommandId first = world.submit(EngineWorld::spec());
  const CommandId second = world.submit(EngineWorld::spec());
  auto items = world.handed(agent);
  REQUIRE(items.size() == 2);
  for (const HandOutItem& item : items) CHECK(world.begin(agent, item).verdict == Verdict::go);
  CommandSpec child = EngineWorld::spec();
  child.depends_on = {first, second};
  FinishItem done;
  done.id = first;
  done.attempt = 1;
  Submit submit;
  submit.reply = 77;
  submit.commands.push_back({child, "", 0});
  REQUIRE(world.run({Input(SessionSaid{agent, Finish{{done}}}), Input(std::move(submit))}));
  const CommandId waits = world.store->waiting_children(second).at(0);
  CHECK(world.state(waits) == State::waiting);
  done.id = second;
  world.say(agent, Finish{{done}});
  CHECK(world.state(waits) == State::scheduled);
}

TEST_CASE("a waiting command can be rescheduled, cancelled, and expires in its time") {
  EngineWorld world;
  const CommandId parent = world.submit(EngineWorld::spec());
  CommandSpec child = EngineWorld::spec();
  child.depends_on = {parent};
  const CommandId later = world.submit(child);
  const std::int64_t due = to_ms(world.now.wall) + 60'000;
  world.ask(RescheduleCommand{0, "test", later, due});
  CHECK(world.state(later) == State::waiting);
  const CommandId gone = world.submit(child);
  world.ask(CancelCommand{0, "test", gone});
  CHECK(world.state(gone) == State::cancelled);
  child.expires_at_ms = to_ms(world.now.wall) + 1000;
  const CommandId expires = world.submit(child);
  world.pass(seconds{3});
  CHECK(world.state(expires) == State::expired);
  const SessionId agent = world.connect("a");
  run_one(world, agent, AttemptOutcome::succeeded);
  CHECK(world.state(later) == State::scheduled);
  CHECK(world.row(later).due_ms == due);
}

TEST_CASE("a thousand deep or ten thousand wide, ends are settled without a stack") {
  EngineWorld world;
  std::vector<std::vector<std::size_t>> chain(1000);
  for (std::size_t i = 1; i < chain.size(); ++i) chain[i] = {i - 1};
  const Made deep = make(world, chain, OnFailure::keep_on);
  world.ask(CancelCommand{0, "test", deep.nodes[0]});
  CHECK(world.state(deep.nodes.back()) == State::cancelled);
  CHECK(row(world, deep).state == WorkflowState::failed);
  std::vector<std::vector<std::size_t>> star(10'000, {0});
  star[0] = {};
  const Made wide = make(world, star);
  CHECK(change(world, wide.id, What::cancel) == 0);
  CHECK(row(world, wide).failed == 10'000);
  CHECK(change(world, wide.id, What::retry) == 0);
  CHECK(world.store->count(State::waiting) == 9'999);
}

namespace {

// n0 succeeds, n1 dies, n2 waits for both, n3 for n2 and takes the result of n0; then what is in `state` is
// removed.
Made half_removed(EngineWorld& world, State state) {
  const SessionId agent = world.connect("a");
  const Made made =
      make(world, {{}, {0}, {0, 1}, {0, 2}}, OnFailure::cancel_rest, {{3, R"({"$result": "n0"})"}});
  REQUIRE(run_one(world, agent, AttemptOutcome::succeeded, "1") == made.nodes[0]);
  REQUIRE(run_one(world, agent, AttemptOutcome::failed) == made.nodes[1]);
  REQUIRE(states(world, made) == "sudecaca");
  REQUIRE(world.run({BrokerState{true}}));
  const PublishTicket ticket = world.all<PublishDeadLetter>().at(0).ticket;
  REQUIRE(world.run({DeadLetterSettled{ticket, PublishOutcome::confirmed}}));
  world.pass(seconds{65});
  REQUIRE_FALSE(world.store->find(made.nodes[state == State::succeeded ? 0 : 1]).has_value());
  return made;
}

EngineConfig removing(State state) {
  EngineConfig config;
  config.removal.retention.rules = {{state, "", kMinute}};
  return config;
}

}  // namespace

TEST_CASE("what waited for a failure that was removed does not run") {
  EngineWorld world(removing(State::dead));
  const Made made = half_removed(world, State::dead);
  CHECK(change(world, made.id, What::retry) == 409);
  CHECK(world.state(made.nodes[2]) == State::cancelled);
}

TEST_CASE("what waited for a success that was removed may run, unless it takes its result") {
  EngineWorld world(removing(State::succeeded));
  const Made made = half_removed(world, State::succeeded);
  CHECK(change(world, made.id, What::retry) == 0);
  CHECK(world.state(made.nodes[1]) == State::scheduled);
  CHECK(world.state(made.nodes[2]) == State::waiting);
  CHECK(world.state(made.nodes[3]) == State::cancelled);
}

}  // namespace duly::test
