// The rows of the store as the engine sees them.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "common/base/ids.h"
#include "common/model/command.h"
#include "common/model/schedule.h"
#include "common/model/state_table.h"
#include "common/model/workflow.h"

namespace duly {

// Who asks, for the record of causes (design I15): an API key's name, "anonymous", "agent", "schedule s-1",
// "server"; and by which request.
struct Actor {
  std::string name;
  std::string request;  // its X-Request-Id; empty = none

  Actor() = default;
  Actor(const char* who) : name(who) {}  // NOLINT: implicit on purpose
  Actor(std::string who, std::string id = {}) : name(std::move(who)), request(std::move(id)) {}  // NOLINT
  operator const std::string&() const { return name; }                                           // NOLINT
};

// Names that repeat in many rows are stored once and referred to by number.
using QueueNumber = std::int32_t;
using TypeNumber = std::int32_t;
using PartyNumber = std::int32_t;  // one start of one agent or executor; 0 = none

// What is stored and indexed for a key.
inline std::int64_t key_hash_of(const std::string& key) {
  return key.empty() ? 0 : static_cast<std::int64_t>(stable_hash(key) | 1U);  // never 0, which means "no key"
}

// Why a command is dead.  The numbers are stored: never renumber.
enum class DeadReason : std::uint8_t {
  none = 0,
  attempts_exhausted = 1,
  not_retryable = 2,
  lost = 3,
  poison = 4,
  restored = 5  // it was running when the copy was made that the store was restored from
};
constexpr std::string_view name_of(DeadReason reason) {
  switch (reason) {
    case DeadReason::none: return "";
    case DeadReason::attempts_exhausted: return "attempts_exhausted";
    case DeadReason::not_retryable: return "not_retryable";
    case DeadReason::lost: return "lost";
    case DeadReason::poison: return "poison";
    case DeadReason::restored: return "restored";
  }
  return "";
}

// What changes in a command's life, kept narrow: a step rewrites the pages of this row, not the payload's.
struct StateRow {
  CommandId id;
  State state = State::scheduled;
  ShardId shard;
  QueueNumber queue = 0;
  TypeNumber type = 0;
  int priority = 5;
  std::int64_t due_ms = 0;
  std::int64_t order_ms = 0;  // due time as asked for; retries do not change it: the order within a key
  Token token;
  int attempt = 0;              // the last one that got a permit
  int base_attempt = 0;         // attempts that do not count (before a redrive, or handed back)
  int max_attempts = 0;         // of the policy; the last allowed number is base_attempt + max_attempts
  int losses = 0;               // executors lost in a row
  std::int64_t key_hash = 0;    // 0 = no key
  std::int64_t expires_ms = 0;  // 0 = never
  // Of the present attempt, 0 = not yet:
  std::int64_t queued_ms = 0;
  std::int64_t started_ms = 0;
  Epoch epoch;
  PartyNumber publisher = 0;
  PartyNumber executor = 0;
  std::uint64_t nonce = 0;
  std::int64_t finished_ms = 0;
  DeadReason reason = DeadReason::none;

  friend bool operator==(const StateRow&, const StateRow&) = default;
  [[nodiscard]] int next_attempt() const { return attempt + 1; }
  [[nodiscard]] bool attempts_left() const { return attempt < base_attempt + max_attempts; }
};

// What never changes.
struct CommandBody {
  std::string type;
  std::string queue;
  std::string key;
  Bytes payload;
  RetryPolicy retry;
  std::int64_t timeout_ms = 0;
  OnLost on_lost = OnLost::retry;
  std::string content_type;  // empty = application/json
  std::optional<DeliverTarget> deliver = std::nullopt;
  TracePtr trace = nullptr;  // null = none

  // Of what may be large.
  [[nodiscard]] std::size_t bytes() const {
    return payload->size() + (deliver ? deliver->properties.size() : 0);
  }
};

// What an attempt goes by.
struct AttemptTerms {
  std::int64_t timeout_ms = 0;
  bool delivers = false;  // in deliver mode: nobody runs it
  friend bool operator==(const AttemptTerms&, const AttemptTerms&) = default;
};

// One ended attempt, appended once.
struct AttemptRow {
  CommandId id;
  int attempt = 0;
  Epoch epoch;
  PartyNumber publisher = 0;
  PartyNumber executor = 0;
  std::int64_t queued_ms = 0, started_ms = 0, finished_ms = 0;
  AttemptOutcome outcome = AttemptOutcome::succeeded;
  std::string error;
  Bytes result;  // null = none
};

struct ShardRow {
  ShardId shard;
  Epoch epoch;
  std::string agent;  // last holder, empty = never held
  Incarnation incarnation;
  std::string pinned;  // empty = not pinned
};

// What an operator says of a queue, for all agents together; nothing = no limit.
struct StartRate {
  std::int64_t count = 0;   // starts at most …
  std::int64_t per_ms = 0;  // … within any span of this length
  friend bool operator==(const StartRate&, const StartRate&) = default;
};
struct QueueLimits {
  std::optional<std::int64_t> max_running;
  std::optional<StartRate> rate;
  std::int64_t bundle = 1;  // commands in one message to the broker, at most
  // Whether anything is limited.
  [[nodiscard]] bool any() const { return max_running || rate; }
  friend bool operator==(const QueueLimits&, const QueueLimits&) = default;
};
struct QueueRow {
  QueueNumber number = 0;
  std::string name;
  bool paused = false;
  QueueLimits limits;
};
// Starts that the rate of a queue still counts, those of a slice as if made at `end_ms` (core/queue_gate.h).
struct RateSlice {
  std::int64_t end_ms = 0;
  std::int64_t starts = 0;
};

// A schedule as it stands.
struct ScheduleRow {
  std::int64_t id = 0;  // never used again; 0 = not stored yet
  std::int64_t version = 0;
  ScheduleSpec spec;
  std::int64_t created_ms = 0, updated_ms = 0;
  std::optional<std::int64_t> next_ms;      // nominal time of the next fire; nothing = none
  std::optional<std::int64_t> buffered_ms;  // a fire that waits for the end of the one before it
  std::optional<std::int64_t> last_fire_ms;
  std::int64_t fired = 0, skipped = 0;

  // When the next fire is made: its nominal time and its jitter.
  [[nodiscard]] std::optional<std::int64_t> wake_ms() const {
    if (!next_ms) return std::nullopt;
    return *next_ms + jitter_of(spec.name, *next_ms, spec.jitter_ms);
  }
};
enum class FireKind : std::uint8_t { timetable = 0, by_hand = 1 };

// Why what is left of a workflow is being cancelled.  The numbers are stored.
enum class Stopped : std::uint8_t { no = 0, by_failure = 1, by_hand = 2 };

struct WorkflowRow {
  CommandId id;  // of the same source as those of commands
  std::string name;
  OnFailure on_failure = OnFailure::cancel_rest;
  WorkflowState state = WorkflowState::running;
  Stopped stopped = Stopped::no;
  std::int64_t total = 0;
  std::int64_t open = 0;    // not ended
  std::int64_t failed = 0;  // ended, and not in success
  std::int64_t created_ms = 0, finished_ms = 0;
};

// Whether a payload takes the results of others.  The numbers are stored.
enum class Fills : std::uint8_t { never = 0, when_released = 1, done = 2 };

struct NodeRow {
  CommandId command;
  CommandId workflow;
  std::string name;
  Fills fills = Fills::never;
};

// "wf_" and the 13 characters of a command's id.
std::string format_workflow_id(CommandId id);
std::optional<CommandId> parse_workflow_id(std::string_view text);

// The scheduled commands of one shard, queue and priority: in order of (due, id).
struct LaneKey {
  ShardId shard;
  QueueNumber queue = 0;
  int priority = 5;
  friend auto operator<=>(const LaneKey&, const LaneKey&) = default;
};
inline LaneKey lane_of(const StateRow& row) { return {row.shard, row.queue, row.priority}; }

// A scheduled command as the ready window needs it.
struct ReadyRow {
  CommandId id;
  std::int64_t due_ms = 0;
  int priority = 5;
  int attempt = 0;  // that will be made
  int max_attempts = 0;
  Token token;
  std::int64_t key_hash = 0;
};
inline ReadyRow ready_row(const StateRow& row) {
  return {row.id,    row.due_ms,  row.priority, row.next_attempt(), row.base_attempt + row.max_attempts,
          row.token, row.key_hash};
}

}  // namespace duly
