// Schedules, their versions and their fires.
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {

using columns::bind_optional;
using columns::bind_schedule;
using columns::read_schedule;
std::optional<ScheduleRow> Store::schedule(const std::string& name) {
  Sql query = database_->query("SELECT " DULY_SCHEDULE_COLUMNS " FROM schedule WHERE name = ?");
  if (!query.bind(name).next()) return std::nullopt;
  return read_schedule(query);
}

std::optional<ScheduleRow> Store::schedule(std::int64_t id) {
  Sql query = database_->query("SELECT " DULY_SCHEDULE_COLUMNS " FROM schedule WHERE id = ?");
  if (!query.bind(id).next()) return std::nullopt;
  return read_schedule(query);
}

void Store::put_schedule(ScheduleRow& row) {
  database_->begin();
  if (row.id == 0) {
    row.id = meta("last_schedule", 0) + 1;
    set_meta("last_schedule", row.id);
  }
  Sql query = database_->query(
      "INSERT OR REPLACE INTO schedule (id, name, version, spec, cron, every_ms, time_zone, start_ms, "
      "end_ms, "
      "enabled, overlap, catch_up, window_ms, catch_max, jitter_ms, type, queue, key, priority, retry, "
      "timeout_ms, on_lost, labels, payload, deliver_exchange, deliver_key, deliver_properties, created_ms, "
      "updated_ms, next_ms, wake_ms, buffered_ms, last_fire_ms, fired, skipped, callback_url)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?)");
  query.bind(row.id).bind(row.spec.name).bind(row.version);
  const std::string retry = columns::retry_text(row.spec.command.retry);
  const std::string labels = columns::labels_text(row.spec.command.labels);
  bind_schedule(query, row.spec, retry, labels);
  query.bind(row.created_ms).bind(row.updated_ms);
  bind_optional(query, row.next_ms);
  bind_optional(query, row.wake_ms());
  bind_optional(query, row.buffered_ms);
  bind_optional(query, row.last_fire_ms);
  query.bind(row.fired).bind(row.skipped).bind(row.spec.command.callback_url).run();
}

void Store::put_schedule_progress(const ScheduleRow& row) {
  database_->begin();
  Sql query = database_->query(
      "UPDATE schedule SET next_ms = ?, wake_ms = ?, buffered_ms = ?, last_fire_ms = ?, fired = ?, skipped = "
      "?"
      " WHERE id = ?");
  bind_optional(query, row.next_ms);
  bind_optional(query, row.wake_ms());
  bind_optional(query, row.buffered_ms);
  bind_optional(query, row.last_fire_ms);
  query.bind(row.fired).bind(row.skipped).bind(row.id).run();
}

void Store::put_schedule_version(const ScheduleRow& row, const std::string& who, const std::string& what) {
  database_->begin();
  database_
      ->query(
          "INSERT INTO schedule_version (schedule, version, at_ms, who, what, enabled, spec)"
          " VALUES (?, ?, ?, ?, ?, ?, ?)")
      .bind(row.id)
      .bind(row.version)
      .bind(row.updated_ms)
      .bind(who)
      .bind(what)
      .bind(row.spec.enabled ? 1 : 0)
      .bind(row.spec.text)
      .run();
}

void Store::remove_schedule(std::int64_t id) {
  database_->begin();
  database_->query("DELETE FROM schedule WHERE id = ?").bind(id).run();
  database_->query("DELETE FROM schedule_version WHERE schedule = ?").bind(id).run();
  database_->query("INSERT INTO schedule_gone (id) VALUES (?)").bind(id).run();
}

int Store::prune_fires(int most) {
  std::int64_t gone = 0;
  {
    Sql any = database_->query("SELECT id FROM schedule_gone LIMIT 1");
    if (!any.next()) return 0;  // no write transaction for nothing
    gone = any.integer(0);
  }
  database_->begin();
  const int removed = database_
                          ->query(
                              "DELETE FROM fire WHERE schedule = ?1 AND (fire_ms, kind) IN"
                              " (SELECT fire_ms, kind FROM fire WHERE schedule = ?1 LIMIT ?2)")
                          .bind(gone)
                          .bind(most)
                          .run();
  if (removed == 0) database_->query("DELETE FROM schedule_gone WHERE id = ?").bind(gone).run();
  return removed;
}

std::vector<ScheduleRow> Store::due_schedules(std::int64_t now_ms, std::size_t most) {
  std::vector<ScheduleRow> rows;
  Sql query = database_->query("SELECT " DULY_SCHEDULE_COLUMNS
                               " FROM schedule WHERE wake_ms <= ? ORDER BY wake_ms LIMIT ?");
  query.bind(now_ms).bind(static_cast<std::int64_t>(most));
  while (query.next()) rows.push_back(read_schedule(query));
  return rows;
}

std::optional<std::int64_t> Store::next_wake_ms() {
  Sql query =
      database_->query("SELECT wake_ms FROM schedule WHERE wake_ms IS NOT NULL ORDER BY wake_ms LIMIT 1");
  if (!query.next()) return std::nullopt;
  return query.integer(0);
}

std::int64_t Store::schedule_count() {
  Sql query = database_->query("SELECT count(*) FROM schedule");
  return query.next() ? query.integer(0) : 0;
}

// ---- fires
// -----------------------------------------------------------------------------------------------------

bool Store::fired(std::int64_t schedule, std::int64_t fire_ms, FireKind kind) {
  Sql query = database_->query("SELECT 1 FROM fire WHERE schedule = ? AND fire_ms = ? AND kind = ?");
  return query.bind(schedule).bind(fire_ms).bind(static_cast<std::int64_t>(kind)).next();
}

void Store::insert_fire(std::int64_t schedule, std::int64_t fire_ms, FireKind kind, CommandId command) {
  database_->begin();
  database_->query("INSERT INTO fire (schedule, fire_ms, kind, command) VALUES (?, ?, ?, ?)")
      .bind(schedule)
      .bind(fire_ms)
      .bind(static_cast<std::int64_t>(kind))
      .bind(command.value)
      .run();
  open_fire(schedule, command);
}

void Store::open_fire(std::int64_t schedule, CommandId command) {
  database_->begin();
  database_->query("INSERT OR IGNORE INTO fire_open (command, schedule) VALUES (?, ?)")
      .bind(command.value)
      .bind(schedule)
      .run();
}

std::optional<std::int64_t> Store::close_fire(CommandId command) {
  std::int64_t schedule = 0;
  {
    Sql query = database_->query("SELECT schedule FROM fire_open WHERE command = ?");
    if (!query.bind(command.value).next()) return std::nullopt;
    schedule = query.integer(0);
  }
  database_->begin();
  database_->query("DELETE FROM fire_open WHERE command = ?").bind(command.value).run();
  return schedule;
}

std::vector<CommandId> Store::open_fires(std::int64_t schedule, std::size_t most) {
  std::vector<CommandId> ids;
  Sql query = database_->query("SELECT command FROM fire_open WHERE schedule = ? ORDER BY command LIMIT ?");
  query.bind(schedule).bind(static_cast<std::int64_t>(most));
  while (query.next()) ids.push_back(CommandId{query.integer(0)});
  return ids;
}

std::int64_t Store::open_fire_count() {
  Sql query = database_->query("SELECT count(*) FROM fire_open");
  return query.next() ? query.integer(0) : 0;
}

std::optional<std::int64_t> Store::schedule_of(CommandId command) {
  Sql query = database_->query("SELECT schedule FROM command WHERE id = ?");
  if (!query.bind(command.value).next() || query.is_null(0)) return std::nullopt;
  return query.integer(0);
}

void Store::each_fire(const std::function<void(std::int64_t, std::int64_t, FireKind, CommandId)>& visit) {
  Sql query = database_->query("SELECT schedule, fire_ms, kind, command FROM fire ORDER BY 1, 2, 3");
  while (query.next()) {
    visit(query.integer(0), query.integer(1), static_cast<FireKind>(query.integer(2)),
          CommandId{query.integer(3)});
  }
}

}  // namespace duly
