#include "control-server/store/columns.h"

#include <cstdio>

#include "common/wire/json.h"

namespace duly::columns {

StateRow read_state(Sql& q) {
  StateRow row;
  int column = 0;
  const auto next = [&] { return q.integer(column++); };
  row.id = CommandId{next()};
  row.state = static_cast<State>(next());
  row.shard = ShardId{static_cast<std::int32_t>(next())};
  row.queue = static_cast<QueueNumber>(next());
  row.type = static_cast<TypeNumber>(next());
  row.priority = static_cast<int>(next());
  row.due_ms = next();
  row.order_ms = next();
  row.token = Token{static_cast<std::int32_t>(next())};
  row.attempt = static_cast<int>(next());
  row.base_attempt = static_cast<int>(next());
  row.max_attempts = static_cast<int>(next());
  row.losses = static_cast<int>(next());
  row.key_hash = next();
  row.expires_ms = next();
  row.queued_ms = next();
  row.started_ms = next();
  row.epoch = Epoch{next()};
  row.publisher = static_cast<PartyNumber>(next());
  row.executor = static_cast<PartyNumber>(next());
  row.nonce = static_cast<std::uint64_t>(next());
  row.finished_ms = next();
  row.reason = static_cast<DeadReason>(next());
  return row;
}

EndedRow read_ended(Sql& query) {
  EndedRow row;
  row.place = {query.integer(0), CommandId{query.integer(1)}};
  row.state = static_cast<State>(query.integer(2));
  row.type = static_cast<TypeNumber>(query.integer(3));
  row.queue = static_cast<QueueNumber>(query.integer(4));
  return row;
}

std::string retry_text(const RetryPolicy& retry) {
  if (retry == RetryPolicy{}) return {};
  char text[160];
  std::snprintf(text, sizeof text, "%d %lld %.17g %lld %.17g", retry.max_attempts,
                static_cast<long long>(retry.initial_delay_ms), retry.multiplier,
                static_cast<long long>(retry.max_delay_ms), retry.jitter);
  return text;
}

RetryPolicy read_retry(const std::string& text) {
  RetryPolicy retry;
  if (text.empty()) return retry;
  long long initial = 0;
  long long most = 0;
  const int read = std::sscanf(text.c_str(), "%d %lld %lg %lld %lg", &retry.max_attempts, &initial,
                               &retry.multiplier, &most, &retry.jitter);
  DULY_ASSERT(read == 5);  // written by retry_text
  retry.initial_delay_ms = initial;
  retry.max_delay_ms = most;
  return retry;
}

std::string labels_text(const std::map<std::string, std::string>& labels) {
  return labels.empty() ? std::string() : dump_json(Json(labels));
}

std::map<std::string, std::string> read_labels(const std::string& text) {
  std::map<std::string, std::string> labels;
  if (text.empty()) return labels;
  const auto json = parse_json(text, 2);
  DULY_ASSERT(json.ok() && json->is_object());  // written by labels_text
  for (const auto& [name, value] : json->items()) labels.emplace(name, value.get<std::string>());
  return labels;
}

void bind_deliver(Sql& query, const std::optional<DeliverTarget>& deliver) {
  if (!deliver) {
    query.bind_null().bind_null().bind_null();
  } else {
    query.bind(deliver->exchange).bind(deliver->routing_key).bind_blob(deliver->properties);
  }
}

std::optional<DeliverTarget> read_deliver(Sql& query, int first) {
  if (query.is_null(first)) return std::nullopt;
  return DeliverTarget{query.text(first), query.text(first + 1), query.text(first + 2)};
}

void bind_trace(Sql& query, const TracePtr& trace, const std::string& traceparent) {
  trace ? query.bind(traceparent) : query.bind_null();
  trace && !trace->state.empty() ? query.bind(trace->state) : query.bind_null();
}

TracePtr read_stored_trace(Sql& query, int first) {
  return query.is_null(first) ? nullptr : read_trace(query.text(first), query.text(first + 1));
}

}  // namespace duly::columns
