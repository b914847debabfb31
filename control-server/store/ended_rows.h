// Ended commands in the order of their ends, as retention and export walk them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/model/state_table.h"
#include "control-server/store/rows.h"

namespace duly {

struct EndedPlace {
  std::int64_t finished_ms = 0;
  CommandId id;
  friend auto operator<=>(const EndedPlace&, const EndedPlace&) = default;
};

struct EndedRow {
  EndedPlace place;
  State state = State::succeeded;
  TypeNumber type = 0;
  QueueNumber queue = 0;
};

struct EndedFilter {
  std::optional<State> state;
  std::string type, queue;                                            // empty = any
  std::optional<std::int64_t> finished_after_ms, finished_before_ms;  // exclusive
};
struct EndedPage {
  std::vector<EndedPlace> items;
  std::optional<EndedPlace> next;  // go on after this one; nothing = the end
};

// The walk of both: after (?1, ?2), ended at or before ?3, at most ?4.  Its index holds all that it asks for,
// and without that index it fails instead of looking at everything.
inline constexpr const char* kWalkEnded =
    "SELECT finished_ms, id, state, type, queue FROM state INDEXED BY state_ended"
    " WHERE state >= 4 AND (finished_ms, id) > (?1, ?2) AND finished_ms <= ?3"
    " ORDER BY finished_ms, id LIMIT ?4";

}  // namespace duly
