// What comes out of the engine, after the commit that makes it true: answers, frames, publishes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/model/state_table.h"
#include "control-server/core/inputs.h"
#include "control-server/core/stats.h"
#include "control-server/store/state_changes.h"

namespace duly {

struct SubmittedItem {
  CommandId id;
  bool replayed = false;  // the idempotency key was known: nothing new was stored
};
// A command as it was stored, for the answer to who asked for it alone: nothing has happened to it yet.
struct FreshCommand {
  StateRow row;
  CommandSpec spec;
  std::int64_t created_ms = 0;
};
struct Submitted {
  std::vector<SubmittedItem> items;
  std::shared_ptr<const FreshCommand> only = nullptr;  // of one new command; else null
};
// The command is as asked; its present row can be read now.
struct Done {
  CommandId id;
};
struct JsonBody {
  int status = 200;
  std::string body;
};
// Where in a batch an idempotency key conflicted, or which other request was refused, and why.
struct Problem {
  int status = 400;
  std::string title;
  std::string detail;
  std::string pointer;    // JSON pointer into the request, empty = none
  int retry_after_s = 0;  // 0 = no header
};

struct ClockState {
  bool busy = false;   // something is due, or runs, and may yet change what comes next
  bool served = true;  // … and executors that we know of take from every queue it is in
  std::optional<std::int64_t> next_ms = {};  // when something happens next, by the wall clock
};

// Large, and rare: by pointer it makes no other effect larger.
using StatsAnswer = std::shared_ptr<const StatsSnapshot>;

struct Answer {
  ReplyTo reply = 0;
  std::variant<Submitted, Done, JsonBody, StatsAnswer, ClockState, Problem> what;
};

struct SendMessage {
  SessionId session;
  ServerMessage message;
};
struct CloseSession {
  SessionId session;
  std::string reason;
};
struct PublishDeadLetter {
  PublishTicket ticket = 0;
  AmqpMessage message;
};
// Tell `url` that the command has ended, for the `ends`-th time.
struct SendCallback {
  CommandId id;
  int ends = 0;
  int attempt = 0;
  std::string url;
};
struct InspectQueue {
  std::string queue;
};
struct EnsureQueue {
  std::string queue;
};

// A new command whose trace is exported: what its producer's span says, when the answer is out.
struct CommandTraced {
  CommandId id;
  TracePtr trace;   // the span's own, which the command goes on with
  TracePtr caller;  // null = it begins a trace
  std::string type, queue;
  ShardId shard;
  std::int64_t bytes = 0;  // of its payload
  WallTime begun;
};

// StateChanges: what the batch has changed, for those who listen.
using Effect = std::variant<Answer, SendMessage, CloseSession, PublishDeadLetter, SendCallback, InspectQueue,
                            EnsureQueue, CommandTraced, StateChanges>;

}  // namespace duly
