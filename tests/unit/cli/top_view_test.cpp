#include "cli/top_view.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "cli/progress.h"
#include "cli/screen.h"

namespace duly::cli {
namespace {

using Catch::Matchers::Contains;

TopSample sample(std::int64_t uptime_ms, std::int64_t published) {
  TopSample s;
  s.stats = {{"uptime_ms", uptime_ms},
             {"broker", {{"up", true}}},
             {"commands", {{"scheduled", 1234567}, {"dead", 0}, {"succeeded", 5}}},
             {"rates", {{"accepted_per_s", 12.34}}}};
  s.agents = Json::array({{{"name", "a-1"},
                           {"state", "live"},
                           {"shards", {0, 1, 2, 5}},
                           {"in_flight", 7},
                           {"published", published},
                           {"executed", 3},
                           {"broker", "up"}},
                          {{"name", "b\033[2J"}, {"state", "lost"}, {"shards", Json::array()}}});
  s.shards = Json::array({{{"agent", "a-1"}, {"state", "held"}},
                          {{"agent", "a-1"}, {"state", "moving"}},
                          {{"agent", nullptr}, {"state", "free"}}});
  s.queues =
      Json::array({{{"name", "mail"}, {"paused", true}, {"commands", {{"queued", 42}}}, {"executors", 1}}});
  return s;
}

std::string drawn(const TopSample& now, const TopSample* before) {
  ::setenv("NO_COLOR", "1", 1);
  std::string all;
  for (const std::string& line : draw_top(now, before, "http://here")) all += line + "\n";
  return all;
}

}  // namespace

TEST_CASE("shards are told as ranges") {
  CHECK(shard_ranges(Json::array({0, 1, 2, 5, 7, 8})) == "0-2,5,7-8");
  CHECK(shard_ranges(Json::array({3})) == "3");
  CHECK(shard_ranges(Json::array()) == "-");
}

TEST_CASE("the picture shows agents, who holds which shard, queues and rates") {
  const TopSample before = sample(10'000, 100);
  const std::string picture = drawn(sample(12'000, 150), &before);
  CHECK_THAT(picture, Contains("up 12.0 s") && Contains("RabbitMQ up"));
  CHECK_THAT(picture, Contains("scheduled 1,234,567") && Contains("succeeded 5") && !Contains("dead 0"));
  CHECK_THAT(picture, Contains("accepted 12.3/s"));
  CHECK_THAT(picture, Contains("shards    A?-\n"));
  CHECK_THAT(picture, Contains("0-2,5") && Contains(" 25.0  "));
  CHECK_THAT(picture, Contains("mail   paused"));
  CHECK_THAT(drawn(before, nullptr), !Contains("25.0"));
}

TEST_CASE(
    "the picture has no control characters of others in it, and survives answers without anything in them") {
  CHECK_THAT(drawn(sample(1, 1), nullptr), !Contains("\033"));
  TopSample empty;
  empty.stats = Json::object();
  empty.agents = empty.shards = empty.queues = Json::array();
  CHECK_THAT(drawn(empty, nullptr), Contains("RabbitMQ down"));
  empty.agents = Json::array({1, nullptr, Json::object()});
  empty.queues = Json::array({"x"});
  empty.shards = Json::array({Json::object()});
  CHECK_FALSE(drawn(empty, &empty).empty());
}

TEST_CASE("a line is cut at its columns, and its colour ends with it") {
  CHECK(fitted("hello", 10) == "hello");
  CHECK(fitted("hello", 3) == "hel");
  CHECK(fitted("\xC3\xA4\xC3\xB6\xC3\xBC", 2) == "\xC3\xA4\xC3\xB6");
  CHECK(fitted("\033[1mhello\033[0m", 5) == "\033[1mhello\033[0m");
  CHECK(fitted("\033[1mhello\033[0m", 2) == "\033[1mhe\033[0m");
  CHECK(fitted("\033", 5) == "\033");
}

TEST_CASE("a bar never runs over its end, and is not there without a total") {
  CHECK(progress_bar(1, 0).empty());
  CHECK(progress_bar(0, 10) == "[" + std::string(40, '.') + "] 0% ");
  CHECK(progress_bar(5, 10) == "[" + std::string(20, '#') + std::string(20, '.') + "] 50% ");
  CHECK(progress_bar(UINT64_MAX, 10) == "[" + std::string(40, '#') + "] 100% ");
}

}  // namespace duly::cli
