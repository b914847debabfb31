#include "agent/handlers/handler.h"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "agent/handlers/text.h"
#include "common/model/limits.h"
#include "tests/unit/agent/handlers/handler_fixture.h"

namespace duly {
namespace {

using test::context_for;

HandlerResult outcome_of(const Handler& handler) { return run_handler(handler, context_for("t", "null")); }

TEST_CASE("a handler that throws is a failed attempt with the exception's text") {
  const auto result =
      outcome_of([](const HandlerContext&) -> HandlerResult { throw std::runtime_error("no paper"); });
  CHECK_FALSE(result.succeeded);
  CHECK(result.retryable);
  CHECK(result.error == "the handler threw: no paper");
}

TEST_CASE("a handler may throw anything") {
  const auto result = outcome_of([](const HandlerContext&) -> HandlerResult { throw 7; });
  CHECK_FALSE(result.succeeded);
  CHECK(result.error.find("not a std::exception") != std::string::npos);
}

TEST_CASE("a long error is capped and valid UTF-8") {
  const auto result = outcome_of([](const HandlerContext&) {
    return HandlerResult::fail("\xFF" + std::string(2 * limits::kErrorBytes, 'x'));
  });
  CHECK(result.error.size() <= limits::kErrorBytes);
  CHECK(result.error.rfind("\xEF\xBF\xBD", 0) == 0);
}

TEST_CASE("a failure without a text gets one") {
  const auto result = outcome_of([](const HandlerContext&) { return HandlerResult::fail(""); });
  CHECK_FALSE(result.error.empty());
}

TEST_CASE("a result passes through byte for byte") {
  const auto result =
      outcome_of([](const HandlerContext&) { return HandlerResult::succeed(" {\"a\" : 1.0} "); });
  REQUIRE(result.succeeded);
  CHECK(*result.result == " {\"a\" : 1.0} ");
}

TEST_CASE("a result that is not JSON, too deep or too long is a failure for good") {
  const std::string deep = std::string(40, '[') + std::string(40, ']');
  const std::string longer = "\"" + std::string(limits::kResultBytes, 'x') + "\"";
  for (const std::string& text :
       {std::string("{nope"), std::string(), deep, longer, std::string("\"\xFF\"")}) {
    const auto result = outcome_of([&](const HandlerContext&) { return HandlerResult::succeed(text); });
    CHECK_FALSE(result.succeeded);
    CHECK_FALSE(result.retryable);
    CHECK(result.error.find("the handler's result") == 0);
    CHECK_FALSE(result.result);
  }
}

TEST_CASE("wait_cancelled returns false when its time is over, true when cancelled before") {
  std::stop_source stop;
  const auto context = context_for("t", "null", stop.get_token());
  CHECK_FALSE(context.wait_cancelled(milliseconds{1}));
  stop.request_stop();
  CHECK(context.wait_cancelled(std::chrono::hours{1}));
  CHECK(context.cancelled());
}

TEST_CASE("wait_cancelled is woken by a cancellation that comes while it waits") {
  std::stop_source stop;
  const auto context = context_for("t", "null", stop.get_token());
  std::thread canceller([&] { stop.request_stop(); });
  CHECK(context.wait_cancelled(std::chrono::hours{1}));
  canceller.join();
}

TEST_CASE("clean_text keeps what is valid and replaces what is not") {
  CHECK(clean_text("grüße €", 100) == "grüße €");
  CHECK(clean_text("\xF0\x9F\x98\x80", 100) == "\xF0\x9F\x98\x80");
  CHECK(clean_text("a\xC3", 100) == "a\xEF\xBF\xBD");
  CHECK(clean_text("\xED\xA0\x80", 100) == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // a surrogate
  CHECK(clean_text("\xC0\xAF", 100) == "\xEF\xBF\xBD\xEF\xBF\xBD");                  // an overlong slash
  CHECK(clean_text("aü", 2) == "a");                                                 // never half a character
}

TEST_CASE("last_line is the last line that says something") {
  CHECK(last_line("one\ntwo\n\n  \n") == "two");
  CHECK(last_line("one") == "one");
  CHECK(last_line("\n\n").empty());
}

}  // namespace
}  // namespace duly
