#include <duly/command.h>

#include "common/model/state_table.h"

namespace duly::client {

bool Command::ended() const {
  const auto known = state_named(state);
  return known && is_end(*known);
}

bool Command::succeeded() const {
  const auto known = state_named(state);
  return known == State::succeeded || known == State::delivered;
}

}  // namespace duly::client
