#include "control-server/core/shard_map.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <vector>

namespace duly {
namespace {

using Candidates = std::vector<ShardMap::Candidate>;

// A map and the agents around it; settle() does what the engine does with plans until there is none left.
struct ShardWorld {
  explicit ShardWorld(int shards) : map(shards, {}, MonoTime{}) {}

  void join(const std::string& name) { agents.push_back({SessionId{++sessions}, name}); }
  void leave(const std::string& name) {
    const SessionId session = session_of(name);
    for (const ShardId shard : map.held_by(session)) map.release(shard);
    std::erase_if(agents, [&](const auto& agent) { return agent.name == name; });
  }
  SessionId session_of(const std::string& name) const {
    const auto at = std::find_if(agents.begin(), agents.end(), [&](const auto& a) { return a.name == name; });
    REQUIRE(at != agents.end());
    return at->session;
  }
  void grant(ShardId shard, SessionId session) {
    const auto at =
        std::find_if(agents.begin(), agents.end(), [&](const auto& a) { return a.session == session; });
    REQUIRE(at != agents.end());
    const Epoch before = map.at(shard).row.epoch;
    const ShardRow& row = map.grant(shard, session, at->name, Incarnation{1});
    CHECK(row.epoch > before);
    ++grants;
  }
  void round(MonoTime now) {
    for (const ShardMap::Shard& shard : map.all()) {
      if (shard.phase == ShardMap::Phase::moving) map.release(shard.row.shard);
    }
    const ShardMap::Plan plan = map.balance(agents, now);
    for (const auto& [shard, session] : plan.grants) grant(shard, session);
    for (const ShardId shard : plan.revokes) map.begin_move(shard, now + seconds{5});
    revokes += static_cast<int>(plan.revokes.size());
    quiet = plan.grants.empty() && plan.revokes.empty();
  }
  void settle(MonoTime now = MonoTime{seconds{100}}) {
    grants = revokes = 0;
    quiet = false;
    for (int i = 0; i < 200 && !quiet; ++i) round(now);
    REQUIRE(quiet);  // plans end
  }
  int load(const std::string& name) const { return static_cast<int>(map.held_by(session_of(name)).size()); }
  std::string holder(int shard) const {
    const ShardMap::Shard& s = map.at(ShardId{shard});
    return s.phase == ShardMap::Phase::held ? s.row.agent : "";
  }
  // Everybody has the same number of shards, give or take one, and every shard is held.
  bool even() const {
    int least = INT32_MAX, most = 0, sum = 0;
    for (const auto& agent : agents) {
      least = std::min(least, load(agent.name));
      most = std::max(most, load(agent.name));
      sum += load(agent.name);
    }
    return sum == map.count() && most - least <= 1;
  }

  ShardMap map;
  Candidates agents;
  std::uint64_t sessions = 0;
  int grants = 0, revokes = 0;
  bool quiet = false;
};

}  // namespace

TEST_CASE("agents share the shards evenly, and one that comes or goes moves no more than its share") {
  ShardWorld world(64);
  world.join("a");
  world.settle();
  CHECK(world.load("a") == 64);
  for (const std::string name : {"b", "c", "d", "e"}) {
    world.join(name);
    world.settle();
    CHECK(world.even());
    CHECK(world.revokes == world.load(name));
    CHECK(world.grants == world.load(name));
  }
  const int of_c = world.load("c");
  world.leave("c");
  world.settle();
  CHECK(world.even());
  CHECK(world.grants == of_c);
  CHECK(world.revokes == 0);
}

TEST_CASE("agents that come at once share the shards without a single revoke") {
  ShardWorld world(64);
  for (const char* name : {"a", "b", "c"}) world.join(name);
  world.settle();
  CHECK(world.even());
  CHECK(world.revokes == 0);
}

TEST_CASE("a newcomer gets its share even when every shard was just granted to others") {
  ShardWorld world(8);
  world.join("a");
  world.round(MonoTime{seconds{100}});
  CHECK(world.load("a") == 8);
  world.join("b");
  world.settle();
  CHECK(world.even());
}

TEST_CASE("with more agents than shards, nobody has two and nothing goes round in circles") {
  ShardWorld world(3);
  for (const char* name : {"a", "b", "c", "d", "e"}) world.join(name);
  world.settle();
  CHECK(world.even());
  world.settle();
  CHECK(world.grants + world.revokes == 0);
}

TEST_CASE("without an agent nothing is planned") {
  ShardWorld world(4);
  const auto plan = world.map.balance({}, MonoTime{seconds{1}});
  CHECK((plan.grants.empty() && plan.revokes.empty()));
}

TEST_CASE("a pinned shard goes to its agent, stays there, and waits elsewhere while that is away") {
  ShardWorld world(4);
  world.join("a");
  world.join("b");
  world.settle();
  const int shard = world.map.held_by(world.session_of("a")).front().value;
  world.map.pin(ShardId{shard}, "b");
  world.settle();
  CHECK(world.holder(shard) == "b");
  world.leave("b");
  world.settle();
  CHECK(world.holder(shard) == "a");
  world.join("b");
  world.settle();
  CHECK(world.holder(shard) == "b");
  for (const char* name : {"c", "d", "e"}) world.join(name);
  world.settle();
  CHECK(world.holder(shard) == "b");
}

TEST_CASE("an unassigned shard never goes back while another agent is live") {
  for (int shard = 0; shard < 6; ++shard) {
    ShardWorld world(6);
    for (const char* name : {"a", "b", "c"}) world.join(name);
    world.settle();
    const std::string before = world.holder(shard);
    world.map.unassign(ShardId{shard});
    for (int i = 0; i < 3; ++i) {
      world.settle();
      CHECK(world.holder(shard) != before);
      CHECK_FALSE(world.holder(shard).empty());
    }
  }
  ShardWorld alone(2);
  alone.join("a");
  alone.settle();
  alone.map.unassign(ShardId{0});
  alone.settle();
  CHECK(alone.holder(0) == "a");
}

TEST_CASE("shards taken away by hand, many at once, leave the others even") {
  ShardWorld world(16);
  for (const char* name : {"a-1", "a-2", "a-3"}) world.join(name);
  world.settle();
  for (int shard = 0; shard < 8; ++shard) world.map.pin(ShardId{shard}, "a-2");
  world.settle();
  REQUIRE(world.load("a-2") == 8);
  CHECK(std::abs(world.load("a-1") - world.load("a-3")) <= 1);
  for (int shard = 0; shard < 8; ++shard) world.map.unassign(ShardId{shard});
  world.settle();
  CHECK(world.even());
}

TEST_CASE("after a start a shard waits for its last holder, and then no longer") {
  const MonoTime reserved{seconds{105}};
  ShardMap map(2, {{ShardId{0}, Epoch{7}, "a", Incarnation{1}, ""}}, reserved);
  const Candidates others = {{SessionId{9}, "b"}};
  const auto early = map.balance(others, reserved - Duration{1});
  REQUIRE(early.grants.size() == 1);
  CHECK(early.grants[0].first == ShardId{1});  // never held: free at once
  CHECK(map.next_deadline() == reserved);
  CHECK(map.balance(others, reserved).grants.size() == 2);
  CHECK(map.grant(ShardId{0}, SessionId{9}, "b", Incarnation{1}).epoch == Epoch{8});
}

TEST_CASE("only the last holder's own incarnation reclaims, under the same epoch, and only what is free") {
  const auto fresh = [] {
    return ShardMap(2, {{ShardId{0}, Epoch{7}, "a", Incarnation{1}, ""}}, MonoTime{seconds{9}});
  };
  const Holding holding{ShardId{0}, Epoch{7}};
  ShardMap map = fresh();
  CHECK_FALSE(map.reclaim({ShardId{0}, Epoch{6}}, SessionId{1}, "a", Incarnation{1}));
  CHECK_FALSE(map.reclaim({ShardId{0}, Epoch{8}}, SessionId{1}, "a", Incarnation{1}));
  CHECK_FALSE(map.reclaim(holding, SessionId{1}, "b", Incarnation{1}));
  CHECK_FALSE(map.reclaim(holding, SessionId{1}, "a", Incarnation{2}));
  CHECK_FALSE(map.reclaim({ShardId{1}, Epoch{0}}, SessionId{1}, "a", Incarnation{1}));
  CHECK_FALSE(map.reclaim({ShardId{-1}, Epoch{7}}, SessionId{1}, "a", Incarnation{1}));
  CHECK_FALSE(map.reclaim({ShardId{2}, Epoch{7}}, SessionId{1}, "a", Incarnation{1}));
  CHECK(map.reclaim(holding, SessionId{1}, "a", Incarnation{1}));
  CHECK(map.holds(SessionId{1}, ShardId{0}, Epoch{7}));
  CHECK_FALSE(map.reclaim(holding, SessionId{2}, "a", Incarnation{1}));

  ShardMap pinned = fresh();
  pinned.pin(ShardId{0}, "b");
  CHECK_FALSE(pinned.reclaim(holding, SessionId{1}, "a", Incarnation{1}));
  ShardMap taken = fresh();
  taken.grant(ShardId{0}, SessionId{2}, "b", Incarnation{5});
  taken.release(ShardId{0});
  CHECK_FALSE(taken.reclaim(holding, SessionId{1}, "a", Incarnation{1}));
}

TEST_CASE("a holding counts under exactly its epoch and session, also while it moves, and not after") {
  ShardMap map(1, {}, MonoTime{});
  const Epoch epoch = map.grant(ShardId{0}, SessionId{1}, "a", Incarnation{1}).epoch;
  CHECK(map.holds(SessionId{1}, ShardId{0}, epoch));
  CHECK_FALSE(map.holds(SessionId{2}, ShardId{0}, epoch));
  CHECK_FALSE(map.holds(SessionId{1}, ShardId{0}, Epoch{epoch.value + 1}));
  CHECK_FALSE(map.holds(SessionId{1}, ShardId{1}, epoch));
  CHECK_FALSE(map.holds(SessionId{1}, ShardId{-1}, epoch));
  map.begin_move(ShardId{0}, MonoTime{seconds{3}});
  CHECK(map.holds(SessionId{1}, ShardId{0}, epoch));
  CHECK(map.next_deadline() == MonoTime{seconds{3}});
  map.release(ShardId{0});
  CHECK_FALSE(map.holds(SessionId{1}, ShardId{0}, epoch));
  CHECK_FALSE(map.next_deadline().has_value());
}

TEST_CASE("whatever joins, leaves, is pinned or taken away, plans end and epochs only rise") {
  std::uint64_t seed = 42;
  const auto draw = [&](std::uint64_t bound) { return mix(seed++) % bound; };
  ShardWorld world(16);
  world.join("a0");
  std::vector<Epoch> last(16);
  for (int step = 0; step < 300; ++step) {
    const std::string name = "a" + std::to_string(draw(6));
    const bool there = std::any_of(world.agents.begin(), world.agents.end(),
                                   [&](const auto& agent) { return agent.name == name; });
    const ShardId shard{static_cast<std::int32_t>(draw(16))};
    const std::uint64_t what = draw(4);
    if (what == 0 && !there) world.join(name);
    if (what == 1 && there && world.agents.size() > 1) {
      world.leave(name);
      world.map.clear_avoidance();
    }
    if (what == 2 && there) world.map.pin(shard, name);
    if (what == 3) world.map.unassign(shard);
    world.settle();
    int held = 0;
    for (const auto& agent : world.agents) held += world.load(agent.name);
    REQUIRE(held == 16);
    for (int i = 0; i < 16; ++i) {
      Epoch& before = last[static_cast<std::size_t>(i)];
      REQUIRE(world.map.at(ShardId{i}).row.epoch >= before);
      before = world.map.at(ShardId{i}).row.epoch;
    }
  }
}

}  // namespace duly
