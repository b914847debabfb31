#include "control-server/core/queue_gate.h"

#include <catch2/catch.hpp>
#include <deque>

namespace duly {
namespace {

using Stop = QueueGate::Stop;

Moment at(Duration since) {
  return {MonoTime{seconds{1000}} + since, WallTime{seconds{1'767'225'600}} + since};
}

QueueGate rated(std::int64_t count, std::int64_t per_ms) {
  QueueGate gate;
  gate.set_limits({std::nullopt, StartRate{count, per_ms}});
  return gate;
}

// Starts whenever it may, in steps, and checks every span: never more than count, and not much less.
void check_spans(std::int64_t count, std::int64_t per_ms, Duration step) {
  QueueGate gate = rated(count, per_ms);
  const Duration span = milliseconds{per_ms};
  std::deque<Duration> recent;
  std::int64_t starts = 0;
  const Duration length = span * 20;
  for (Duration now{}; now < length; now += step) {
    while (gate.stop(0, 0, at(now).mono) == Stop::none) {
      gate.charge(at(now));
      ++starts;
      recent.push_back(now);
    }
    while (!recent.empty() && recent.front() <= now - span) recent.pop_front();
    REQUIRE(static_cast<std::int64_t>(recent.size()) <= count);
  }
  CHECK(starts >= count * 18);
}

}  // namespace

TEST_CASE("without limits a gate is open") {
  QueueGate gate;
  CHECK_FALSE(gate.limited());
  CHECK(gate.stop(1'000'000, 1'000'000, at({}).mono) == Stop::none);
  CHECK_FALSE(gate.charge(at({})));
}

TEST_CASE("what runs and what may still start count together") {
  QueueGate gate;
  gate.set_limits({3, std::nullopt});
  CHECK(gate.stop(2, 0, at({}).mono) == Stop::none);
  CHECK(gate.stop(2, 1, at({}).mono) == Stop::running);
  CHECK(gate.stop(3, 0, at({}).mono) == Stop::running);
}

TEST_CASE("no span has more starts than the rate, and few less") {
  check_spans(1, 1, microseconds{250});
  check_spans(1, 1000, milliseconds{1});
  check_spans(10, 1000, milliseconds{3});
  check_spans(1000, 5000, milliseconds{7});
  check_spans(7, 333, microseconds{777});
}

TEST_CASE("a gate says when its next place is free, and then it is") {
  QueueGate gate = rated(2, 1000);
  CHECK_FALSE(gate.next_free(at({}).mono));
  gate.charge(at({}));
  gate.charge(at(milliseconds{500}));
  const auto next = gate.next_free(at(milliseconds{500}).mono);
  REQUIRE(next);
  CHECK(*next >= at(milliseconds{1000}).mono);
  CHECK(*next <= at(milliseconds{1000 + 1000 / QueueGate::kSlices + 1}).mono);
  CHECK(gate.stop(0, 0, *next - microseconds{1}) == Stop::rate);
  CHECK(gate.stop(0, 0, *next) == Stop::none);
}

TEST_CASE("a wall that steps changes nothing while the process lives") {
  QueueGate gate = rated(1, 1000);
  const auto first = gate.charge(at({}));
  Moment later = at(milliseconds{1100});
  later.wall -= seconds{3600};
  CHECK(gate.stop(0, 0, later.mono) == Stop::none);
  const auto second = gate.charge(later);
  CHECK(gate.stop(0, 0, (later.mono + milliseconds{900})) == Stop::rate);
  CHECK((first && second));
}

TEST_CASE("slices of a wall that stands still have rows of their own") {
  QueueGate gate = rated(10, 6400);
  const auto first = gate.charge(at({}));
  const Moment later{at(milliseconds{500}).mono, at({}).wall};
  const auto second = gate.charge(later);
  REQUIRE((first && second));
  CHECK(second->end_ms > first->end_ms);
}

TEST_CASE(
    "after a restart what was stored counts, and a wall that went back neither opens nor shuts for long") {
  QueueGate before = rated(1, 1000);
  const RateSlice stored = *before.charge(at({}));
  QueueGate after = rated(1, 1000);
  after.recall({stored}, at(milliseconds{600}));
  CHECK(after.stop(0, 0, at(milliseconds{999}).mono) == Stop::rate);
  CHECK(after.stop(0, 0, at(milliseconds{1020}).mono) == Stop::none);

  Moment back = at(milliseconds{600});
  back.wall -= seconds{3600};
  QueueGate stepped = rated(1, 1000);
  stepped.recall({stored}, back);
  CHECK(stepped.stop(0, 0, back.mono + milliseconds{999}) == Stop::rate);
  CHECK(stepped.stop(0, 0, back.mono + milliseconds{1020}) == Stop::none);
}

}  // namespace duly
