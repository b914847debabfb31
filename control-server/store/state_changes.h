// What has changed the state of commands: small enough to be noted for every one, also when nobody listens.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "control-server/store/rows.h"

namespace duly {

// A command has come to this state.
struct StateChange {
  CommandId id;
  std::int64_t at_ms = 0;
  QueueNumber queue = 0;
  TypeNumber type = 0;
  int attempt = 0;  // the last one begun or queued; 0 = none yet
  State state = State::scheduled;
  DeadReason reason = DeadReason::none;
};

// Of queues and types, which share their numbers.
using NumberedNames = std::vector<std::pair<std::int32_t, std::string>>;

// In the order in which it happened.
struct StateChanges {
  std::vector<StateChange> items;
  NumberedNames names;  // that are new
  bool whole = true;    // false: there were more than limits::kEventsKept, and the older ones are not here

  [[nodiscard]] bool empty() const { return items.empty() && names.empty() && whole; }
};

}  // namespace duly
