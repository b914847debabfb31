#include "control-server/api/stats_history.h"

#include <catch2/catch.hpp>

#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

struct Remembering : ApiWorld {
  StatsHistory history{loop, desk};
  Remembering() {
    api.history = &history;
    history.start();
  }
  // The engine answers the question that is open, then the time until the next one passes.
  void answers(const StatsSnapshot& stats) {
    engine_says(last<Query>().reply, stats);
    loop.advance(StatsHistory::kEvery);
  }
  Json samples() {
    ask("GET", "/v1/stats/history");
    REQUIRE(status() == 200);
    return json()["samples"];
  }
};

}  // namespace

TEST_CASE("the history is what the engine said, with its age, and rates of what it counts") {
  Remembering w;
  CHECK(w.samples().empty());
  StatsSnapshot stats;
  stats.accepted_per_s = 2.5;
  stats.backlog_due = 7;
  stats.running = 3;
  stats.by_state[static_cast<std::size_t>(State::queued)] = 4;
  stats.failed = 100;  // before anybody looked: no rate can be told
  w.answers(stats);
  stats.failed = 110;
  stats.lost = 5;
  w.answers(stats);
  const Json samples = w.samples();
  CHECK(w.json()["every_ms"] == 5000);
  REQUIRE(samples.size() == 2);
  CHECK(samples[0]["age_ms"] == 10'000);
  CHECK(samples[1]["age_ms"] == 5'000);
  CHECK(samples[0]["accepted_per_s"] == 2.5);
  CHECK(samples[0]["due"] == 7);
  CHECK(samples[0]["queued"] == 4);
  CHECK(samples[0]["running"] == 3);
  CHECK(samples[0]["failed_per_s"].is_null());
  CHECK(samples[1]["failed_per_s"] == 2);
  CHECK(samples[1]["lost_per_s"] == 1);
  CHECK(samples[1]["died_per_s"] == 0);
}

TEST_CASE("a question without an answer is a gap, and an hour is kept") {
  Remembering w;
  w.answers({});
  w.loop.advance(3 * StatsHistory::kEvery);  // nobody answers
  w.answers({});
  const Json samples = w.samples();
  REQUIRE(samples.size() == 2);
  CHECK(samples[0]["age_ms"].get<int>() - samples[1]["age_ms"].get<int>() == 20'000);
  for (std::size_t i = 0; i < StatsHistory::kKept + 5; ++i) w.answers({});
  CHECK(w.samples().size() == StatsHistory::kKept);
  CHECK(w.samples().front()["age_ms"] == 3'605'000);
}

}  // namespace duly::testing
