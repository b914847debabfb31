// How rows and columns are written and read: the one list of columns, for the writer and the reader alike.
#pragma once

#include <map>
#include <string>

#include "control-server/store/database.h"
#include "control-server/store/ended_rows.h"
#include "control-server/store/rows.h"

#define DULY_STATE_COLUMNS                                                                                  \
  "id, state, shard, queue, type, priority, due_ms, order_ms, token, attempt, base_attempt, max_attempts, " \
  "losses,"                                                                                                 \
  " key_hash, expires_ms, queued_ms, started_ms, epoch, publisher, executor, nonce, finished_ms, reason"

#define DULY_SCHEDULE_COLUMNS                                                                          \
  "id, name, version, spec, cron, every_ms, time_zone, start_ms, end_ms, enabled, overlap, catch_up, " \
  "window_ms, catch_max, jitter_ms, type, queue, key, priority, retry, timeout_ms, on_lost, labels, "  \
  "payload, deliver_exchange, deliver_key, deliver_properties, created_ms, updated_ms, next_ms, "      \
  "buffered_ms, last_fire_ms, fired, skipped, callback_url"

#define DULY_WORKFLOW_COLUMNS \
  "id, name, on_failure, state, stopped, total, open, failed, created_ms, finished_ms"

namespace duly::columns {

// A row selected by DULY_STATE_COLUMNS, starting at column 0.
StateRow read_state(Sql& query);
// A row of kWalkEnded.
EndedRow read_ended(Sql& query);

// Empty for the default policy.
std::string retry_text(const RetryPolicy& retry);
RetryPolicy read_retry(const std::string& text);
// A JSON object; empty when there are none.
std::string labels_text(const std::map<std::string, std::string>& labels);
std::map<std::string, std::string> read_labels(const std::string& text);

// Three columns: exchange, routing key, properties.  NULL = no deliver mode.
void bind_deliver(Sql& query, const std::optional<DeliverTarget>& deliver);
std::optional<DeliverTarget> read_deliver(Sql& query, int first);

// Two columns: traceparent, tracestate.  NULL = none.  `traceparent` is its text, which must live until the
// statement has run.
void bind_trace(Sql& query, const TracePtr& trace, const std::string& traceparent);
TracePtr read_stored_trace(Sql& query, int first);

void bind_optional(Sql& query, const std::optional<std::int64_t>& value);
// A row selected by DULY_WORKFLOW_COLUMNS.
WorkflowRow read_workflow(Sql& query);
// A row selected by DULY_SCHEDULE_COLUMNS.
ScheduleRow read_schedule(Sql& query);
// From `spec` to `deliver_properties`, in the order of those columns.  `retry` and `labels` are their texts,
// which must live until the statement has run.
void bind_schedule(Sql& query, const ScheduleSpec& spec, const std::string& retry, const std::string& labels);

}  // namespace duly::columns
