// What a user asks for (CommandSpec), and what happened to one attempt of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/assert.h"
#include "common/base/ids.h"
#include "common/model/trace_context.h"

namespace duly {

struct RetryPolicy {
  int max_attempts = 3;
  std::int64_t initial_delay_ms = 1000;
  double multiplier = 2.0;
  std::int64_t max_delay_ms = 60'000;
  double jitter = 0.1;  // 0..1

  friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

// Milliseconds to wait before attempt `next_attempt` (2 or more; counted from the last redrive):
// min(max_delay, initial_delay × multiplier^(n-1)) × (1 ± jitter), n = next_attempt - 1 (contract section 2).
// `seed` picks the point inside the jitter; the same seed gives the same answer.
std::int64_t backoff_ms(const RetryPolicy& policy, int next_attempt, std::uint64_t seed);

enum class OnLost : std::uint8_t { retry = 0, dead = 1 };

using Bytes = std::shared_ptr<const std::string>;
inline Bytes make_bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

// Where a command in deliver mode goes when it is due (docs/decisions/0027).
struct DeliverTarget {
  std::string exchange;  // empty = the broker's default one
  std::string routing_key;
  std::string properties;  // of the message, as AMQP writes them (model/message_properties.h)
  friend bool operator==(const DeliverTarget&, const DeliverTarget&) = default;
};

struct CommandSpec {
  std::string type;
  std::string queue = "default";
  Bytes payload;        // passed on byte for byte; JSON text, unless `opaque`; "null" when none was given
  bool opaque = false;  // any bytes, and not JSON: only a message can bring such a payload
  std::string content_type;               // of the payload; empty = application/json
  std::optional<std::int64_t> due_at_ms;  // wall; absent with delay_ms absent = now
  std::optional<std::int64_t> delay_ms;
  int priority = 5;
  std::string key;  // empty = none
  RetryPolicy retry;
  std::int64_t timeout_ms = 60'000;
  std::optional<std::int64_t> expires_at_ms;
  OnLost on_lost = OnLost::retry;
  std::map<std::string, std::string> labels;
  std::vector<CommandId> depends_on;     // that must have succeeded first
  std::optional<DeliverTarget> deliver;  // nothing = executors run it
  std::string callback_url = {};         // is told of its end; empty = nobody is
  TracePtr trace = nullptr;              // that it belongs to; null = none
  // Set by the server on what a schedule makes: its number, and the fire's nominal time.
  std::int64_t schedule = 0;  // 0 = none
  std::int64_t fire_at_ms = 0;
};

// How one attempt ended.  The numbers are stored: never renumber.
enum class AttemptOutcome : std::uint8_t {
  succeeded = 0,
  failed = 1,
  timed_out = 2,
  lost = 3,         // its executor vanished
  handed_back = 4,  // by a draining agent, or by a handler that did nothing: does not count
  cancelled = 5,
  delivered = 6,  // deliver mode: the broker has confirmed its message
};
std::string_view name_of(AttemptOutcome outcome);

}  // namespace duly
