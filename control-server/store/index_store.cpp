// What the engine looks for: ready, running, queued, expiring commands, keys, shards.
#include "common/base/planted.h"
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {

std::vector<ReadyRow> Store::ready(const LaneKey& lane, std::pair<std::int64_t, CommandId> from,
                                   std::int64_t until_ms, std::size_t most) {
  std::vector<ReadyRow> rows;
  Sql query = database_->query(
      "SELECT " DULY_STATE_COLUMNS
      " FROM state"
      " WHERE state = 1 AND shard = ? AND queue = ? AND priority = ? AND (due_ms, id) >= (?, ?) AND due_ms "
      "<= ?"
      " ORDER BY due_ms, id LIMIT ?");
  query.bind(lane.shard.value).bind(lane.queue).bind(lane.priority);
  query.bind(from.first).bind(from.second.value).bind(until_ms).bind(static_cast<std::int64_t>(most));
  while (query.next()) {
    const StateRow row = columns::read_state(query);
    live_.loaded(row);
    rows.push_back(ready_row(row));
  }
  return rows;
}

std::optional<std::int64_t> Store::next_due(const LaneKey& lane, std::pair<std::int64_t, CommandId> from) {
  Sql query = database_->query(
      "SELECT due_ms FROM state WHERE state = 1 AND shard = ? AND queue = ? AND priority = ?"
      " AND (due_ms, id) >= (?, ?) ORDER BY due_ms, id LIMIT 1");
  query.bind(lane.shard.value).bind(lane.queue).bind(lane.priority).bind(from.first).bind(from.second.value);
  if (!query.next()) return std::nullopt;
  return query.integer(0);
}

std::vector<LaneKey> Store::lanes() {
  std::vector<LaneKey> lanes;
  LaneKey last{ShardId{-1}, -1, -1};
  while (true) {
    // Not "> (?, ?, ?)": SQLite begins a comparison of row values at what is equal, and would read the whole
    // lane to get past it.
    Sql query = database_->query(
        "SELECT shard, queue, priority FROM state WHERE state = 1 AND (shard, queue, priority) >= (?, ?, ?)"
        " ORDER BY shard, queue, priority LIMIT 1");
    if (!query.bind(last.shard.value).bind(last.queue).bind(last.priority + 1).next()) return lanes;
    last.shard = ShardId{static_cast<std::int32_t>(query.integer(0))};
    last.queue = static_cast<QueueNumber>(query.integer(1));
    last.priority = static_cast<int>(query.integer(2));
    lanes.push_back(last);
  }
}

// SQLite takes a partial index only where its condition stands in the query word for word.
std::vector<StateRow> Store::running() {
  std::vector<StateRow> rows;
  Sql query = database_->query("SELECT " DULY_STATE_COLUMNS
                               " FROM state INDEXED BY state_active WHERE state IN (2, 3) AND state = 3"
                               " ORDER BY id");
  while (query.next()) rows.push_back(columns::read_state(query));
  return rows;
}

std::vector<StateRow> Store::queued(QueueNumber queue, std::int64_t before_ms, std::size_t most) {
  constexpr const char* kByIndex = "SELECT " DULY_STATE_COLUMNS
                                   " FROM state INDEXED BY state_active WHERE state IN (2, 3) AND state = 2"
                                   " AND queue = ? AND queued_ms < ? ORDER BY id LIMIT ?";
  constexpr const char* kByAll = "SELECT " DULY_STATE_COLUMNS
                                 " FROM state WHERE state = 2 AND queue = ? AND queued_ms < ?"
                                 " ORDER BY id LIMIT ?";
  std::vector<StateRow> rows;
  Sql query = database_->query(DULY_PLANTED("store.index") ? kByAll : kByIndex);
  query.bind(queue).bind(before_ms).bind(static_cast<std::int64_t>(most));
  while (query.next()) rows.push_back(columns::read_state(query));
  return rows;
}

std::optional<std::int64_t> Store::next_expiry() {
  Sql query = database_->query(
      "SELECT expires_ms FROM state WHERE expires_ms IS NOT NULL AND state IN (0, 1, 2) ORDER BY expires_ms "
      "LIMIT 1");
  if (!query.next()) return std::nullopt;
  return query.integer(0);
}

std::vector<CommandId> Store::expiring(std::int64_t now_ms, std::size_t most) {
  std::vector<CommandId> ids;
  Sql query = database_->query(
      "SELECT id FROM state WHERE expires_ms IS NOT NULL AND expires_ms <= ? AND state IN (0, 1, 2)"
      " ORDER BY expires_ms LIMIT ?");
  query.bind(now_ms).bind(static_cast<std::int64_t>(most));
  while (query.next()) ids.push_back(CommandId{query.integer(0)});
  return ids;
}

std::optional<StateRow> Store::key_head(std::int64_t key_hash) {
  Sql query = database_->query("SELECT " DULY_STATE_COLUMNS
                               " FROM state WHERE key_hash = ? AND state IN (1, 2, 3)"
                               " ORDER BY order_ms, id LIMIT 1");
  if (!query.bind(key_hash).next()) return std::nullopt;
  return columns::read_state(query);
}

bool Store::key_busy(std::int64_t key_hash) {
  Sql query = database_->query(
      "SELECT 1 FROM state INDEXED BY state_key_live WHERE key_hash = ? AND state IN (1, 2, 3) AND state > 1 "
      "LIMIT 1");
  return query.bind(key_hash).next();
}

// ---- shards
// ----------------------------------------------------------------------------------------------------

std::vector<ShardRow> Store::shard_rows() {
  std::vector<ShardRow> rows;
  Sql query = database_->query("SELECT shard, epoch, agent, incarnation, pinned FROM shard ORDER BY shard");
  while (query.next()) {
    rows.push_back({ShardId{static_cast<std::int32_t>(query.integer(0))}, Epoch{query.integer(1)},
                    query.text(2), Incarnation{static_cast<std::uint64_t>(query.integer(3))}, query.text(4)});
  }
  return rows;
}

void Store::put_shard(const ShardRow& row) {
  database_->begin();
  database_
      ->query(
          "INSERT INTO shard (shard, epoch, agent, incarnation, pinned) VALUES (?, ?, ?, ?, ?)"
          " ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, agent = excluded.agent,"
          " incarnation = excluded.incarnation, pinned = excluded.pinned")
      .bind(row.shard.value)
      .bind(row.epoch.value)
      .bind(row.agent)
      .bind(static_cast<std::int64_t>(row.incarnation.value))
      .bind(row.pinned)
      .run();
}

// ---- for oracles
// -----------------------------------------------------------------------------------------------

void Store::each_state(const std::function<void(const StateRow&)>& visit) {
  Sql query = database_->query("SELECT " DULY_STATE_COLUMNS " FROM state ORDER BY id");
  while (query.next()) visit(columns::read_state(query));
}

namespace {

// Without its error and result.
AttemptRow read_attempt(Sql& query) {
  AttemptRow row;
  row.id = CommandId{query.integer(0)};
  row.attempt = static_cast<int>(query.integer(1));
  row.epoch = Epoch{query.integer(2)};
  row.publisher = static_cast<PartyNumber>(query.integer(3));
  row.executor = static_cast<PartyNumber>(query.integer(4));
  row.queued_ms = query.integer(5);
  row.started_ms = query.integer(6);
  row.finished_ms = query.integer(7);
  row.outcome = static_cast<AttemptOutcome>(query.integer(8));
  return row;
}

}  // namespace

void Store::each_attempt(const std::function<void(const AttemptRow&)>& visit) {
  Sql query = database_->query(
      "SELECT id, attempt, epoch, publisher, executor, queued_ms, started_ms, finished_ms, outcome FROM "
      "attempt"
      " ORDER BY id, attempt");
  while (query.next()) visit(read_attempt(query));
}

std::vector<AttemptRow> Store::attempts(CommandId id) {
  std::vector<AttemptRow> rows;
  Sql query = database_->query(
      "SELECT id, attempt, epoch, publisher, executor, queued_ms, started_ms, finished_ms, outcome FROM "
      "attempt WHERE id = ? ORDER BY attempt");
  query.bind(id.value);
  while (query.next()) rows.push_back(read_attempt(query));
  return rows;
}

}  // namespace duly
