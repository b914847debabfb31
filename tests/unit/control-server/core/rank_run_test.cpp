// Order kept in an array and deadlines in a heap, each against a tree.
#include "control-server/core/rank_run.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "control-server/core/deadlines.h"
#include "tests/sim/base/rng.h"

namespace duly {

TEST_CASE("a run of ranks holds them in order, whatever comes and goes where") {
  sim::Rng rng(1);
  RankRun run;
  std::set<Rank> plain;
  for (int turn = 0; turn < 30'000; ++turn) {
    const Rank rank{rng.between(0, 300), CommandId{rng.between(0, 3)}};
    if (rng.chance(turn < 15'000 ? 0.6 : 0.3)) {
      run.insert(rank);
      plain.insert(rank);
    } else if (rng.chance(0.5) && !plain.empty()) {
      REQUIRE(run.front() == *plain.begin());
      REQUIRE(run.erase(*plain.begin()));
      plain.erase(plain.begin());
    } else {
      REQUIRE(run.erase(rank) == (plain.erase(rank) == 1));
    }
    REQUIRE(run.size() == plain.size());
    if (turn % 100 == 0) {
      REQUIRE(std::equal(run.begin(), run.end(), plain.begin(), plain.end()));
      const auto before = std::distance(plain.begin(), plain.lower_bound({151, CommandId{INT64_MIN}}));
      REQUIRE(run.until(150) == static_cast<std::size_t>(before));
    }
    if (!plain.empty()) REQUIRE(run.back() == *plain.rbegin());
  }
}

TEST_CASE("deadlines come out in order, and what has changed is left in only so far") {
  Deadlines deadlines;
  std::map<CommandId, MonoTime> plain;
  for (std::int64_t round = 0; round < 200; ++round) {
    for (std::int64_t id = 0; id < 50; ++id) {
      const MonoTime at{milliseconds{round * 10 + (id * 7) % 100}};
      plain[CommandId{id}] = at;
      deadlines.add(at, CommandId{id});
      if (!deadlines.mostly_gone(plain.size())) continue;
      std::vector<Deadlines::Entry> live;
      for (const auto& [one, when] : plain) live.emplace_back(when, one);
      deadlines.keep_only(std::move(live));
    }
    REQUIRE(deadlines.size() <= 2 * plain.size() + 1025);
  }
  std::set<Deadlines::Entry> out;
  MonoTime last{};
  CHECK_FALSE(deadlines.take_over(MonoTime{}).has_value());
  while (const auto over = deadlines.take_over(MonoTime::max())) {
    CHECK(over->first >= last);
    last = over->first;
    if (plain.at(over->second) == over->first) out.insert(*over);
  }
  CHECK(out.size() == plain.size());
}

}  // namespace duly
