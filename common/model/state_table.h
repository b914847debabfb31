// The life of a command: its states, and the only moves between them.
//
// The table is the contract's drawing (section 2) and three edges more (docs/decisions/0016 and 0027).  The
// store asks it before every change; a move that is not here is a programming error and ends the process.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace duly {

// The numbers are stored: never renumber.
enum class State : std::uint8_t {
  waiting = 0,
  scheduled = 1,
  queued = 2,
  running = 3,
  succeeded = 4,
  dead = 5,
  cancelled = 6,
  expired = 7,
  delivered = 8,
};
inline constexpr std::array<State, 9> kStates = {State::waiting,   State::scheduled, State::queued,
                                                 State::running,   State::succeeded, State::dead,
                                                 State::cancelled, State::expired,   State::delivered};

constexpr std::string_view name_of(State state) {
  switch (state) {
    case State::waiting: return "waiting";
    case State::scheduled: return "scheduled";
    case State::queued: return "queued";
    case State::running: return "running";
    case State::succeeded: return "succeeded";
    case State::dead: return "dead";
    case State::cancelled: return "cancelled";
    case State::expired: return "expired";
    case State::delivered: return "delivered";
  }
  return "?";
}

constexpr std::optional<State> state_named(std::string_view name) {
  for (const State state : kStates) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

// What makes a command move.
enum class Move : std::uint8_t {
  release,    // its dependencies have succeeded
  mark,       // the broker has confirmed its message
  permit,     // an executor may start it
  succeed,    // its handler succeeded
  retry,      // its attempt failed, was lost or was handed back; attempts are left
  die,        // attempts used up, or the handler said "do not retry"
  cancel,     // by hand
  expire,     // not started by expires_at
  redrive,    // dead, tried again by hand
  hand_over,  // deliver mode: confirmed by the broker
  revive,     // cancelled with its workflow, which is tried again by hand
};

struct Edge {
  State from;
  Move move;
  State to;
};
inline constexpr std::array kEdges = {
    Edge{State::waiting, Move::release, State::scheduled},
    Edge{State::waiting, Move::cancel, State::cancelled},
    Edge{State::scheduled, Move::mark, State::queued},
    Edge{State::scheduled, Move::permit, State::running},
    Edge{State::scheduled, Move::cancel, State::cancelled},
    Edge{State::scheduled, Move::expire, State::expired},
    Edge{State::scheduled, Move::hand_over, State::delivered},
    Edge{State::scheduled, Move::retry, State::scheduled},  // deliver mode: its message has no way to go …
    Edge{State::scheduled, Move::die, State::dead},         // … and has had none for too long
    Edge{State::queued, Move::permit, State::running},
    Edge{State::queued, Move::cancel, State::cancelled},
    Edge{State::queued, Move::expire, State::expired},
    Edge{State::running, Move::succeed, State::succeeded},
    Edge{State::running, Move::retry, State::scheduled},
    Edge{State::running, Move::die, State::dead},
    Edge{State::running, Move::cancel, State::cancelled},
    Edge{State::dead, Move::redrive, State::scheduled},
    Edge{State::cancelled, Move::revive, State::waiting},
};

// The state after `move`, or nothing when the contract does not draw it.
constexpr std::optional<State> after(State from, Move move) {
  for (const Edge& edge : kEdges) {
    if (edge.from == from && edge.move == move) return edge.to;
  }
  return std::nullopt;
}

constexpr bool is_end(State state) {
  return state == State::succeeded || state == State::dead || state == State::cancelled ||
         state == State::expired || state == State::delivered;
}

// What a command that depends on this one waits for.
constexpr bool is_success(State state) { return state == State::succeeded || state == State::delivered; }

constexpr bool edges_are_unique() {
  for (std::size_t i = 0; i < kEdges.size(); ++i) {
    for (std::size_t j = i + 1; j < kEdges.size(); ++j) {
      if (kEdges[i].from == kEdges[j].from && kEdges[i].move == kEdges[j].move) return false;
    }
  }
  return true;
}
static_assert(edges_are_unique(), "the machine must be deterministic");
static_assert(after(State::scheduled, Move::permit) == State::running, "a permit may outrun the mark");
static_assert(!after(State::succeeded, Move::retry), "an end is final");

}  // namespace duly
