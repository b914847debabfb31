#include "agent/app/agent_metrics.h"

#include <catch2/catch.hpp>

namespace duly {

using Catch::Matchers::Contains;

TEST_CASE("an agent's counters are told by outcome, its histograms in seconds") {
  AgentStats stats;
  stats.shards_owned = 3;
  stats.linked = true;
  stats.dispatch.settled = {10, 1, 2, 3};
  stats.dispatch.given_back[static_cast<std::size_t>(GiveBackReason::broker_down)] = 4;
  stats.dispatch.confirm.add(milliseconds{2});
  stats.execute.finished = {5, 6, 7, 0, 8, 9};
  const std::string text = agent_metrics_text(stats);
  for (const char* line :
       {"duly_shards_owned 3\n", "duly_link_connected 1\n", "duly_broker_connected 0\n",
        "duly_publishes_total{outcome=\"confirmed\"} 10\n", "duly_publishes_total{outcome=\"returned\"} 1\n",
        "duly_publishes_total{outcome=\"nacked\"} 2\n", "duly_publishes_total{outcome=\"unconfirmed\"} 3\n",
        "duly_attempts_given_back_total{reason=\"broker_down\"} 4\n",
        "duly_publish_confirm_seconds_bucket{le=\"0.0025\"} 1\n",
        "duly_attempts_finished_total{outcome=\"timed_out\"} 7\n",
        "duly_attempts_finished_total{outcome=\"cancelled\"} 9\n"})
    CHECK_THAT(text, Contains(line));
  CHECK_THAT(text, !Contains("outcome=\"lost\""));
}

TEST_CASE("each circuit is told by its target") {
  const std::string text = agent_metrics_text(
      {}, {{"https://a.example:443", CircuitState::closed}, {"http://b.example:80", CircuitState::open}});
  CHECK_THAT(text, Contains("duly_http_circuit_state{target=\"https://a.example:443\"} 0\n"));
  CHECK_THAT(text, Contains("duly_http_circuit_state{target=\"http://b.example:80\"} 2\n"));
}

}  // namespace duly
