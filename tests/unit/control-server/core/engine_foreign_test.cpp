// Executors that are no agents: begin, heartbeat and finish over HTTP, results by message.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/control-server/core/engine_world.h"

namespace duly {
namespace {

using test::EngineWorld;

constexpr std::int64_t kTimeoutMs = 5000;

CommandSpec work() {
  CommandSpec spec = EngineWorld::spec();
  spec.timeout_ms = kTimeoutMs;
  spec.retry = RetryPolicy{3, 100, 1.0, 100, 0.0};
  return spec;
}

int http_status(const Answer& answer) {
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem != nullptr ? problem->status : 200;
}

std::string body_of(const Answer& answer) { return std::get<JsonBody>(answer.what).body; }

struct World : EngineWorld {
  SessionId agent = connect("a");
  CommandId id = submit(work());
  HandOutItem item = the_one(agent);

  int begin_as(const std::string& name, int attempt = 1) {
    return http_status(ask(HttpBegin{0, id, attempt, name}));
  }
  Answer beat(const std::string& name = "", int attempt = 1) {
    return ask(HttpHeartbeat{0, id, attempt, name});
  }
  int finish_as(const std::string& name, AttemptOutcome outcome = AttemptOutcome::succeeded,
                int attempt = 1) {
    return http_status(ask(HttpFinish{0, {id, attempt, outcome, true, "", nullptr}, name}));
  }
  int report(int attempt, AttemptOutcome outcome = AttemptOutcome::succeeded,
             std::optional<Token> token = std::nullopt, const std::string& name = "") {
    return http_status(ask(ResultMessage{0, {id, attempt, outcome, true, "", nullptr}, token, name}));
  }
  // Until the next attempt is handed out.
  HandOutItem next() {
    pass(milliseconds{200});
    return the_one(agent);
  }
  State state() { return EngineWorld::state(id); }
};

}  // namespace

TEST_CASE("a foreign attempt without a sign is lost after its time-out, no earlier and not much later") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  world.pass(milliseconds{kTimeoutMs - 100});
  CHECK(world.state() == State::running);
  world.pass(milliseconds{1000});
  CHECK(world.state() == State::scheduled);
  CHECK(world.row(world.id).losses == 1);
  CHECK(world.finish_as("py") == 409);
  CHECK(world.beat("py").what.index() == Answer{0, Problem{}}.what.index());
  CHECK(world.stats().stale_results == 1);
}

TEST_CASE("a heartbeat keeps an attempt for another time-out") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  for (int i = 0; i < 5; ++i) {
    world.pass(milliseconds{kTimeoutMs - 500});
    CHECK(body_of(world.beat("py")) == R"({"state":"running","cancelled":false,"timeout_ms":5000})");
  }
  CHECK(world.state() == State::running);
  world.pass(milliseconds{kTimeoutMs - 500});
  CHECK(http_status(world.beat()) == 200);  // whoever it is that began it
  world.pass(milliseconds{kTimeoutMs + 500});
  CHECK(world.state() == State::scheduled);
}

TEST_CASE("a heartbeat of another executor or attempt is refused and keeps nothing") {
  World world;
  CHECK(http_status(world.beat("py")) == 409);  // nobody has begun
  REQUIRE(world.begin_as("py") == 200);
  world.pass(milliseconds{kTimeoutMs - 500});
  CHECK(http_status(world.beat("pz")) == 409);
  CHECK(http_status(world.beat("py", 2)) == 409);
  CHECK(http_status(world.ask(HttpHeartbeat{0, CommandId{1}, 1, "py"})) == 404);
  world.pass(milliseconds{1000});
  CHECK(world.state() == State::scheduled);
  const HandOutItem second = world.next();
  REQUIRE(world.begin(world.agent, second).verdict == Verdict::go);
  CHECK(http_status(world.beat("", 2)) == 409);  // it is an agent's: that one has a session
}

TEST_CASE("after a restart a foreign attempt has its whole time again, and its executor goes on with it") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  world.pass(milliseconds{kTimeoutMs - 500});
  world.restart();
  world.pass(milliseconds{kTimeoutMs - 500});
  CHECK(world.state() == State::running);
  CHECK(http_status(world.beat("pz")) == 409);
  CHECK(http_status(world.beat("py")) == 200);
  world.pass(milliseconds{kTimeoutMs - 500});
  CHECK(world.finish_as("py") == 200);
  CHECK(world.state() == State::succeeded);
}

TEST_CASE("who runs a cancelled attempt is told so, and nobody else") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  world.ask(CancelCommand{0, "ann", world.id});
  CHECK(body_of(world.beat("py")) == R"({"state":"cancelled","cancelled":true})");
  CHECK(body_of(world.beat("")) == R"({"state":"cancelled","cancelled":true})");
  CHECK(http_status(world.beat("pz")) == 409);
  CHECK(http_status(world.beat("py", 2)) == 409);
  CHECK(world.finish_as("py") == 409);
}

TEST_CASE("an attempt that failed before its command was cancelled was not cancelled") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  REQUIRE(world.finish_as("py", AttemptOutcome::failed) == 200);
  world.ask(CancelCommand{0, "ann", world.id});
  CHECK(http_status(world.beat("py")) == 409);
}

TEST_CASE("finish is for who began, by name or without one") {
  World world;
  CHECK(world.finish_as("") == 409);
  REQUIRE(world.begin_as("py") == 200);
  CHECK(world.begin_as("py") == 409);  // once, ever
  CHECK(world.finish_as("pz") == 409);
  CHECK(world.finish_as("", AttemptOutcome::failed) == 200);
  const HandOutItem second = world.next();
  REQUIRE(world.begin(world.agent, second).verdict == Verdict::go);
  CHECK(world.finish_as("", AttemptOutcome::succeeded, 2) == 409);   // an agent runs it
  CHECK(world.finish_as("a", AttemptOutcome::succeeded, 2) == 409);  // of whatever name
  CHECK(world.report(2) == 200);
  CHECK(world.state() == State::running);
}

TEST_CASE("a result by message ends the attempt that was begun over HTTP") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  CHECK(world.report(1, AttemptOutcome::succeeded, std::nullopt, "pz") == 200);  // taken, and not recorded
  CHECK(world.report(1, AttemptOutcome::succeeded, Token{world.item.token.value + 1}) == 200);
  CHECK(world.state() == State::running);
  CHECK(world.stats().stale_results == 2);
  CHECK(world.report(1, AttemptOutcome::succeeded, world.item.token, "py") == 200);
  CHECK(world.state() == State::succeeded);
  CHECK(world.report(1, AttemptOutcome::failed) == 200);
  CHECK(world.state() == State::succeeded);
  CHECK(world.stats().stale_results == 3);
}

TEST_CASE("a result without a begin is begin and finish in one, once for an attempt") {
  World world;
  CHECK(world.report(1, AttemptOutcome::failed) == 200);  // it outran the mark
  CHECK(world.state() == State::scheduled);
  auto attempts = world.store->attempts(world.id);
  REQUIRE(attempts.size() == 1);
  CHECK(world.store->party(attempts[0].executor)->first == "duly.results");
  CHECK(attempts[0].outcome == AttemptOutcome::failed);
  CHECK(attempts[0].epoch == world.item.epoch);
  world.mark(world.agent, world.item);  // the confirm comes late
  CHECK(world.state() == State::scheduled);
  CHECK(world.report(1) == 200);  // another copy of the message
  CHECK(world.report(1, AttemptOutcome::succeeded, std::nullopt, "junk") == 200);
  CHECK_FALSE(world.store->party(attempts[0].executor + 1));  // nobody is remembered for what is stale
  CHECK(world.state() == State::scheduled);
  world.pass(milliseconds{200});
  const HandOutItem second = world.handed(world.agent).back();
  CHECK(second.attempt == 2);
  world.mark(world.agent, second);
  CHECK(world.begin_as("py", 1) == 409);
  CHECK(world.report(2, AttemptOutcome::succeeded, second.token, "py") == 200);
  CHECK(world.state() == State::succeeded);
  CHECK(world.store->party(world.store->attempts(world.id)[1].executor)->first == "py");
  CHECK(world.begin(world.agent, second).verdict == Verdict::drop);
}

TEST_CASE("a result of an earlier attempt ends no later one") {
  World world;
  REQUIRE(world.begin_as("py") == 200);
  world.pass(milliseconds{kTimeoutMs + 1000});
  const HandOutItem second = world.the_one(world.agent);
  CHECK(world.report(1) == 200);
  CHECK(world.state() == State::scheduled);
  REQUIRE(world.begin_as("pz", 2) == 200);
  CHECK(world.report(1) == 200);
  CHECK(world.state() == State::running);
  CHECK(world.report(2) == 200);
  CHECK(world.state() == State::succeeded);
  CHECK(second.attempt == 2);
}

TEST_CASE("a result of before a reschedule, with its token, is no run of what is to come") {
  World world;
  world.ask(RescheduleCommand{0, "ann", world.id, to_ms(world.now.wall)});
  CHECK(world.report(1, AttemptOutcome::succeeded, world.item.token) == 200);
  CHECK(world.state() == State::scheduled);
  CHECK(world.report(1) == 200);  // without it nobody can tell
  CHECK(world.state() == State::succeeded);
}

TEST_CASE("a begin with the token of before a reschedule is refused, and no token makes it earlier") {
  World world;
  const auto begin = [&](Token token) {
    return http_status(world.ask(HttpBegin{0, world.id, 1, "py", token}));
  };
  world.ask(RescheduleCommand{0, "ann", world.id, to_ms(world.now.wall) + 1000});
  const Token now = world.row(world.id).token;
  CHECK(begin(now) == 409);  // not due
  world.pass(seconds{1});
  CHECK(begin(world.item.token) == 409);
  CHECK(begin(now) == 200);
  CHECK(world.state() == State::running);
}

TEST_CASE("who began without a token reports by name, whatever message it had") {
  World world;
  world.ask(RescheduleCommand{0, "ann", world.id, to_ms(world.now.wall)});
  REQUIRE(world.begin_as("py") == 200);
  CHECK(world.report(1, AttemptOutcome::succeeded, world.item.token) == 200);  // of whom?
  CHECK(world.state() == State::running);
  CHECK(world.report(1, AttemptOutcome::succeeded, world.item.token, "pz") == 200);
  CHECK(world.state() == State::running);
  CHECK(world.report(1, AttemptOutcome::succeeded, world.item.token, "py") == 200);
  CHECK(world.state() == State::succeeded);
}

TEST_CASE("a result of what is not due yet is no run of it") {
  World world;
  world.ask(RescheduleCommand{0, "ann", world.id, to_ms(world.now.wall) + test::kMinute});
  CHECK(world.report(1) == 200);
  CHECK(world.state() == State::scheduled);
  CHECK(world.stats().stale_results == 1);
}

TEST_CASE("a result that does not say its attempt counts for the first, while there is no other") {
  World world;
  CHECK(world.report(0, AttemptOutcome::failed) == 200);
  CHECK(world.row(world.id).attempt == 1);
  CHECK(world.report(0) == 422);  // of the first again, or of the second?
  world.next();
  REQUIRE(world.begin_as("py", 2) == 200);
  CHECK(world.report(0) == 422);
  CHECK(world.report(2) == 200);
  CHECK(world.report(0) == 422);
  CHECK(http_status(world.ask(ResultMessage{
            0, {CommandId{1}, 1, AttemptOutcome::succeeded, true, "", nullptr}, std::nullopt, ""})) == 404);
}

TEST_CASE("what has run is recorded whatever the limits of its queue say now, and counts for its rate") {
  World world;
  world.ask(PutQueue{0, "ann", "default", std::nullopt, std::nullopt, StartRate{1, 60'000}});
  CHECK(world.report(1, AttemptOutcome::failed) == 200);
  world.pass(milliseconds{300});
  CHECK(world.handed(world.agent).empty());  // that place is taken for a minute
  CHECK(world.begin_as("py", 2) == 409);
  CHECK(world.report(2) == 200);
  CHECK(world.state() == State::succeeded);
}

}  // namespace duly
