// A state change as JSON, for whoever is told of it.
#pragma once

#include <string>

#include "common/wire/json_text.h"
#include "control-server/store/state_changes.h"

namespace duly {

// The fields that every event has; the caller ends the object.
inline void append_change(JsonObject& object, const StateChange& change, const std::string& queue,
                          const std::string& type) {
  object.text("id", format_command_id(change.id));
  object.text("queue", queue);
  object.text("type", type);
  object.text("state", name_of(change.state));
  object.number("attempt", change.attempt);
  object.instant("at", change.at_ms);
  if (change.reason != DeadReason::none) object.text("reason", name_of(change.reason));
}

}  // namespace duly
