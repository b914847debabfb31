// How often a key may ask: what is told to who asks too often, who else goes on, and what a reload keeps.
#include <catch2/catch.hpp>

#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

std::string rated(const std::string& name, Role role, const std::string& rate) {
  const std::string line = api_key_line(name, role, "key-" + name);
  return line + (rate.empty() ? "\n" : " rate=" + rate + "\n");
}

struct Limited : ApiWorld {
  Limited() { use("none"); }

  void use(const std::string& usual, const std::string& of_slow = "1/s:2") {
    const std::string text = rated("slow", Role::submit, of_slow) + rated("free", Role::submit, "none") +
                             rated("any", Role::read, "");
    doorkeeper.use(ApiKeys::parse(text).value(), RequestRate::parse(usual).value());
  }
  int ask_as(const std::string& name, const std::string& method = "GET",
             const std::string& target = "/v1/commands") {
    ask(method, target, "{}", {{"authorization", "Bearer key-" + name}});
    return status();
  }
  // Answers the status of an early refusal, 0 = the body may come.
  int announce_as(const std::string& name, const std::string& target = "/v1/commands") {
    const auto refusal =
        router.refuse_early("POST", target, {{"authorization", "Bearer key-" + name}}, "::1");
    return refusal ? refusal->status : 0;
  }
};

}  // namespace

TEST_CASE("a key that asks too often is told when to come again, and nobody else is held up") {
  Limited w;
  CHECK(w.ask_as("slow") == 200);
  CHECK(w.ask_as("slow") == 200);
  const std::size_t before = w.sent.size();
  CHECK(w.ask_as("slow", "POST", "/v1/agents/a/drain") == 429);
  CHECK(w.sent.size() == before);  // the engine has not heard of it
  CHECK(w.answer->content_type == "application/problem+json");
  CHECK(w.field("Retry-After") == "1");
  CHECK(w.json()["title"] == "Too Many Requests");
  CHECK(w.json()["detail"] == "the key slow may ask at the rate 1/s:2");
  CHECK(w.ask_as("free") == 200);
  CHECK(w.ask_as("any") == 200);
  w.loop.advance(milliseconds{999});
  CHECK(w.ask_as("slow") == 429);
  w.loop.advance(milliseconds{1});
  CHECK(w.ask_as("slow") == 200);
  CHECK(w.ask_as("slow") == 429);
  CHECK(w.doorkeeper.rate_limited() == std::map<Role, std::uint64_t>{{Role::submit, 3}});
}

TEST_CASE("whole seconds are told, and never too few") {
  Limited w;
  w.use("none", "7/min:1");
  CHECK(w.ask_as("slow") == 200);
  CHECK(w.ask_as("slow") == 429);
  CHECK(w.field("Retry-After") == "9");  // 60/7 s
  w.loop.advance(seconds{8});
  CHECK(w.ask_as("slow") == 429);
  CHECK(w.field("Retry-After") == "1");
  w.loop.advance(seconds{1});
  CHECK(w.ask_as("slow") == 200);
}

TEST_CASE("keys without a rate of their own have the usual one, each for itself") {
  Limited w;
  w.use("1/min:1");
  CHECK(w.ask_as("any") == 200);
  CHECK(w.ask_as("any") == 429);
  CHECK(w.ask_as("slow") == 200);  // its own
  CHECK(w.ask_as("slow") == 200);
  for (int i = 0; i < 100; ++i) REQUIRE(w.ask_as("free") == 200);
}

TEST_CASE("what needs no key has no rate, and strangers use up nobody's") {
  Limited w;
  w.use("1/h:1", "1/h:1");
  for (int i = 0; i < 10; ++i) {
    for (const char* const open : {"/livez", "/openapi.yaml", "/"})
      REQUIRE(w.ask_as("slow", "GET", open) == 200);
    REQUIRE(w.ask_as("stranger") == 401);
  }
  CHECK(w.ask_as("slow") == 200);
  ApiWorld without;
  for (int i = 0; i < 10; ++i) {
    without.ask("GET", "/v1/commands");
    REQUIRE(without.status() == 200);
  }
}

TEST_CASE("a request with a body counts once, before its body is read") {
  Limited w;
  CHECK(w.announce_as("slow") == 0);
  const std::vector<HttpField> key = {{"authorization", "Bearer key-slow"}};
  w.answer.reset();
  w.router.handle(
      {"POST", "/v1/commands", key, R"({"type":"t"})", "id-1", "::1", /*let_in=*/true},
      Respond([&](HttpResponse response) { w.answer = std::move(response); }, [](Respond::Gone) {}));
  CHECK(w.last<Submit>().actor.name == "slow");
  CHECK(w.announce_as("slow") == 0);
  CHECK(w.announce_as("slow") == 429);
}

TEST_CASE("what is refused for its role counts, too") {
  Limited w;
  CHECK(w.ask_as("slow", "GET", "/v1/audit") == 403);
  CHECK(w.announce_as("slow", "/v1/server/simulate-crash") == 403);
  CHECK(w.ask_as("slow", "GET", "/v1/audit") == 429);
  CHECK(w.announce_as("slow", "/v1/server/simulate-crash") == 429);
}

TEST_CASE("reading the keys again gives nobody anew what he has used up, but for another rate") {
  Limited w;
  CHECK(w.ask_as("slow") == 200);
  CHECK(w.ask_as("slow") == 200);
  w.use("none");
  CHECK(w.ask_as("slow") == 429);
  w.use("1/h", "1/s:3");
  for (int i = 0; i < 3; ++i) CHECK(w.ask_as("slow") == 200);
  CHECK(w.ask_as("slow") == 429);
  w.use("none", "none");
  for (int i = 0; i < 9; ++i) CHECK(w.ask_as("slow") == 200);
}

}  // namespace duly::testing
