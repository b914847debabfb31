// A map by id against the plainest one, through growth, collisions, gaps that close and emptying.
#include "common/base/id_map.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <string>

#include "tests/sim/base/rng.h"

namespace duly {
namespace {

using Plain = std::map<CommandId, std::string>;

void check_same(IdMap<std::string>& map, const Plain& plain) {
  REQUIRE(map.size() == plain.size());
  REQUIRE(map.empty() == plain.empty());
  std::vector<CommandId> ids;
  for (const auto& [id, text] : plain) {
    ids.push_back(id);
    const std::string* found = map.find(id);
    REQUIRE(found != nullptr);
    REQUIRE(*found == text);
  }
  REQUIRE(map.ids() == ids);
}

// Ids as they are drawn, and such as fall into one place of a small table.
CommandId draw_id(sim::Rng& rng, std::int64_t step) {
  const auto number = static_cast<std::int64_t>(rng.below(400));
  return CommandId{rng.chance(0.5) ? number * step : number};
}

}  // namespace

TEST_CASE("a map by id holds what a tree would") {
  for (const std::int64_t step : {1LL, 4096LL, 1LL << 22, 1LL << 40}) {
    sim::Rng rng(static_cast<std::uint64_t>(step));
    IdMap<std::string> map;
    Plain plain;
    for (int turn = 0; turn < 20'000; ++turn) {
      const CommandId id = draw_id(rng, step);
      const bool grows = (turn / 2000) % 2 == 0;
      if (rng.chance(grows ? 0.7 : 0.2)) {
        const std::string text = std::to_string(turn);
        const auto [value, made] = map.try_emplace(id, std::string(text));
        REQUIRE(made == plain.try_emplace(id, text).second);
        REQUIRE(*value == plain.at(id));
      } else {
        REQUIRE(map.erase(id) == (plain.erase(id) == 1));
        REQUIRE_FALSE(map.contains(id));
      }
      if (turn % 500 == 0) check_same(map, plain);
    }
    while (!plain.empty()) {
      REQUIRE(map.erase(plain.begin()->first));
      plain.erase(plain.begin());
    }
    check_same(map, plain);
  }
}

TEST_CASE("a value stays where it is until it is erased, and lets go of what it held then") {
  IdMap<std::shared_ptr<int>> map;
  const auto held = std::make_shared<int>(7);
  const auto* first = map.try_emplace(CommandId{1}, std::shared_ptr<int>(held)).first;
  for (std::int64_t id = 2; id < 5000; ++id) map.try_emplace(CommandId{id}, nullptr);
  CHECK(map.find(CommandId{1}) == first);
  CHECK(held.use_count() == 2);
  CHECK(map.erase(CommandId{1}));
  CHECK(held.use_count() == 1);
}

}  // namespace duly
