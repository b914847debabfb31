#include "common/wire/messages.h"

namespace duly {

std::string_view name_of(GiveBackReason reason) {
  switch (reason) {
    case GiveBackReason::drained: return "drained";
    case GiveBackReason::returned: return "returned";
    case GiveBackReason::rejected: return "rejected";
    case GiveBackReason::in_doubt: return "in_doubt";
    case GiveBackReason::broker_down: return "broker_down";
  }
  return "?";
}

std::string_view name_of(MarkOutcome outcome) {
  switch (outcome) {
    case MarkOutcome::published: return "published";
    case MarkOutcome::delivered: return "delivered";
    case MarkOutcome::unroutable: return "unroutable";
  }
  return "?";
}

}  // namespace duly
