#include "client/caller.h"

#include <catch2/catch.hpp>
#include <deque>

namespace duly::client {
namespace {

// A server that answers what it was told to, and a clock that only pauses and tries move.
struct World {
  std::deque<HttpOutcome> outcomes;  // the last of them again and again
  std::vector<ClientRequest> requests;
  std::vector<Duration> pauses;
  MonoTime now{seconds{1000}};
  Duration each_takes{0};

  Caller caller(Duration timeout = seconds{30}) {
    Surroundings around;
    around.send = [this](const ClientRequest& request, MonoTime deadline) {
      requests.push_back(request);
      now = std::min(deadline, now + each_takes);
      HttpOutcome outcome = outcomes.front();
      if (outcomes.size() > 1) outcomes.pop_front();
      return outcome;
    };
    around.now = [this] { return now; };
    around.pause = [this](Duration length) {
      pauses.push_back(length);
      now += length;
    };
    around.chance = [] { return 1.0; };
    CallerConfig config;
    config.server = *parse_http_url("http://127.0.0.1:8080/duly/");
    config.api_key = "secret";
    config.timeout = timeout;
    return Caller(std::move(config), std::move(around));
  }
};

HttpOutcome answer(int status, std::string body = "{}") {
  HttpOutcome outcome;
  outcome.answer.status = status;
  outcome.answer.body = std::move(body);
  return outcome;
}
HttpOutcome trouble(HttpTrouble kind) { return {kind, "trouble", {}}; }

const Call kRead{.path = "/v1/stats", .repeatable = true};
const Call kAct{.method = "POST", .path = "/v1/commands/cmd_1/cancel", .body = "{}"};
const Call kSubmit{
    .method = "POST", .path = "/v1/commands", .body = "{}", .idempotency_key = "k", .repeatable = true};

TEST_CASE("a request has its key, its idempotency key and the server's own path in front") {
  World world;
  world.outcomes = {answer(201, R"({"id": "cmd_1"})")};
  const auto reply = world.caller().call(kSubmit);
  REQUIRE(reply.ok());
  CHECK(reply->status == 201);
  REQUIRE(world.requests.size() == 1);
  CHECK(world.requests[0].url.path == "/duly/v1/commands");
  using Headers = std::vector<std::pair<std::string, std::string>>;
  CHECK(world.requests[0].headers == Headers{{"Authorization", "Bearer secret"},
                                             {"Idempotency-Key", "k"},
                                             {"Content-Type", "application/json"}});
}

TEST_CASE("what was certainly not applied is asked again, with growing pauses and the server's wish heeded") {
  World world;
  HttpOutcome busy = answer(503);
  busy.answer.headers = {{"retry-after", "7"}};
  world.outcomes = {trouble(HttpTrouble::unreachable), trouble(HttpTrouble::unreachable), busy, answer(200)};
  CHECK(world.caller().call(kAct).ok());
  CHECK(world.pauses == std::vector<Duration>{milliseconds{100}, milliseconds{200}, seconds{7}});
}

TEST_CASE("a key that asks too often waits as long as it is told") {
  World world;
  HttpOutcome limited = answer(429, R"({"detail": "the key ci may ask at the rate 1/s"})");
  limited.answer.headers = {{"retry-after", "3"}};
  world.outcomes = {limited, limited, answer(200)};
  CHECK(world.caller().call(kAct).ok());
  CHECK(world.pauses == std::vector<Duration>{seconds{3}, seconds{3}});
  // What would come too late is not waited for.
  limited.answer.headers = {{"retry-after", "60"}};
  world.outcomes = {limited};
  const auto late = world.caller().call(kAct);
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == ErrorKind::busy);
  CHECK(world.pauses.size() == 2);
}

TEST_CASE("a call ends when its time is up") {
  World world;
  world.outcomes = {trouble(HttpTrouble::unreachable)};
  const MonoTime begun = world.now;
  const auto reply = world.caller(seconds{5}).call(kAct);
  REQUIRE_FALSE(reply.ok());
  CHECK(reply.error().kind == ErrorKind::unreachable);
  CHECK(world.now - begun <= seconds{5});
  CHECK(world.requests.size() >= 4);
}

TEST_CASE("what may have been applied is asked again only where twice is as good as once") {
  for (const HttpTrouble kind : {HttpTrouble::broken, HttpTrouble::timed_out}) {
    World world;
    world.outcomes = {trouble(kind), answer(200)};
    const auto acted = world.caller().call(kAct);
    REQUIRE_FALSE(acted.ok());
    CHECK(acted.error().kind == ErrorKind::unknown);
    CHECK(world.requests.size() == 1);

    world.outcomes = {trouble(kind), answer(200)};
    CHECK(world.caller().call(kSubmit).ok());
  }
  World world;
  world.outcomes = {answer(504), answer(200)};
  CHECK(world.caller().call(kAct).error().kind == ErrorKind::unknown);
}

TEST_CASE("a later try that was not applied says nothing of an earlier one") {
  for (const HttpOutcome& last : {trouble(HttpTrouble::unreachable), answer(503), answer(507), answer(401)}) {
    World world;
    world.outcomes = {trouble(HttpTrouble::broken), last};
    const auto reply = world.caller(seconds{5}).call(kSubmit);
    REQUIRE_FALSE(reply.ok());
    CHECK(reply.error().kind == ErrorKind::unknown);
  }
  // But a verdict on the request itself holds for the earlier one, too.
  World world;
  world.outcomes = {trouble(HttpTrouble::broken), answer(422)};
  CHECK(world.caller().call(kSubmit).error().kind == ErrorKind::invalid);
}

TEST_CASE("each status has its kind, and the message is the server's") {
  const std::vector<std::pair<int, ErrorKind>> kinds = {
      {400, ErrorKind::invalid},   {401, ErrorKind::denied},   {403, ErrorKind::denied},
      {404, ErrorKind::not_found}, {409, ErrorKind::conflict}, {412, ErrorKind::conflict},
      {413, ErrorKind::invalid},   {422, ErrorKind::invalid},  {429, ErrorKind::busy},
      {500, ErrorKind::unknown},   {503, ErrorKind::busy},     {507, ErrorKind::busy}};
  for (const auto& [status, kind] : kinds) {
    CHECK(error_of(answer(status, "no JSON")).kind == kind);
    CHECK(error_of(answer(status, "no JSON")).http_status == status);
  }
  const auto error = error_of(answer(
      400, R"({"detail": "is not valid", "errors": [{"pointer": "/type", "detail": "must be there"}]})"));
  CHECK(error.message == "HTTP 400: is not valid; /type must be there");
  CHECK(error_of(answer(400, R"({"detail": 5, "errors": [7, {"pointer": {}}]})"))
            .message.rfind("HTTP 400", 0) == 0);
}

TEST_CASE("an answer that is too long is no answer") {
  World world;
  HttpOutcome cut = answer(200);
  cut.answer.truncated = true;
  world.outcomes = {cut};
  CHECK(world.caller(seconds{1}).call(kRead).error().kind == ErrorKind::unknown);
}

TEST_CASE("once is once, and every answer is one") {
  World world;
  world.outcomes = {answer(503)};
  const auto reply = world.caller().once(kRead);
  REQUIRE(reply.ok());
  CHECK(reply->status == 503);
  CHECK(world.requests.size() == 1);
}

}  // namespace
}  // namespace duly::client
