#include "common/model/state_table.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>

namespace duly {

static constexpr Move kMoves[] = {Move::release, Move::mark,      Move::permit, Move::succeed,
                                  Move::retry,   Move::die,       Move::cancel, Move::expire,
                                  Move::redrive, Move::hand_over, Move::revive};

// Contract section 2 and docs/decisions/0016 and 0027, written down a second time.
static const std::map<std::pair<State, Move>, State> kDrawn = {
    {{State::waiting, Move::release}, State::scheduled},
    {{State::waiting, Move::cancel}, State::cancelled},
    {{State::scheduled, Move::mark}, State::queued},
    {{State::scheduled, Move::permit}, State::running},
    {{State::scheduled, Move::cancel}, State::cancelled},
    {{State::scheduled, Move::expire}, State::expired},
    {{State::scheduled, Move::hand_over}, State::delivered},
    {{State::scheduled, Move::retry}, State::scheduled},
    {{State::scheduled, Move::die}, State::dead},
    {{State::queued, Move::permit}, State::running},
    {{State::queued, Move::cancel}, State::cancelled},
    {{State::queued, Move::expire}, State::expired},
    {{State::running, Move::succeed}, State::succeeded},
    {{State::running, Move::retry}, State::scheduled},
    {{State::running, Move::die}, State::dead},
    {{State::running, Move::cancel}, State::cancelled},
    {{State::dead, Move::redrive}, State::scheduled},
    {{State::cancelled, Move::revive}, State::waiting},
};

TEST_CASE("every move that the contract draws is legal, and no other") {
  for (const State from : kStates) {
    for (const Move move : kMoves) {
      INFO(name_of(from) << " by move " << static_cast<int>(move));
      const auto drawn = kDrawn.find({from, move});
      const auto to = after(from, move);
      CHECK(to.has_value() == (drawn != kDrawn.end()));
      if (to && drawn != kDrawn.end()) CHECK(*to == drawn->second);
    }
  }
  CHECK(kEdges.size() == kDrawn.size());
}

TEST_CASE("an ended command moves no more, except by hand: a dead one, and one cancelled with its workflow") {
  for (const State state : kStates) {
    int moves = 0;
    for (const Move move : kMoves) moves += after(state, move).has_value() ? 1 : 0;
    INFO(name_of(state));
    const bool by_hand = state == State::dead || state == State::cancelled;
    CHECK(is_end(state) == (moves == 0 || by_hand));
    if (by_hand) CHECK(moves == 1);
  }
}

TEST_CASE("the numbers of states are those of stored rows, and their names those of the contract") {
  const std::string names[] = {"waiting", "scheduled", "queued",  "running",  "succeeded",
                               "dead",    "cancelled", "expired", "delivered"};
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    CHECK(static_cast<std::size_t>(kStates[i]) == i);
    CHECK(name_of(kStates[i]) == names[i]);
    CHECK(state_named(names[i]) == kStates[i]);
  }
  CHECK_FALSE(state_named("Running").has_value());
  CHECK_FALSE(state_named("").has_value());
}

}  // namespace duly
