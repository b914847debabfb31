#include "agent/handlers/builtins.h"

#include <catch2/catch.hpp>

#include "tests/unit/agent/handlers/handler_fixture.h"

namespace duly {
namespace {

using test::context_for;

HandlerResult run_builtin(std::string_view type, std::string_view payload, int attempt = 1) {
  HandlerRegistry registry;
  REQUIRE(register_builtins(registry, {}));
  const Handler* handler = registry.find(type);
  REQUIRE(handler != nullptr);
  HandlerContext context = context_for(type, payload);
  context.attempt = attempt;
  return run_handler(*handler, context);
}

TEST_CASE("noop succeeds whatever the payload") {
  CHECK(run_builtin("builtin.noop", "[1,2]").succeeded);
  CHECK_FALSE(run_builtin("builtin.noop", "null").result);
}

TEST_CASE("echo answers the payload byte for byte") {
  const auto result = run_builtin("builtin.echo", R"( {"a" : 1.0, "b":"\u00e9"} )");
  REQUIRE(result.succeeded);
  CHECK(*result.result == R"( {"a" : 1.0, "b":"\u00e9"} )");
}

TEST_CASE("fail fails the first n attempts") {
  CHECK_FALSE(run_builtin("builtin.fail", R"({"times":2})", 1).succeeded);
  CHECK_FALSE(run_builtin("builtin.fail", R"({"times":2})", 2).succeeded);
  CHECK(run_builtin("builtin.fail", R"({"times":2})", 2).retryable);
  CHECK(run_builtin("builtin.fail", R"({"times":2})", 3).succeeded);
  CHECK_FALSE(run_builtin("builtin.fail", R"({"times":1,"retryable":false})", 1).retryable);
}

TEST_CASE("sleep takes its time and wakes when cancelled") {
  CHECK(run_builtin("builtin.sleep", R"({"ms":1})").succeeded);
  HandlerRegistry registry;
  REQUIRE(register_builtins(registry, {}));
  std::stop_source stop;
  stop.request_stop();
  const auto result = run_handler(*registry.find("builtin.sleep"),
                                  context_for("builtin.sleep", R"({"ms":3600000})", stop.get_token()));
  CHECK_FALSE(result.succeeded);
  CHECK(result.retryable);
}

TEST_CASE("a payload that does not fit fails for good and names the field") {
  struct Row {
    const char* type;
    const char* payload;
    const char* named;
  };
  const Row rows[] = {{"builtin.sleep", "{}", "ms is missing"},
                      {"builtin.sleep", R"({"ms":-1})", "ms is out of range"},
                      {"builtin.sleep", R"({"ms":"1"})", "ms is not a whole number"},
                      {"builtin.sleep", R"({"ms":1,"s":2})", "s is not a field of builtin.sleep"},
                      {"builtin.sleep", "null", "the payload is not an object"},
                      {"builtin.fail", R"({"times":1,"retryable":1})", "retryable is not true or false"},
                      {"builtin.append", R"({"file":"a","line":"b"})", "--append-dir"},
                      {"builtin.exec", R"({"program":"/bin/true"})", "--allow-exec"},
                      {"builtin.http", R"({"url":"http://a/"})", "--allow-http"}};
  for (const Row& row : rows) {
    CAPTURE(row.type, row.payload);
    const auto result = run_builtin(row.type, row.payload);
    CHECK_FALSE(result.succeeded);
    CHECK_FALSE(result.retryable);
    CHECK_THAT(result.error, Catch::Contains(row.named));
  }
}

TEST_CASE("a configuration that cannot work is refused at the start") {
  HandlerRegistry registry;
  CHECK_FALSE(register_builtins(registry, {"/proc/nowhere/at/all", {}}));
  CHECK_FALSE(register_builtins(registry, {"", {"true"}}));
  CHECK(registry.find("builtin.noop") == nullptr);
}

}  // namespace
}  // namespace duly
