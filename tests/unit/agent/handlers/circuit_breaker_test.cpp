#include "agent/handlers/circuit_breaker.h"

#include <algorithm>
#include <catch2/catch.hpp>

namespace duly {
namespace {

// A breaker, and the time it is told.
struct Watched {
  CircuitBreaker breaker{CircuitPolicy{3, seconds{1}, seconds{5}}};
  MonoTime now{seconds{100}};

  CircuitLeave ask() { return breaker.ask(now); }
  // One request from leave to report; false when there was no leave.
  bool request(Health health) {
    const CircuitLeave leave = ask();
    if (leave.go) breaker.report(now, leave.generation, health);
    return leave.go;
  }
  void fail(int times) {
    for (int i = 0; i < times; ++i) REQUIRE(request(Health::ill));
  }
};

}  // namespace

TEST_CASE("so many failures in a row open the circuit, and an answer in between begins the count anew") {
  Watched w;
  w.fail(2);
  CHECK(w.request(Health::well));
  w.fail(2);
  CHECK(w.breaker.state() == CircuitState::closed);
  CHECK(w.request(Health::unknown));  // tells nothing either way
  w.fail(1);
  CHECK(w.breaker.state() == CircuitState::open);
  CHECK_FALSE(w.ask().go);
  CHECK(w.ask().wait == seconds{1});
  w.now += milliseconds{400};
  CHECK(w.ask().wait == milliseconds{600});
}

TEST_CASE("after the cool-down one request goes as a probe, and its answer closes the circuit") {
  Watched w;
  w.fail(3);
  w.now += seconds{1};
  const CircuitLeave probe = w.ask();
  REQUIRE(probe.go);
  CHECK(w.breaker.state() == CircuitState::half_open);
  CHECK_FALSE(w.ask().go);
  CHECK(w.ask().wait == seconds{1});
  w.breaker.report(w.now, probe.generation, Health::well);
  CHECK(w.breaker.state() == CircuitState::closed);
  w.fail(2);
  CHECK(w.breaker.state() == CircuitState::closed);
}

TEST_CASE("each probe that fails doubles the cool-down up to its bound, and an answer resets it") {
  Watched w;
  w.fail(3);
  for (const int wait : {1, 2, 4, 5, 5}) {
    CHECK(w.ask().wait == seconds{wait});
    w.now += seconds{wait} - microseconds{1};
    CHECK_FALSE(w.ask().go);
    w.now += microseconds{1};
    CHECK(w.request(Health::ill));
  }
  w.now += seconds{5};
  CHECK(w.request(Health::well));
  w.fail(3);
  CHECK(w.ask().wait == seconds{1});
}

TEST_CASE("a probe that tells nothing makes way for the next one at once") {
  Watched w;
  w.fail(3);
  w.now += seconds{1};
  CHECK(w.request(Health::unknown));
  CHECK(w.breaker.state() == CircuitState::open);
  CHECK(w.request(Health::well));
  CHECK(w.breaker.state() == CircuitState::closed);
}

TEST_CASE("what was begun before the circuit opened no longer counts") {
  Watched w;
  const CircuitLeave early = w.ask();
  const CircuitLeave other = w.ask();
  w.fail(3);
  w.breaker.report(w.now, early.generation, Health::well);
  CHECK(w.breaker.state() == CircuitState::open);
  w.now += seconds{1};
  const CircuitLeave probe = w.ask();
  w.breaker.report(w.now, other.generation, Health::ill);
  CHECK(w.breaker.state() == CircuitState::half_open);
  w.breaker.report(w.now, probe.generation, Health::well);
  CHECK(w.breaker.state() == CircuitState::closed);
}

TEST_CASE("targets do not share a circuit, and the one asked for longest ago makes room") {
  CircuitBoard board(CircuitPolicy{1, seconds{1}, seconds{5}});
  const MonoTime now{seconds{100}};
  const CircuitLeave leave = board.ask("http://ill:80", now);
  board.report("http://ill:80", now, leave.generation, Health::ill);
  CHECK_FALSE(board.ask("http://ill:80", now).go);
  for (std::size_t i = 1; i < CircuitBoard::kTargets; ++i) CHECK(board.ask("t" + std::to_string(i), now).go);
  CHECK_FALSE(board.ask("http://ill:80", now).go);  // still remembered, and asked for again
  CHECK(board.ask("one more", now).go);
  const auto view = board.view();
  REQUIRE(view.size() == CircuitBoard::kTargets);
  CHECK(view.front().target == "http://ill:80");
  CHECK(view.front().state == CircuitState::open);
  CHECK(std::none_of(view.begin(), view.end(), [](const CircuitView& each) { return each.target == "t1"; }));
  board.report("t1", now, 1, Health::ill);  // forgotten meanwhile: nothing
}

}  // namespace duly
