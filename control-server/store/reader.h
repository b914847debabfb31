// Read-only answers from the store: one command, a filtered page, attempts and events.
//
// Operation.  Its own connection, query_only, wal_autocheckpoint=0, short reads: it never writes, never
// checkpoints, and holds no snapshot between calls.  Concurrency.  One thread.  Limits.  list() looks at most
// at limits::kPageScanRows rows; a page may come back short with a cursor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/model/command.h"
#include "common/model/state_table.h"
#include "control-server/store/callback_rows.h"
#include "control-server/store/ended_rows.h"
#include "control-server/store/rows.h"

namespace duly {

class Database;

struct AttemptView {
  int attempt = 0;
  std::string agent;  // that published it, empty = not known
  std::int64_t epoch = 0;
  std::string executor;  // empty = never started
  std::optional<std::int64_t> queued_at_ms, started_at_ms, finished_at_ms;
  std::optional<AttemptOutcome> outcome;  // nothing = still going on
  std::string error;
};
struct EventView {
  std::int64_t at_ms = 0;
  std::string kind, who, detail;
};
struct CallbackView {
  CallbackState state = CallbackState::waiting;
  int ends = 0;  // of the command, so far
  int attempts = 0;
  std::string error;                         // of the last attempt, empty = none
  std::optional<std::int64_t> next_ms = {};  // of the next attempt, while one is owed
};
struct CommandView {
  CommandId id;
  CommandSpec spec;  // due_at_ms is the present due time
  State state = State::scheduled;
  int attempt = 0;       // the last one begun or queued; 0 = none yet
  int max_attempts = 0;  // the highest attempt number allowed now
  int shard = 0;
  std::string schedule;  // that made it; empty = none
  CommandId workflow;    // 0 = none
  std::string node;      // its name in the workflow
  std::int64_t created_at_ms = 0;
  std::optional<std::int64_t> finished_at_ms;
  Bytes result;        // JSON text; null = none
  std::string error;   // of the last ended attempt, or the reason of the end
  std::string reason;  // of a dead command: "attempts_exhausted", "not_retryable", "lost", "poison",
                       // "restored"; else empty
  std::optional<CallbackView> callback;  // with spec.callback_url
  std::vector<AttemptView> attempts;
  std::vector<EventView> events;
};

struct CommandFilter {
  std::optional<State> state;
  std::string type, queue, key, schedule;  // empty = any
  std::optional<CommandId> workflow;
  std::vector<std::pair<std::string, std::string>> labels;  // all must match
  std::optional<std::int64_t> due_before_ms, due_after_ms;  // exclusive
};
struct CommandPage {
  std::vector<CommandView> items;  // newest first; without attempts and events
  std::optional<CommandId> next;   // continue below this id; nothing = the end
};

class Reader {
 public:
  static Result<std::unique_ptr<Reader>> open(const std::string& path, const std::string& vfs = "");
  ~Reader();

  // not_found when there is no such command.
  Result<CommandView> command(CommandId id);
  Result<CommandPage> list(const CommandFilter& filter, std::optional<CommandId> below, int limit);
  struct Revision {
    std::int64_t revision = 0, at_ms = 0;  // and when it was replaced
    std::string who;
    std::string payload;
    bool opaque = false;  // it is not JSON
  };
  // Payloads that were replaced, the oldest first: at most limits::kRevisions.  not_found as command().
  Result<std::vector<Revision>> revisions(CommandId id);
  // Places of ended commands that match, the longest ended first (reader_ended.cpp).  Looks at no more than
  // limits::kPageScanRows rows: a page may come back short with a place to go on after.
  Result<EndedPage> ended(const EndedFilter& filter, EndedPlace after, int limit);
  // Audit rows, newest first, below `below` (0 = from the newest).
  struct AuditRow {
    std::int64_t sequence = 0;
    std::int64_t at_ms = 0;
    std::string who, what, subject, detail;
    std::string request;  // empty = not by one
  };
  Result<std::vector<AuditRow>> audit(std::int64_t below, int limit);

  // ---- workflows (reader_workflows.cpp)
  // --------------------------------------------------------------------------------------------
  struct WorkflowNode {
    CommandId id;
    std::string name;
    State state = State::waiting;
    int attempt = 0;
    std::int64_t due_at_ms = 0;
    std::optional<std::int64_t> finished_at_ms;
    std::vector<std::size_t> parents;  // indexes of nodes before this one
  };
  struct WorkflowView {
    WorkflowRow row;
    std::vector<WorkflowNode> nodes;  // parents before children
  };
  // not_found when there is none.
  Result<WorkflowView> workflow(CommandId id);
  // That the command is a node of; 0 = none, or it could not be read.
  CommandId workflow_of(CommandId command);
  // Newest first, below `below`; of one state, or of all.
  Result<std::vector<WorkflowRow>> workflows(std::optional<WorkflowState> state, CommandId below, int limit);

  // ---- schedules (reader_schedules.cpp)
  // --------------------------------------------------------------------------------------------
  // not_found when there is none of that name.
  Result<ScheduleRow> schedule(const std::string& name);
  // In order of their numbers, after `after` (0 = from the first).
  Result<std::vector<ScheduleRow>> schedules(std::int64_t after, int limit);
  struct ScheduleVersion {
    std::int64_t version = 0, at_ms = 0;
    std::string who, what;
    bool enabled = true;
    std::string text;
  };
  // Newest first, below `below` (0 = from the newest).
  Result<std::vector<ScheduleVersion>> schedule_versions(const std::string& name, std::int64_t below,
                                                         int limit);

 private:
  Status end_read();
  Database& database();
  struct Impl;
  explicit Reader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace duly
