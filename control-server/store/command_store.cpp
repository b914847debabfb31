// Commands, attempts, events: the rows that a command's life touches.
#include <nlohmann/json.hpp>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {

CommandId Store::last_id() {
  Sql query = database_->query(
      "SELECT max(id) FROM (SELECT max(id) AS id FROM state UNION ALL SELECT max(id) FROM operation"
      " UNION ALL SELECT max(id) FROM workflow UNION ALL SELECT value FROM meta WHERE name = "
      "'highest_removed')");
  return CommandId{query.next() && !query.is_null(0) ? query.integer(0) : 0};
}

void Store::insert(const StateRow& row, const CommandSpec& spec, std::int64_t created_ms) {
  database_->begin();
  const std::string retry = columns::retry_text(spec.retry);
  const std::string labels = columns::labels_text(spec.labels);
  Sql body = database_->query(
      "INSERT INTO command (id, created_ms, type, queue, key, retry, timeout_ms, on_lost, labels, payload, "
      "opaque, content_type, schedule, fire_ms, deliver_exchange, deliver_key, deliver_properties, "
      "traceparent, tracestate)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  body.bind(row.id.value).bind(created_ms).bind(row.type).bind(row.queue);
  spec.key.empty() ? body.bind_null() : body.bind(spec.key);
  retry.empty() ? body.bind_null() : body.bind(retry);
  body.bind(spec.timeout_ms).bind(static_cast<std::int64_t>(spec.on_lost));
  labels.empty() ? body.bind_null() : body.bind(labels);
  body.bind_blob(*spec.payload).bind(static_cast<std::int64_t>(spec.opaque));
  spec.content_type.empty() ? body.bind_null() : body.bind(spec.content_type);
  if (spec.schedule == 0) {
    body.bind_null().bind_null();
  } else {
    body.bind(spec.schedule).bind(spec.fire_at_ms);
  }
  columns::bind_deliver(body, spec.deliver);
  const std::string traceparent = traceparent_of(spec.trace);
  columns::bind_trace(body, spec.trace, traceparent);
  body.run();

  Sql state = database_->query(
      "INSERT INTO state (id, state, shard, queue, type, priority, due_ms, order_ms, max_attempts, key_hash, "
      "expires_ms)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  state.bind(row.id.value).bind(static_cast<std::int64_t>(row.state)).bind(row.shard.value).bind(row.queue);
  state.bind(row.type).bind(row.priority).bind(row.due_ms).bind(row.order_ms).bind(row.max_attempts);
  row.key_hash == 0 ? state.bind_null() : state.bind(row.key_hash);
  row.expires_ms == 0 ? state.bind_null() : state.bind(row.expires_ms);
  state.run();

  for (const auto& [name, value] : spec.labels) {
    database_->query("INSERT INTO label (name, value, id) VALUES (?, ?, ?)")
        .bind(name)
        .bind(value)
        .bind(row.id.value)
        .run();
  }
  if (row.due_ms <= created_ms + limits::kLoadHorizon.count())
    live_.loaded(row, AttemptTerms{spec.timeout_ms, spec.deliver.has_value()});
  add_count(row, row.state, 1);
  note_change(row);
}

std::optional<StateRow> Store::find(CommandId id) {
  if (database_->failed()) return std::nullopt;
  if (auto row = live_.find(id)) return row;
  return read_row(id);
}

std::optional<StateRow> Store::read_row(CommandId id) {
  Sql query = database_->query("SELECT " DULY_STATE_COLUMNS " FROM state WHERE id = ?");
  if (!query.bind(id.value).next()) return std::nullopt;
  return columns::read_state(query);
}

std::optional<CommandBody> Store::body(CommandId id) {
  Sql query = database_->query(
      "SELECT t.text, q.text, c.key, c.payload, c.retry, c.timeout_ms, c.on_lost, c.content_type, "
      "c.deliver_exchange, c.deliver_key, c.deliver_properties, c.traceparent, c.tracestate FROM command c"
      " JOIN name t ON t.number = c.type JOIN name q ON q.number = c.queue WHERE c.id = ?");
  if (!query.bind(id.value).next()) return std::nullopt;
  CommandBody body;
  body.type = query.text(0);
  body.queue = query.text(1);
  body.key = query.text(2);
  body.payload = make_bytes(query.text(3));
  body.retry = columns::read_retry(query.text(4));
  body.timeout_ms = query.integer(5);
  body.on_lost = static_cast<OnLost>(query.integer(6));
  body.content_type = query.text(7);
  body.deliver = columns::read_deliver(query, 8);
  live_.learnt(id, {body.timeout_ms, body.deliver.has_value()});
  body.trace = columns::read_stored_trace(query, 11);
  return body;
}

std::optional<AttemptTerms> Store::attempt_terms(CommandId id) {
  if (database_->failed()) return std::nullopt;
  if (auto terms = live_.terms(id)) return terms;
  return read_terms(id);
}

std::optional<AttemptTerms> Store::read_terms(CommandId id) {
  Sql query = database_->query("SELECT timeout_ms, deliver_exchange IS NOT NULL FROM command WHERE id = ?");
  if (!query.bind(id.value).next()) return std::nullopt;
  return AttemptTerms{query.integer(0), query.integer(1) != 0};
}

bool Store::delivers(CommandId id) {
  const auto terms = attempt_terms(id);
  return terms && terms->delivers;
}

void Store::move(StateRow& row, Move how) {
  const State from = row.state;
  const auto to = after(from, how);
  DULY_ASSERT(to.has_value());  // a move that the contract does not draw
  row.state = *to;
  database_->begin();
  update(row);
  add_count(row, from, -1);
  add_count(row, *to, 1);
  note_change(row);
}

void Store::note_change(const StateRow& row) {
  if (changes_.items.size() >= limits::kEventsKept) {
    changes_.items.clear();  // nobody can be told of so many
    changes_.whole = false;
  }
  const bool published = row.state == State::queued;
  changes_.items.push_back(
      {row.id, 0, row.queue, row.type, row.attempt + (published ? 1 : 0), row.state, row.reason});
}

StateChanges Store::take_changes() { return std::exchange(changes_, {}); }

void Store::update(const StateRow& row) {
  database_->begin();
  Sql query = database_->query(
      "UPDATE state SET state = ?, due_ms = ?, order_ms = ?, token = ?, attempt = ?, base_attempt = ?, "
      "losses = ?,"
      " queued_ms = ?, started_ms = ?, epoch = ?, publisher = ?, executor = ?, nonce = ?, finished_ms = ?, "
      "reason = ?"
      " WHERE id = ?");
  query.bind(static_cast<std::int64_t>(row.state)).bind(row.due_ms).bind(row.order_ms).bind(row.token.value);
  query.bind(row.attempt).bind(row.base_attempt).bind(row.losses).bind(row.queued_ms).bind(row.started_ms);
  query.bind(row.epoch.value)
      .bind(row.publisher)
      .bind(row.executor)
      .bind(static_cast<std::int64_t>(row.nonce));
  query.bind(row.finished_ms).bind(static_cast<std::int64_t>(row.reason)).bind(row.id.value);
  const int changed = query.run();
  DULY_ASSERT(database_->failed() || changed == 1);
  live_.written(row);
}

void Store::replace_payload(CommandId id, const Bytes& payload, std::int64_t at_ms, const std::string& who) {
  const std::int64_t revision = revisions(id) + 1;
  database_->begin();
  database_
      ->query(
          "INSERT INTO revision (id, revision, at_ms, who, payload, opaque)"
          " SELECT id, ?, ?, ?, payload, opaque FROM command WHERE id = ?")
      .bind(revision)
      .bind(at_ms)
      .bind(who)
      .bind(id.value)
      .run();
  database_->query("UPDATE command SET payload = ?, opaque = 0, content_type = NULL WHERE id = ?")
      .bind_blob(*payload)
      .bind(id.value)
      .run();
}

int Store::revisions(CommandId id) {
  Sql query = database_->query("SELECT count(*) FROM revision WHERE id = ?");
  return query.bind(id.value).next() ? static_cast<int>(query.integer(0)) : 0;
}

void Store::append_attempt(const AttemptRow& row) {
  database_->begin();
  Sql query = database_->query(
      "INSERT INTO attempt (id, attempt, epoch, publisher, executor, queued_ms, started_ms, finished_ms, "
      "outcome, error,"
      " result) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query.bind(row.id.value).bind(row.attempt).bind(row.epoch.value).bind(row.publisher).bind(row.executor);
  query.bind(row.queued_ms)
      .bind(row.started_ms)
      .bind(row.finished_ms)
      .bind(static_cast<std::int64_t>(row.outcome));
  row.error.empty() ? query.bind_null() : query.bind(row.error);
  row.result ? query.bind_blob(*row.result) : query.bind_null();
  query.run();
}

void Store::append_event(CommandId id, std::int64_t at_ms, const char* kind, const std::string& who,
                         const std::string& detail) {
  database_->begin();
  database_->query("INSERT INTO event (id, at_ms, kind, who, detail) VALUES (?, ?, ?, ?, ?)")
      .bind(id.value)
      .bind(at_ms)
      .bind(std::string(kind))
      .bind(who)
      .bind(detail)
      .run();
}

void Store::append_audit(std::int64_t at_ms, const Actor& who, const std::string& what,
                         const std::string& subject, const std::string& detail) {
  database_->begin();
  database_->query("INSERT INTO audit (at_ms, who, what, subject, detail, request) VALUES (?, ?, ?, ?, ?, ?)")
      .bind(at_ms)
      .bind(who.name)
      .bind(what)
      .bind(subject)
      .bind(detail)
      .bind(who.request)
      .run();
}

int Store::prune_audit(std::int64_t keep, int most) {
  std::int64_t last = 0;
  {
    Sql ends =
        database_->query("SELECT (SELECT min(sequence) FROM audit), (SELECT max(sequence) FROM audit)");
    if (!ends.next() || ends.is_null(0)) return 0;
    last = ends.integer(1) - keep;
    if (ends.integer(0) > last) return 0;  // no write transaction for nothing
  }
  database_->begin();
  return database_
      ->query(
          "DELETE FROM audit WHERE sequence IN (SELECT sequence FROM audit WHERE sequence <= ? "
          "ORDER BY sequence LIMIT ?)")
      .bind(last)
      .bind(most)
      .run();
}

// ---- idempotency
// -----------------------------------------------------------------------------------------------

std::optional<IdempotencyRow> Store::idempotent(const std::string& key) {
  Sql query = database_->query("SELECT id, body_hash FROM idempotency WHERE key = ?");
  if (!query.bind(key).next()) return std::nullopt;
  return IdempotencyRow{CommandId{query.integer(0)}, static_cast<std::uint64_t>(query.integer(1))};
}

void Store::insert_idempotent(const std::string& key, const IdempotencyRow& row, std::int64_t until_ms) {
  database_->begin();
  database_->query("INSERT INTO idempotency (key, id, body_hash, until_ms) VALUES (?, ?, ?, ?)")
      .bind(key)
      .bind(row.id.value)
      .bind(static_cast<std::int64_t>(row.body_hash))
      .bind(until_ms)
      .run();
}

int Store::prune_idempotent(std::int64_t now_ms, int most) {
  {
    Sql any = database_->query("SELECT 1 FROM idempotency WHERE until_ms < ? LIMIT 1");
    if (!any.bind(now_ms).next()) return 0;  // no write transaction for nothing
  }
  database_->begin();
  return database_
      ->query("DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE until_ms < ? LIMIT ?)")
      .bind(now_ms)
      .bind(most)
      .run();
}

// ---- dead letters
// ----------------------------------------------------------------------------------------------

void Store::insert_dead(CommandId id, int attempt) {
  database_->begin();
  database_->query("INSERT INTO dead_outbox (id, attempt) VALUES (?, ?)").bind(id.value).bind(attempt).run();
}

void Store::remove_dead(CommandId id, int attempt) {
  database_->begin();
  database_->query("DELETE FROM dead_outbox WHERE id = ? AND attempt = ?").bind(id.value).bind(attempt).run();
}

std::vector<std::pair<CommandId, int>> Store::dead_outbox(std::size_t most) {
  std::vector<std::pair<CommandId, int>> rows;
  Sql query = database_->query("SELECT id, attempt FROM dead_outbox ORDER BY id, attempt LIMIT ?");
  query.bind(static_cast<std::int64_t>(most));
  while (query.next()) rows.emplace_back(CommandId{query.integer(0)}, static_cast<int>(query.integer(1)));
  return rows;
}

std::int64_t Store::dead_outbox_size() {
  Sql query = database_->query("SELECT count(*) FROM dead_outbox");
  return query.next() ? query.integer(0) : 0;
}

}  // namespace duly
