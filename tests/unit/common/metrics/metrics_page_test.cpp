#include "common/metrics/metrics_page.h"

#include <catch2/catch.hpp>

#include "common/metrics/process_metrics.h"

namespace duly {

using Catch::Matchers::Contains;

TEST_CASE("a page has a help, a type and each sample of what was added") {
  MetricsPage page;
  page.counter("duly_things_total", "Things.", 7);
  page.gauges("duly_state", "States.", {"state", "kind"}, {{{"a", "x\"y"}, 1}, {{"b", "z"}, 0.5}});
  const std::string text = page.text();
  CHECK_THAT(text, Contains("# HELP duly_things_total Things.\n# TYPE duly_things_total counter\n"));
  CHECK_THAT(text, Contains("\nduly_things_total 7\n"));
  CHECK_THAT(text, Contains("duly_state{state=\"a\",kind=\"x\\\"y\"} 1\n"));
  CHECK_THAT(text, Contains("duly_state{state=\"b\",kind=\"z\"} 0.5\n"));
}

TEST_CASE("a histogram has seconds, buckets that add up, and one without a bound") {
  Histogram h;
  h.add(milliseconds{1});
  h.add(seconds{1'000});
  MetricsPage page;
  page.histogram("duly_wait_seconds", "Wait.", h);
  const std::string text = page.text();
  for (const char* bound : {"0.0001", "0.1"})  // as people write them, not 9.999999999999999e-05
    CHECK_THAT(text, Contains("duly_wait_seconds_bucket{le=\"" + std::string(bound) + "\"} "));
  CHECK_THAT(text, Contains("duly_wait_seconds_bucket{le=\"0.001\"} 1\n"));
  CHECK_THAT(text, Contains("duly_wait_seconds_bucket{le=\"300\"} 1\n"));
  CHECK_THAT(text, Contains("duly_wait_seconds_bucket{le=\"+Inf\"} 2\n"));
  CHECK_THAT(text, Contains("duly_wait_seconds_count 2\n"));
  CHECK_THAT(text, Contains("duly_wait_seconds_sum 1000.001"));
}

TEST_CASE("a process tells its memory, its processor time and when it began") {
  MetricsPage page;
  add_process_metrics(page);
  const std::string text = page.text();
  for (const char* name : {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                           "process_max_fds", "process_start_time_seconds"}) {
    const std::size_t at = text.find("\n" + std::string(name) + " ");
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(text.substr(at + 2 + std::string(name).size())) > 0);
  }
}

}  // namespace duly
