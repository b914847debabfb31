// What goes into the engine: every request, from HTTP, the link, the broker or a timer, as a small message.
//
// Requests that expect an answer carry a ReplyTo; exactly one Answer with it comes back (core/effects.h),
// after the commit that makes it true.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/amqp/broker.h"
#include "common/model/command.h"
#include "common/model/schedule.h"
#include "common/wire/messages.h"
#include "control-server/store/operation_rows.h"
#include "control-server/store/rows.h"

namespace duly {

using ReplyTo = std::uint64_t;

// ---- from HTTP
// -----------------------------------------------------------------------------------------------

struct NewCommand {
  CommandSpec spec;
  std::string idempotency_key;  // empty = none
  std::uint64_t body_hash = 0;  // of the request's meaning: the same key with another hash is a conflict
};
// All or nothing.
struct Submit {
  ReplyTo reply = 0;
  Actor actor;
  std::vector<NewCommand> commands;
};
// A workflow whose graph was checked.  All or nothing.
struct SubmitWorkflow {
  struct Node {
    std::string name;
    std::vector<std::size_t> parents;  // indexes of nodes before this one
    bool takes_results = false;
  };
  Submit work;              // one command a node, in the same order, without keys; its reply is the request's
  std::vector<Node> nodes;  // parents before children
  std::string name;
  OnFailure on_failure = OnFailure::cancel_rest;
  std::string idempotency_key;  // empty = none
  std::uint64_t body_hash = 0;
};
struct ChangeWorkflow {
  enum class What : std::uint8_t { cancel, retry };
  ReplyTo reply = 0;
  Actor actor;
  CommandId id;
  What what = What::cancel;
};
struct CancelCommand {
  ReplyTo reply = 0;
  Actor actor;
  CommandId id;
};
struct RedriveCommand {
  ReplyTo reply = 0;
  Actor actor;
  CommandId id;
  Bytes payload = nullptr;  // in the place of the one that failed; null = the same again
};
struct RescheduleCommand {
  ReplyTo reply = 0;
  Actor actor;
  CommandId id;
  std::int64_t due_at_ms = 0;
};
// Answered when the command has ended (or at once when it has), or when `until` has passed.
struct AwaitEnd {
  ReplyTo reply = 0;
  CommandId id;
  MonoTime until;
};
// The client is gone: its AwaitEnd need not be answered any more.
struct ForgetWait {
  ReplyTo reply = 0;
};
struct PutQueue {
  ReplyTo reply = 0;
  Actor actor;
  std::string queue;
  // What is not given stays as it is; a limit that is given empty is removed.
  std::optional<bool> paused;
  std::optional<std::optional<std::int64_t>> max_running = std::nullopt;
  std::optional<std::optional<StartRate>> rate = std::nullopt;
  std::optional<std::int64_t> bundle = std::nullopt;
};
// One act on every command that a filter finds; answered when it has begun.
struct StartOperation {
  ReplyTo reply = 0;
  Actor actor;
  OperationKind kind = OperationKind::cancel;
  OperationFilter filter;
  bool dry_run = false;  // count only
};
struct StopOperation {
  ReplyTo reply = 0;
  Actor actor;
  CommandId id;
};
struct PinShard {
  ReplyTo reply = 0;
  Actor actor;
  int shard = 0;
  std::string agent;
};
struct UnassignShard {
  ReplyTo reply = 0;
  Actor actor;
  int shard = 0;
};
struct DrainAgent {
  ReplyTo reply = 0;
  Actor actor;
  std::string agent;
  bool drain = true;  // false = resume
};
// Where time stands for those who move it by hand: answered with a ClockState when the batch is done.
struct AskClock {
  ReplyTo reply = 0;
};
// Something that an admin does and that the engine has no part in, for the audit log: done when answered.
struct RecordAct {
  ReplyTo reply = 0;  // 0 = nobody waits
  Actor actor;
  std::string what, subject, detail;
};
struct CrashAgent {
  ReplyTo reply = 0;
  Actor actor;
  std::string agent;
  Strike strike;
};
// What the engine keeps in memory: a JsonBody, or (stats) a StatsSnapshot.
struct Query {
  enum class What : std::uint8_t {
    agents,
    agent,
    shards,
    queues,
    queue,
    stats,
    explain,
    operations,
    operation
  };
  ReplyTo reply = 0;
  What what = What::stats;
  std::string name;  // agent or queue
  CommandId id;      // explain, operation
};
// Creates a schedule, or puts another in the place of one.
struct PutSchedule {
  ReplyTo reply = 0;
  Actor actor;
  ScheduleSpec spec;
  bool create = true;
  std::optional<std::int64_t> if_match = std::nullopt;  // its version
  std::string what;                                     // for the record; empty = created or changed
};
struct ChangeSchedule {
  enum class What : std::uint8_t { pause, resume, remove, trigger };
  ReplyTo reply = 0;
  Actor actor;
  std::string name;
  What what = What::pause;
  std::optional<std::int64_t> if_match = std::nullopt;
};
// Fires in [from, to) that have passed and have no command get one.
struct BackfillSchedule {
  ReplyTo reply = 0;
  Actor actor;
  std::string name;
  std::int64_t from_ms = 0, to_ms = 0;
};
// A foreign executor speaks HTTP (contract section 5).
struct HttpBegin {
  ReplyTo reply = 0;
  CommandId id;
  int attempt = 0;
  std::string executor;
  std::optional<Token> token = std::nullopt;  // of the message it has; not said = not compared
};
// It runs still.  An executor that is not named (empty) is whoever began that attempt.
struct HttpHeartbeat {
  ReplyTo reply = 0;
  CommandId id;
  int attempt = 0;
  std::string executor;
};
struct HttpFinish {
  ReplyTo reply = 0;
  FinishItem item;
  std::string executor;  // as in HttpHeartbeat
};

// ---- from the link
// -------------------------------------------------------------------------------------------

struct SessionOpened {
  SessionId session;
  std::string address;
};
struct SessionClosed {
  SessionId session;
  std::string reason;
};
struct SessionSaid {
  SessionId session;
  AgentMessage message;
};

// ---- from the broker and the clock
// ---------------------------------------------------------------------------

struct BrokerState {
  bool up = false;
};
// A report from the queue duly.results; perhaps of an executor that never asked whether it may begin.
// Answered with Done when it is recorded, or matters no longer.
struct ResultMessage {
  ReplyTo reply = 0;
  FinishItem item;             // attempt 0 = it says none
  std::optional<Token> token;  // of the execution message, if it says
  std::string executor;        // as in HttpHeartbeat
};
struct QueueInspected {
  QueueDepth depth;
};
enum class CallbackOutcome : std::uint8_t {
  delivered,  // the receiver has answered 2xx
  failed,
  moot,  // there is nothing to tell any more: not sent
};
// What became of a SendCallback.
struct CallbackSettled {
  CommandId id;
  int ends = 0;  // as in the effect
  CallbackOutcome outcome = CallbackOutcome::failed;
  std::string error;
  std::int64_t retry_after_ms = 0;  // as the receiver asked for; 0 = it did not
};
// A dead letter was published (or not).
struct DeadLetterSettled {
  PublishTicket ticket = 0;
  PublishOutcome outcome = PublishOutcome::in_doubt;
};
struct Tick {};
// Disk space: below the reserve, new work is refused with 507.
struct DiskSpace {
  bool low = false;
};
// SIGTERM: no new work from now on.
struct Drain {};
// At start: have every queue that is known declared.
struct EnsureQueues {};

using Input =
    std::variant<Submit, SubmitWorkflow, ChangeWorkflow, CancelCommand, RedriveCommand, RescheduleCommand,
                 AwaitEnd, ForgetWait, PutQueue, StartOperation, StopOperation, PinShard, UnassignShard,
                 DrainAgent, AskClock, RecordAct, CrashAgent, Query, PutSchedule, ChangeSchedule,
                 BackfillSchedule, HttpBegin, HttpHeartbeat, HttpFinish, SessionOpened, SessionClosed,
                 SessionSaid, BrokerState, ResultMessage, QueueInspected, CallbackSettled, DeadLetterSettled,
                 Tick, DiskSpace, Drain, EnsureQueues>;

}  // namespace duly
