#include "common/model/command.h"

#include <algorithm>
#include <cmath>

namespace duly {

std::int64_t backoff_ms(const RetryPolicy& policy, int next_attempt, std::uint64_t seed) {
  DULY_ASSERT(next_attempt >= 2);
  const double grown =
      static_cast<double>(policy.initial_delay_ms) * std::pow(policy.multiplier, next_attempt - 2);
  const double capped =
      std::min(grown, static_cast<double>(policy.max_delay_ms));         // also when `grown` is infinite
  const double unit = static_cast<double>(mix(seed) >> 11) * 0x1.0p-53;  // 0 ≤ unit < 1
  return std::llround(capped * (1.0 + policy.jitter * (2.0 * unit - 1.0)));
}

std::string_view name_of(AttemptOutcome outcome) {
  switch (outcome) {
    case AttemptOutcome::succeeded: return "succeeded";
    case AttemptOutcome::failed: return "failed";
    case AttemptOutcome::timed_out: return "timed_out";
    case AttemptOutcome::lost: return "lost";
    case AttemptOutcome::handed_back: return "handed_back";
    case AttemptOutcome::cancelled: return "cancelled";
    case AttemptOutcome::delivered: return "delivered";
  }
  return "?";
}

}  // namespace duly
