// A collector that takes spans, says no, has gone away, or never answers.
#include "common/trace/span_exporter.h"

#include <catch2/catch.hpp>
#include <string>

#include "common/model/limits.h"
#include "common/runtime/asio_loop.h"
#include "tests/unit/agent/handlers/http_fixture.h"

namespace duly {
namespace {

using test::http_answer;
using test::ScriptedServer;

SpanExporter::Config config_for(const std::string& endpoint) {
  SpanExporter::Config config;
  config.endpoint = endpoint;
  config.source = {"duly-test", "1"};
  config.gather = milliseconds{5};
  config.first_pause = milliseconds{1};
  return config;
}

std::unique_ptr<SpanExporter> started(SpanExporter::Config config) {
  auto exporter = SpanExporter::start(std::move(config));
  REQUIRE(exporter);
  return std::move(*exporter);
}

Span named(const std::string& name) {
  static SpanIds ids(1);
  Span span;
  span.name = name;
  span.self = ids.root();
  return span;
}

// Waits, by the exporter's own count, until it is done with so many.
SpanCounts settled(const SpanExporter& exporter, std::uint64_t spans) {
  Mutex mutex;
  Condition never;
  const MonoTime until = machine_now() + seconds{60};
  SpanCounts counts = exporter.counts();
  while (counts.exported + counts.dropped < spans && machine_now() < until) {
    const MutexLock lock(mutex);
    never.wait_for(mutex, milliseconds{2});
    counts = exporter.counts();
  }
  CHECK(counts.exported + counts.dropped == spans);
  return counts;
}

}  // namespace

TEST_CASE("spans are posted to the collector's path for traces") {
  const ScriptedServer collector({http_answer(200, "{}")});
  const auto exporter = started(config_for(collector.url("/base/")));
  exporter->add(named("one"));
  CHECK(settled(*exporter, 1).exported == 1);
  const auto requests = collector.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].starts_with("POST /base/v1/traces HTTP/1.1\r\n"));
  CHECK(requests[0].find("Content-Type: application/json") != std::string::npos);
  CHECK(requests[0].find("\"name\":\"one\"") != std::string::npos);
  CHECK(exporter->stop(seconds{2}));
}

TEST_CASE("an endpoint may be given with its whole path, and one that is none is refused") {
  const ScriptedServer collector({http_answer(200)});
  const auto exporter = started(config_for(collector.url("/v1/traces")));
  exporter->add(named("one"));
  settled(*exporter, 1);
  CHECK(collector.requests().at(0).starts_with("POST /v1/traces HTTP/1.1\r\n"));
  for (const std::string wrong :
       {"", "collector:4318", "ftp://h/", "http://user:secret@h/", "http://h/?key=1"}) {
    INFO(wrong);
    CHECK_FALSE(SpanExporter::start(config_for(wrong)));
  }
}

TEST_CASE("a collector that has no room just now is asked again, one that refuses is not") {
  const ScriptedServer collector({http_answer(503), http_answer(429), http_answer(200), http_answer(400)});
  const auto exporter = started(config_for(collector.url()));
  exporter->add(named("one"));
  CHECK(settled(*exporter, 1).exported == 1);
  CHECK(collector.requests().size() == 3);
  exporter->add(named("two"));
  CHECK(settled(*exporter, 2).dropped == 1);
  CHECK(collector.requests().size() == 4);
}

TEST_CASE("spans for a collector that is not there are dropped after a few tries, and counted") {
  const auto exporter = started(config_for("http://127.0.0.1:" + std::to_string(test::closed_port())));
  for (int i = 0; i < 3; ++i) exporter->add(named("one"));
  const SpanCounts counts = settled(*exporter, 3);
  CHECK(counts.exported == 0);
  CHECK(counts.dropped == 3);
}

TEST_CASE("while a collector is silent only so many spans wait, and nobody who adds one") {
  const ScriptedServer silent({});
  auto config = config_for(silent.url());
  config.patience = seconds{600};
  const auto exporter = started(config);
  constexpr std::uint64_t kMore = limits::kSpansWaiting + 2 * limits::kSpansPerRequest;
  for (std::uint64_t i = 0; i < kMore; ++i) exporter->add(named("one"));
  const std::uint64_t dropped = exporter->counts().dropped;
  CHECK(dropped >= limits::kSpansPerRequest);
  CHECK(dropped <= 2 * limits::kSpansPerRequest);
  // And the end is not held up by it either: 600 seconds would be.
  CHECK(exporter->stop(milliseconds{20}));
  CHECK(exporter->counts().dropped == kMore);
}

TEST_CASE("what is there at the end is still sent, and nothing is taken after it") {
  const ScriptedServer collector({http_answer(200)});
  auto config = config_for(collector.url());
  config.gather = seconds{600};
  const auto exporter = started(config);
  exporter->add(named("last"));
  CHECK(exporter->stop(seconds{60}));
  CHECK(exporter->counts().exported == 1);
  exporter->add(named("late"));
  CHECK(exporter->counts().dropped == 1);
  CHECK(exporter->stop(seconds{60}));  // again: nothing happens
}

TEST_CASE("a request carries at most so many spans") {
  const ScriptedServer collector({http_answer(200), http_answer(200)});
  auto config = config_for(collector.url());
  config.gather = seconds{600};
  const auto exporter = started(config);
  for (std::size_t i = 0; i < limits::kSpansPerRequest + 1; ++i) exporter->add(named("x"));
  CHECK(settled(*exporter, limits::kSpansPerRequest).exported == limits::kSpansPerRequest);
  CHECK(exporter->stop(seconds{60}));
  CHECK(collector.requests().size() == 2);
}

}  // namespace duly
