#include "common/app/signals.h"

#include <catch2/catch.hpp>

#include "tests/unit/common/app/child_fixture.h"

namespace duly {
namespace {

using test::Child;

bool say(int out, char what) { return ::write(out, &what, 1) == 1; }

// A program that says it is ready, then what it is told by signals; the loop ends when `stops` is set.
int run_program(int out, bool stops, bool reloads) {
  AsioLoop loop;
  const Signals::Callback reload = [out] { say(out, 'r'); };
  const Signals signals(
      loop,
      [&] {
        say(out, 's');
        if (stops) loop.stop();
      },
      reloads ? reload : Signals::Callback{});
  loop.post([out] { say(out, '+'); });
  loop.run();
  return 0;
}

TEST_CASE("the first SIGTERM or SIGINT calls stop on the loop") {
  for (const int signal : {SIGTERM, SIGINT}) {
    Child child([](int out) { return run_program(out, true, false); });
    REQUIRE(child.heard_within(test::kPatience));
    ::kill(child.pid(), signal);
    CHECK(child.heard_within(test::kPatience));
    const int status = child.wait();
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}

TEST_CASE("the second signal ends the process at once, though it is still draining") {
  Child child([](int out) { return run_program(out, false, false); });
  REQUIRE(child.heard_within(test::kPatience));
  ::kill(child.pid(), SIGTERM);
  REQUIRE(child.heard_within(test::kPatience));
  ::kill(child.pid(), SIGINT);
  const int status = child.wait();
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
}

TEST_CASE("the second signal ends the process even when its loop hangs") {
  Child child([](int out) {
    AsioLoop loop;
    const Signals signals(loop, [] {});
    say(out, '+');
    for (;;) ::poll(nullptr, 0, 1000);
    return 0;
  });
  REQUIRE(child.heard_within(test::kPatience));
  // A signal that is already pending is not counted twice, so it is sent until the process is gone.
  const MonoTime until = machine_now() + test::kPatience;
  siginfo_t info{};
  while (info.si_pid == 0 && machine_now() < until) {
    ::kill(child.pid(), SIGTERM);
    ::waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOHANG | WNOWAIT);
    ::poll(nullptr, 0, 1);
  }
  const int status = child.wait();
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 143);
}

TEST_CASE("SIGHUP calls reload as often as it comes") {
  Child child([](int out) { return run_program(out, true, true); });
  REQUIRE(child.heard_within(test::kPatience));
  for (int i = 0; i < 3; ++i) {
    ::kill(child.pid(), SIGHUP);
    REQUIRE(child.heard_within(test::kPatience));
  }
  ::kill(child.pid(), SIGTERM);
  CHECK(WIFEXITED(child.wait()));
}

TEST_CASE("SIGPIPE is ignored") {
  Child child([](int out) {
    AsioLoop loop;
    const Signals signals(loop, [] {});
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) return 1;
    ::close(ends[0]);
    say(ends[1], '.');
    return say(out, '+') ? 0 : 2;
  });
  CHECK(child.heard_within(test::kPatience));
  CHECK(WIFEXITED(child.wait()));
}

TEST_CASE("it can be made and destroyed without any signal") {
  Child child([](int) {
    AsioLoop loop;
    {
      const Signals signals(loop, [] {});
    }
    return 0;
  });
  const int status = child.wait();
  CHECK(WIFEXITED(status));
}

}  // namespace
}  // namespace duly
