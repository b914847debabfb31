#include "agent/handlers/worker_pool.h"

#include <atomic>
#include <catch2/catch.hpp>

#include "tests/unit/agent/handlers/handler_fixture.h"

namespace duly {
namespace {

using test::eventually;
using test::execution_of;
using test::Milestone;
using test::PoolFixture;

// Waits for its cancellation.
HandlerResult run_patient(const HandlerContext& context) {
  context.wait_cancelled(test::kPatience);
  return HandlerResult::fail("gave up");
}

TEST_CASE("a handler gets what its message said, and its result comes back on the loop") {
  HandlerRegistry registry;
  registry.add("copy", [](const HandlerContext& context) {
    CHECK(context.id == CommandId{7});
    CHECK(context.attempt == 1);
    CHECK(context.max_attempts == 3);
    CHECK(context.queue == "default");
    CHECK(context.due_at == wall_from_ms(99));
    return HandlerResult::succeed(std::string(context.payload));
  });
  PoolFixture fixture(registry, 2);
  Execution execution = execution_of(7, "copy", "{\"a\":1}");
  execution.due_at_ms = 99;
  const auto result = fixture.result(fixture.run(execution));
  REQUIRE(result);
  REQUIRE(result->succeeded);
  CHECK(*result->result == "{\"a\":1}");
}

TEST_CASE("an unknown type fails for good and says so") {
  HandlerRegistry registry;
  PoolFixture fixture(registry, 1);
  const auto result = fixture.result(fixture.run(execution_of(1, "builtin.none")));
  REQUIRE(result);
  CHECK_FALSE(result->succeeded);
  CHECK_FALSE(result->retryable);
  CHECK(result->error == "no handler for type builtin.none");
}

TEST_CASE("no more than the bound run at once, and all run in the end") {
  HandlerRegistry registry;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  registry.add("count", [&](const HandlerContext& context) {
    const int now_inside = ++inside;
    for (int seen = most; seen < now_inside && !most.compare_exchange_weak(seen, now_inside);) {}
    context.wait_cancelled(milliseconds{1});
    --inside;
    return HandlerResult::succeed();
  });
  PoolFixture fixture(registry, 3);
  for (std::int64_t id = 1; id <= 200; ++id) fixture.run(execution_of(id, "count"));
  CHECK(eventually([&] { return fixture.answers() == 200; }));
  CHECK(most <= 3);
}

// Each waits for the others of its round, so all of a round must run at the same time: work beside a thread
// that sleeps would never end.
TEST_CASE("no work waits beside a thread that sleeps") {
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  HandlerRegistry registry;
  std::atomic<int> arrived{0};
  registry.add("meet", [&](const HandlerContext& context) {
    const int all_of_round = (arrived++ / kThreads + 1) * kThreads;
    const bool met =
        eventually([&] { return arrived >= all_of_round || context.wait_cancelled(Duration{0}); });
    return met ? HandlerResult::succeed() : HandlerResult::fail("the others did not come");
  });
  PoolFixture fixture(registry, kThreads);
  std::int64_t id = 0;
  for (int round = 1; round <= kRounds; ++round) {
    for (int i = 0; i < kThreads; ++i) fixture.run(execution_of(++id, "meet"));
    REQUIRE(eventually([&] { return fixture.answers() == static_cast<std::size_t>(id); }));
    REQUIRE(arrived == kThreads * round);
  }
}

TEST_CASE("cancelling a running handler sets its flag, and the reason is in the error") {
  HandlerRegistry registry;
  Milestone started;
  registry.add("wait", [&](const HandlerContext& context) {
    started.reach();
    return run_patient(context);
  });
  PoolFixture fixture(registry, 1);
  const AttemptRef ref = fixture.run(execution_of(1, "wait"));
  REQUIRE(started.wait());
  fixture.pool().cancel(ref, "timed out");
  fixture.pool().cancel(ref, "cancelled twice");
  const auto result = fixture.result(ref);
  REQUIRE(result);
  CHECK(result->error == "timed out: gave up");
}

TEST_CASE("cancelling what waits answers at once, without running it") {
  HandlerRegistry registry;
  Milestone started;
  registry.add("wait", [&](const HandlerContext& context) {
    started.reach();
    return run_patient(context);
  });
  registry.add("never", [](const HandlerContext&) -> HandlerResult { throw std::logic_error("it ran"); });
  PoolFixture fixture(registry, 1);
  fixture.run(execution_of(1, "wait"));
  REQUIRE(started.wait());
  const AttemptRef waiting = fixture.run(execution_of(2, "never"));
  fixture.pool().cancel(waiting, "by hand");
  const auto result = fixture.result(waiting);
  REQUIRE(result);
  CHECK(result->error == "cancelled before it started: by hand");
}

TEST_CASE("a handler that ignores its flag does not take the place of others, but only up to a bound") {
  HandlerRegistry registry;
  std::atomic<int> stuck{0};
  Milestone release;
  registry.add("stuck", [&](const HandlerContext&) {
    ++stuck;
    release.wait();
    return HandlerResult::succeed();
  });
  registry.add("noop", [](const HandlerContext&) { return HandlerResult::succeed(); });
  PoolFixture fixture(registry, 1);
  const AttemptRef first = fixture.run(execution_of(1, "stuck"));
  REQUIRE(eventually([&] { return stuck == 1; }));
  fixture.pool().cancel(first, "timed out");
  REQUIRE(fixture.result(fixture.run(execution_of(2, "noop"))));

  const AttemptRef second = fixture.run(execution_of(3, "stuck"));
  REQUIRE(eventually([&] { return stuck == 2; }));
  fixture.pool().cancel(second, "timed out");
  const AttemptRef waits = fixture.run(execution_of(4, "noop"));
  CHECK(fixture.pool().running() == 2);
  CHECK(fixture.answers() == 1);
  release.reach();
  CHECK(fixture.result(waits));
}

TEST_CASE("stop cancels what runs, answers what waits, and every run is answered exactly once") {
  HandlerRegistry registry;
  std::atomic<int> started{0};
  registry.add("wait", [&](const HandlerContext& context) {
    ++started;
    return run_patient(context);
  });
  PoolFixture fixture(registry, 4);
  for (std::int64_t id = 1; id <= 50; ++id) fixture.run(execution_of(id, "wait"));
  REQUIRE(eventually([&] { return started == 4; }));
  CHECK(fixture.pool().stop(test::kPatience));
  CHECK(fixture.pool().stop(test::kPatience));
  fixture.run(execution_of(51, "wait"));
  CHECK(eventually([&] { return fixture.answers() == 51; }));
  CHECK(started == 4);
}

TEST_CASE("stop answers false when a handler does not return in time") {
  HandlerRegistry registry;
  Milestone started;
  Milestone release;
  registry.add("stuck", [&](const HandlerContext&) {
    started.reach();
    release.wait();
    return HandlerResult::succeed();
  });
  PoolFixture fixture(registry, 1);
  fixture.run(execution_of(1, "stuck"));
  REQUIRE(started.wait());
  CHECK_FALSE(fixture.pool().stop(milliseconds{5}));
  release.reach();
  CHECK(fixture.pool().stop(test::kPatience));
}

TEST_CASE("cancelling from many threads while handlers come and go is safe") {
  HandlerRegistry registry;
  registry.add("nap", [](const HandlerContext& context) {
    context.wait_cancelled(microseconds{50});
    return HandlerResult::succeed();
  });
  PoolFixture fixture(registry, 4);
  constexpr std::int64_t kRuns = 1000;
  std::thread canceller([&] {
    for (std::int64_t id = 1; id <= kRuns; ++id) fixture.pool().cancel({CommandId{id}, 1}, "race");
  });
  for (std::int64_t id = 1; id <= kRuns; ++id) fixture.run(execution_of(id, "nap"));
  canceller.join();
  CHECK(eventually([&] { return fixture.answers() == static_cast<std::size_t>(kRuns); }));
}

}  // namespace
}  // namespace duly
