// What was read, as it would be handed out again: to write it anew.
#pragma once

#include "common/wire/envelope.h"

namespace duly::fuzz {

inline HandOutItem hand_out_of(const Execution& execution) {
  HandOutItem item;
  item.id = execution.id;
  item.attempt = execution.attempt;
  item.max_attempts = execution.max_attempts;
  item.token = execution.token;
  item.due_at_ms = execution.due_at_ms;
  item.type = execution.type;
  item.queue = execution.queue;
  item.key = execution.key;
  item.payload = execution.payload;
  item.trace = execution.trace;
  return item;
}

}  // namespace duly::fuzz
