#include "common/app/crash.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "common/app/freeze.h"
#include "tests/unit/common/app/child_fixture.h"

namespace duly {
namespace {

using test::Child;

CrashPoints::Disconnect no_disconnect() {
  return [](Duration) {};
}

Strike strike(std::string mode, std::string point, std::int64_t after = 1, std::int64_t duration_ms = 0) {
  return {std::move(mode), std::move(point), after, duration_ms};
}

TEST_CASE("disconnect calls back with its duration, the n-th time its point is passed, once") {
  std::vector<Duration> calls;
  CrashPoints points(agent_crash_points(), [&](Duration length) { calls.push_back(length); });
  points.pass("dispatch.after-poll");
  REQUIRE(points.arm(strike("disconnect", "dispatch.after-poll", 3, 250)));
  for (int i = 0; i < 2; ++i) points.pass("dispatch.after-poll");
  points.pass("dispatch.after-confirm");
  CHECK(calls.empty());
  points.pass("dispatch.after-poll");
  CHECK(calls == std::vector<Duration>{milliseconds{250}});
  for (int i = 0; i < 5; ++i) points.pass("dispatch.after-poll");
  CHECK(calls.size() == 1);
}

TEST_CASE("two strikes at one point each have their own count") {
  int calls = 0;
  CrashPoints points(server_crash_points(), [&](Duration) { ++calls; });
  REQUIRE(points.arm(strike("disconnect", "store.after-commit", 1)));
  REQUIRE(points.arm(strike("disconnect", "store.after-commit", 2)));
  points.pass("store.after-commit");
  CHECK(calls == 1);
  points.pass("store.after-commit");
  CHECK(calls == 2);
}

TEST_CASE("now strikes at once") {
  int calls = 0;
  CrashPoints points(agent_crash_points(), [&](Duration) { ++calls; });
  REQUIRE(points.arm(strike("disconnect", "now", 1, 10)));
  CHECK(calls == 1);
}

TEST_CASE("a strike that makes no sense is refused") {
  CrashPoints points(agent_crash_points(), no_disconnect());
  CHECK_FALSE(points.arm(strike("explode", "now")));
  CHECK_FALSE(points.arm(strike("kill", "store.after-commit")));
  CHECK_FALSE(points.arm(strike("kill", "execute.after-begin", 0)));
  CHECK_FALSE(points.arm(strike("hang", "now", 1, -1)));
  CHECK_FALSE(points.arm(strike("hang", "now", 1, 1LL << 60)));
}

TEST_CASE("many threads passing a point strike it exactly once") {
  std::atomic<int> calls{0};
  CrashPoints points(agent_crash_points(), [&](Duration) { ++calls; });
  REQUIRE(points.arm(strike("disconnect", "execute.after-begin", 1000)));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int pass = 0; pass < 500; ++pass) points.pass("execute.after-begin");
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(calls == 1);
}

TEST_CASE("kill ends the process as SIGKILL does") {
  Child child([](int) {
    CrashPoints points(agent_crash_points(), no_disconnect());
    if (!points.arm(strike("kill", "execute.after-handler", 2))) return 1;
    points.pass("execute.after-handler");
    points.pass("execute.after-handler");
    return 2;
  });
  const int status = child.wait();
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGKILL);
}

// Threads that say without end that they run; one more freezes the process for `length` when `freeze` is told
// to. Exits 0 when the freeze took its time.
int run_talkers(int out, Duration length, const std::function<void(Duration)>& freeze) {
  const auto talk = [out] {
    for (;;) {
      if (::write(out, ".", 1) != 1) ::_exit(3);
      ::poll(nullptr, 0, 1);
    }
  };
  std::thread one(talk);
  std::thread two(talk);
  ::poll(nullptr, 0, 50);
  const MonoTime begun = machine_now();
  freeze(length);
  const bool long_enough = machine_now() - begun >= length;
  ::poll(nullptr, 0, 100);  // so that life after the freeze can be heard
  ::_exit(long_enough ? 0 : 4);
}

// The longest time the child was silent before it ended, and whether it spoke on both sides of that.
struct Silence {
  Duration longest{};
  bool spoke_before = false;
  bool spoke_after = false;
};

Silence listen(Child& child) {
  Silence silence;
  MonoTime last = machine_now();
  bool first = true;
  while (child.heard_within(test::kPatience)) {
    const MonoTime now = machine_now();
    if (!first && now - last > silence.longest) {
      silence.longest = now - last;
      silence.spoke_before = true;
      silence.spoke_after = false;
    } else {
      silence.spoke_after = true;
    }
    first = false;
    last = now;
  }
  return silence;
}

void check_that_it_freezes(const std::function<void(Duration)>& freeze) {
  constexpr Duration kLength = milliseconds{600};
  Child child([&](int out) { return run_talkers(out, kLength, freeze); });
  const Silence silence = listen(child);
  CHECK(silence.spoke_before);
  CHECK(silence.spoke_after);
  CHECK(silence.longest > kLength - milliseconds{100});
  const int status = child.wait();
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("hang freezes every thread of the process for its time, and then all go on") {
  check_that_it_freezes([](Duration length) {
    CrashPoints points(agent_crash_points(), no_disconnect());
    if (!points.arm(strike("hang", "now", 1, to_ms(length)))) ::_exit(5);
  });
}

TEST_CASE("both ways to freeze do") {
  SECTION("stopped by a child") {
    check_that_it_freezes([](Duration length) {
      if (!freeze_by_child(length)) ::_exit(5);
    });
  }
  SECTION("asleep in a signal handler, as process 1") { check_that_it_freezes(freeze_by_handler); }
}

TEST_CASE("the shortest hang ends too") {
  Child child([](int) {
    for (int i = 0; i < 50; ++i) freeze_process(Duration{0});
    return 0;
  });
  const int status = child.wait();
  CHECK(WIFEXITED(status));
}

TEST_CASE("a frozen process that is killed leaves nothing open behind") {
  // The write end of the child's pipe stands for a listening port: end of file shows that nobody has it.
  Child child([](int out) {
    if (::write(out, ".", 1) != 1) return 1;
    freeze_process(std::chrono::hours{1});
    return 0;
  });
  REQUIRE(child.heard_within(test::kPatience));
  int status = 0;
  REQUIRE(::waitpid(child.pid(), &status, WUNTRACED) == child.pid());
  CHECK(WIFSTOPPED(status));
  ::kill(child.pid(), SIGKILL);
  const MonoTime begun = machine_now();
  CHECK_FALSE(child.heard_within(test::kPatience));
  CHECK(machine_now() - begun < test::kPatience);
  CHECK(WIFSIGNALED(child.wait()));
}

}  // namespace
}  // namespace duly
