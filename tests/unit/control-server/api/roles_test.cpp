// Who may do what: every route with every role, as the route table says.
#include <catch2/catch.hpp>
#include <set>

#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

const std::string kEveryone = [] {
  std::string text;
  for (const Role role : kRoles) {
    const std::string name(name_of(role));
    text += api_key_line("the-" + name, role, "key-" + name) + "\n";
  }
  return text;
}();

struct Locked : ApiWorld {
  Locked() { doorkeeper.use(ApiKeys::parse(kEveryone).value()); }
  // Asks with this key, "" = without any.
  void ask_as(const std::string& key, const std::string& method, const std::string& target,
              const std::string& body = {}) {
    ask(method, target, body,
        key.empty() ? std::vector<HttpField>{} : std::vector<HttpField>{{"authorization", "Bearer " + key}});
  }
};

// A path that the pattern matches.
std::string path_of(std::string_view pattern) {
  std::string path(pattern);
  for (const auto& [part, value] : {std::pair<std::string, std::string>{"{id}", "cmd_0000000000001"},
                                    {"{n}", "1"},
                                    {"{name}", "a"},
                                    {"{file}", "a"}}) {
    if (const auto at = path.find(part); at != std::string::npos) path.replace(at, part.size(), value);
  }
  return path;
}

bool let_in(const ApiWorld& w) { return !w.answer || (w.answer->status != 401 && w.answer->status != 403); }

}  // namespace

TEST_CASE("every route lets in its least role and those above, and nobody else") {
  Locked w;
  REQUIRE(w.router.routes().size() > 40);
  for (const Route& route : w.router.routes()) {
    const std::string method(route.method);
    const std::string path = path_of(route.pattern);
    CAPTURE(method, path, name_of(route.role));
    REQUIRE(path.find('{') == std::string::npos);
    for (const char* const stranger : {"", "key-", "key-root", "the-admin"}) {
      CAPTURE(stranger);
      w.ask_as(stranger, method, path, "{}");
      if (route.role == Role::none) {
        CHECK(let_in(w));
        continue;
      }
      CHECK(w.status() == 401);
      CHECK(w.field("WWW-Authenticate") == "Bearer");
    }
    for (const Role role : kRoles) {
      CAPTURE(name_of(role));
      const std::size_t before = w.sent.size();
      w.ask_as("key-" + std::string(name_of(role)), method, path, "{}");
      if (role >= route.role) {
        CHECK(let_in(w));
        continue;
      }
      CHECK(w.status() == 403);
      CHECK(w.json()["detail"] == "this needs the role " + std::string(name_of(route.role)) +
                                      ", and the key the-" + std::string(name_of(role)) + " has " +
                                      std::string(name_of(role)));
      CHECK(w.sent.size() == before);  // the engine has not heard of it
    }
  }
}

TEST_CASE("what stands open is what must, and whatever changes something needs more than to read") {
  ApiWorld w;
  const std::set<std::string_view> open = {"/livez", "/healthz", "/readyz", "/openapi.yaml", "/"};
  for (const Route& route : w.router.routes()) {
    CAPTURE(route.method, route.pattern);
    const bool page = route.pattern.starts_with("/dashboard");  // it holds no data
    CHECK((route.role == Role::none) == (open.contains(route.pattern) || page));
    if (route.method != "GET") CHECK(route.role >= Role::submit);
    const bool crash = route.pattern.find("simulate-crash") != std::string_view::npos;
    if (crash || route.pattern == "/v1/audit" || route.pattern.starts_with("/v1/clock"))
      CHECK(route.role == Role::admin);
  }
}

TEST_CASE("without keys everybody may do everything, as anonymous") {
  ApiWorld w;
  w.ask("POST", "/v1/agents/a/drain", "", {{"authorization", "Bearer whatever"}});
  CHECK(w.last<DrainAgent>().actor.name == "anonymous");
  CHECK(w.last<DrainAgent>().actor.request == "id-1");
}

TEST_CASE("an act is recorded under the name of the key") {
  Locked w;
  w.ask_as("key-operator", "POST", "/v1/agents/a/drain");
  CHECK(w.last<DrainAgent>().actor.name == "the-operator");
  w.ask_as("key-submit", "POST", "/v1/commands", R"({"type":"t"})");
  CHECK(w.last<Submit>().actor.name == "the-submit");
  w.ask_as("key-admin", "POST", "/v1/commands/cancel", R"({"all":true})");
  CHECK(w.last<StartOperation>().actor.name == "the-admin");
  w.ask_as("key-operator", "POST", "/v1/schedules/s/trigger");
  CHECK(w.last<ChangeSchedule>().actor.name == "the-operator");
}

TEST_CASE("a key comes in one Authorization field of the Bearer scheme, and in nothing else") {
  Locked w;
  const auto status = [&](std::vector<HttpField> fields) {
    w.ask("GET", "/v1/commands", "", std::move(fields));
    return w.status();
  };
  CHECK(status({{"authorization", "Bearer key-read"}}) == 200);
  CHECK(status({{"authorization", "bEARER   key-read"}}) == 200);
  CHECK(status({{"authorization", "Basic key-read"}}) == 401);
  CHECK(status({{"authorization", "Bearer"}}) == 401);
  CHECK(status({{"authorization", "Bearer "}}) == 401);
  CHECK(status({{"authorization", "Bearer key-read key-admin"}}) == 401);
  CHECK(status({{"authorization", "key-read"}}) == 401);
  CHECK(status({{"authorization", "Bearer key-read"}, {"authorization", "Bearer key-read"}}) == 401);
  CHECK(status({{"cookie", "key=key-read"}, {"x-api-key", "key-read"}}) == 401);
  w.ask("GET", "/v1/commands?api_key=key-read");
  CHECK(w.status() == 401);
}

TEST_CASE("a body is not read from who may not send it") {
  Locked w;
  const auto refused = [&](const std::string& key, const std::string& method, const std::string& target) {
    const auto refusal = w.router.refuse_early(method, target, {{"authorization", "Bearer " + key}}, "::1");
    return refusal ? refusal->status : 0;
  };
  CHECK(refused("key-read", "POST", "/v1/commands/batch") == 403);
  CHECK(refused("nobody", "POST", "/v1/commands/batch") == 401);
  CHECK(refused("key-submit", "POST", "/v1/commands/batch") == 0);
  CHECK(refused("key-submit", "POST", "/nothing/here") == 404);
  CHECK(refused("key-submit", "POST", "/v1/stats") == 405);
  ApiWorld open;
  CHECK(!open.router.refuse_early("POST", "/nothing/here", {}, "::1"));
}

TEST_CASE("other keys hold from the moment they are given") {
  Locked w;
  w.ask_as("key-read", "GET", "/v1/commands");
  CHECK(w.status() == 200);
  w.doorkeeper.use(ApiKeys::parse(api_key_line("new", Role::read, "key-new")).value());
  w.ask_as("key-read", "GET", "/v1/commands");
  CHECK(w.status() == 401);
  w.ask_as("key-new", "GET", "/v1/commands");
  CHECK(w.status() == 200);
}

}  // namespace duly::testing
