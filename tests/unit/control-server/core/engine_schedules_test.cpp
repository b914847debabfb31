// Fires of schedules: once each, late at worst, by their policies.
#include "tests/unit/control-server/core/engine_world.h"

namespace duly::test {
namespace {

ScheduleSpec every_minute(Overlap overlap = Overlap::allow) {
  ScheduleSpec spec;
  spec.name = "s";
  spec.timing.every_ms = kMinute;
  spec.command = EngineWorld::spec();
  spec.overlap = overlap;
  spec.text = "{}";
  return spec;
}

// Problems are told by their status; 0 = none.
int put(EngineWorld& world, ScheduleSpec spec, bool create = true,
        std::optional<std::int64_t> if_match = std::nullopt) {
  const Answer answer = world.ask(PutSchedule{0, "test", std::move(spec), create, if_match, ""});
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem != nullptr ? problem->status : 0;
}

int change(EngineWorld& world, ChangeSchedule::What what,
           std::optional<std::int64_t> if_match = std::nullopt) {
  const Answer answer = world.ask(ChangeSchedule{0, "test", "s", what, if_match});
  const auto* problem = std::get_if<Problem>(&answer.what);
  return problem != nullptr ? problem->status : 0;
}

std::vector<std::pair<std::int64_t, CommandId>> fires(EngineWorld& world) {
  std::vector<std::pair<std::int64_t, CommandId>> found;
  world.store->each_fire(
      [&](std::int64_t, std::int64_t at, FireKind, CommandId id) { found.emplace_back(at, id); });
  return found;
}

// The server is away: no batch runs meanwhile.
void sleep(EngineWorld& world, Duration length) {
  world.now.mono += length;
  world.now.wall += length;
  REQUIRE(world.run({Tick{}}));
}

ScheduleRow row(EngineWorld& world) { return *world.store->schedule("s"); }

}  // namespace

TEST_CASE("each fire time makes one command, due at that time") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  world.pass(seconds{150});
  const auto made = fires(world);
  REQUIRE(made.size() == 2);
  for (const auto& [at, id] : made) {
    CHECK(at % kMinute == 0);
    CHECK(world.row(id).due_ms == at);
    CHECK(world.row(id).state == State::scheduled);
  }
  CHECK(row(world).fired == 2);
  world.restart();
  world.pass(seconds{60});
  CHECK(fires(world).size() == 3);
}

TEST_CASE("the engine wakes for the next fire, and not before") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  world.now.mono += milliseconds{1};
  world.now.wall += milliseconds{1};
  REQUIRE(world.run({Tick{}}));
  const std::int64_t left = *row(world).next_ms - to_ms(world.now.wall);
  CHECK(left > 0);
  world.now.mono += milliseconds{left - 1};
  world.now.wall += milliseconds{left - 1};
  REQUIRE(world.run({Tick{}}));
  CHECK(fires(world).empty());
  CHECK(world.engine->next_wakeup(world.now) <= world.now.mono + milliseconds{1});
}

TEST_CASE("a schedule is created once, and changed at the version that was seen") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  CHECK(put(world, every_minute()) == 409);
  CHECK(put(world, every_minute(), false, 2) == 412);
  CHECK(put(world, every_minute(), false, 1) == 0);
  CHECK(row(world).version == 2);
  CHECK(change(world, ChangeSchedule::What::pause, 1) == 412);
  CHECK(change(world, ChangeSchedule::What::remove, 2) == 0);
  CHECK(change(world, ChangeSchedule::What::remove) == 404);
  CHECK(put(world, every_minute(), false) == 404);
}

TEST_CASE("what a pause leaves out is not made up for, and an edit of the command loses no fire") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  REQUIRE(change(world, ChangeSchedule::What::pause) == 0);
  world.pass(seconds{200});
  CHECK(fires(world).empty());
  REQUIRE(change(world, ChangeSchedule::What::resume) == 0);
  const auto next = row(world).next_ms;
  ScheduleSpec other = every_minute();
  other.command.priority = 9;
  REQUIRE(put(world, other, false) == 0);
  CHECK(row(world).next_ms == next);
  world.pass(seconds{61});
  REQUIRE(fires(world).size() == 1);
  CHECK(world.row(fires(world)[0].second).priority == 9);
}

TEST_CASE("missed fires: one, all of a window up to a number, or none; a short absence misses nothing") {
  for (const CatchUp policy : {CatchUp::skip, CatchUp::one, CatchUp::all}) {
    EngineWorld world;
    ScheduleSpec spec = every_minute();
    spec.catch_up = policy;
    spec.catch_up_window_ms = 10 * kMinute;
    spec.catch_up_max = 7;
    REQUIRE(put(world, spec) == 0);
    world.pass(seconds{61});
    REQUIRE(fires(world).size() == 1);
    sleep(world, seconds{70});  // at most ten seconds late
    CHECK(fires(world).size() == 2);
    sleep(world, std::chrono::hours{365 * 24});
    const std::size_t made_up = fires(world).size() - 2;
    // Of a year the last minute is late, not missed.
    CHECK(made_up == (policy == CatchUp::all ? 7 : 1));
    const auto all = fires(world);
    CHECK(to_ms(world.now.wall) - all.back().first < kMinute);
    CHECK(*row(world).next_ms > to_ms(world.now.wall));
  }
}

TEST_CASE("a window leaves out what is older") {
  EngineWorld world;
  ScheduleSpec spec = every_minute();
  spec.catch_up = CatchUp::all;
  spec.catch_up_window_ms = 3 * kMinute;
  spec.catch_up_max = 1000;
  REQUIRE(put(world, spec) == 0);
  sleep(world, std::chrono::hours{5});
  CHECK(fires(world).size() >= 3);
  CHECK(fires(world).size() <= 4);
}

TEST_CASE("overlap: skip makes none, buffer_one waits for the end, cancel_other cancels") {
  SECTION("skip") {
    EngineWorld world;
    REQUIRE(put(world, every_minute(Overlap::skip)) == 0);
    world.pass(seconds{200});
    CHECK(fires(world).size() == 1);
    CHECK(row(world).skipped >= 2);
    REQUIRE(world.run({CancelCommand{99, "test", fires(world)[0].second}}));
    world.pass(seconds{60});
    CHECK(fires(world).size() == 2);
  }
  SECTION("buffer_one") {
    EngineWorld world;
    REQUIRE(put(world, every_minute(Overlap::buffer_one)) == 0);
    world.pass(seconds{200});
    REQUIRE(fires(world).size() == 1);
    const auto buffered = row(world).buffered_ms;
    REQUIRE(buffered.has_value());
    CHECK(*buffered == fires(world)[0].first + kMinute);
    world.restart();
    REQUIRE(world.run({CancelCommand{99, "test", fires(world)[0].second}}));
    REQUIRE(fires(world).size() == 2);
    CHECK(fires(world)[1].first == *buffered);
    CHECK_FALSE(row(world).buffered_ms.has_value());
  }
  SECTION("cancel_other") {
    EngineWorld world;
    REQUIRE(put(world, every_minute(Overlap::cancel_other)) == 0);
    world.pass(seconds{130});
    const auto made = fires(world);
    REQUIRE(made.size() == 2);
    CHECK(world.state(made[0].second) == State::cancelled);
    CHECK(world.state(made[1].second) == State::scheduled);
  }
}

TEST_CASE("trigger makes a command at once, also while paused and as often as asked") {
  EngineWorld world;
  ScheduleSpec spec = every_minute(Overlap::skip);
  spec.enabled = false;
  REQUIRE(put(world, spec) == 0);
  for (int i = 0; i < 3; ++i) REQUIRE(change(world, ChangeSchedule::What::trigger) == 0);
  CHECK(fires(world).size() == 3);
  CHECK(world.row(fires(world)[0].second).due_ms == to_ms(world.now.wall));
}

TEST_CASE("backfill fills the holes, once, and never ahead of the clock") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  world.pass(seconds{125});
  const std::int64_t now = to_ms(world.now.wall);
  const BackfillSchedule request{0, "test", "s", now - 10 * kMinute, now + 10 * kMinute};
  for (int i = 0; i < 2; ++i) {
    const Answer answer = world.ask(request);
    const auto* body = std::get_if<JsonBody>(&answer.what);
    REQUIRE(body != nullptr);
    CHECK(body->body.find(i == 0 ? "\"created\":8,\"existing\":2" : "\"created\":0,\"existing\":10") !=
          std::string::npos);
    CHECK(fires(world).size() == 10);
  }
}

TEST_CASE("a backfill that comes before a due fire does not make it twice") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  world.now.mono += seconds{61};
  world.now.wall += seconds{61};
  const std::int64_t now = to_ms(world.now.wall);
  REQUIRE(world.run({BackfillSchedule{7, "test", "s", now - 2 * kMinute, now}, Tick{}}));
  std::map<std::int64_t, int> times;
  for (const auto& [at, id] : fires(world)) ++times[at];
  for (const auto& [at, count] : times) CHECK(count == 1);
  CHECK(*row(world).next_ms > now);
}

TEST_CASE("jitter is fixed for a fire and delays its command") {
  EngineWorld world;
  ScheduleSpec spec = every_minute();
  spec.jitter_ms = 20'000;
  REQUIRE(put(world, spec) == 0);
  world.pass(seconds{200});
  const auto made = fires(world);
  REQUIRE(made.size() >= 2);
  for (const auto& [at, id] : made) {
    CHECK(world.row(id).due_ms - at == jitter_of("s", at, 20'000));
    CHECK(world.row(id).due_ms - at <= 20'000);
  }
}

TEST_CASE("a removed schedule's fires go in steps, its commands stay") {
  EngineWorld world;
  REQUIRE(put(world, every_minute()) == 0);
  world.pass(seconds{121});
  const CommandId id = fires(world).at(0).second;
  REQUIRE(change(world, ChangeSchedule::What::remove) == 0);
  world.pass(seconds{1});
  CHECK(fires(world).empty());
  CHECK(world.state(id) == State::scheduled);
  REQUIRE(put(world, every_minute()) == 0);
  CHECK(row(world).id == 2);
}

TEST_CASE("many schedules due at one moment are all made, some in each batch") {
  EngineWorld world;
  for (int i = 0; i < 450; ++i) {
    ScheduleSpec spec = every_minute();
    spec.name = "s" + std::to_string(i);
    REQUIRE(put(world, spec) == 0);
  }
  world.now.mono += seconds{60};
  world.now.wall += seconds{60};
  int batches = 0;
  for (; fires(world).size() < 450 && batches < 10; ++batches) {
    REQUIRE(world.run({Tick{}}));
    if (fires(world).size() < 450) CHECK(world.engine->next_wakeup(world.now) == world.now.mono);
  }
  CHECK(batches == 3);
}

}  // namespace duly::test
