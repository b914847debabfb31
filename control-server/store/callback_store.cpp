// Calls that are owed when commands end.
#include "control-server/store/database.h"
#include "control-server/store/store.h"

#define DULY_CALLBACK_COLUMNS "id, url, origin, state, ends, attempts, next_ms, error"

namespace duly {
namespace {

CallbackRow read_callback(Sql& query) {
  CallbackRow row;
  row.id = CommandId{query.integer(0)};
  row.url = query.text(1);
  row.origin = query.text(2);
  row.state = static_cast<CallbackState>(query.integer(3));
  row.ends = static_cast<int>(query.integer(4));
  row.attempts = static_cast<int>(query.integer(5));
  row.next_ms = query.integer(6);
  row.error = query.text(7);
  return row;
}

}  // namespace

void Store::insert_callback(CommandId id, const std::string& url, const std::string& origin) {
  database_->begin();
  database_->query("INSERT INTO callback (id, url, origin) VALUES (?, ?, ?)")
      .bind(id.value)
      .bind(url)
      .bind(origin)
      .run();
}

std::optional<CallbackRow> Store::callback(CommandId id) {
  Sql query = database_->query("SELECT " DULY_CALLBACK_COLUMNS " FROM callback WHERE id = ?");
  if (!query.bind(id.value).next()) return std::nullopt;
  return read_callback(query);
}

void Store::update_callback(const CallbackRow& row) {
  DULY_ASSERT((row.state == CallbackState::owed) == (row.next_ms > 0));
  database_->begin();
  Sql query = database_->query(
      "UPDATE callback SET state = ?, ends = ?, attempts = ?, next_ms = ?, error = ? WHERE id = ?");
  query.bind(static_cast<std::int64_t>(row.state)).bind(row.ends).bind(row.attempts);
  row.next_ms == 0 ? query.bind_null() : query.bind(row.next_ms);
  query.bind(row.error).bind(row.id.value).run();
}

bool Store::any_callback() {
  Sql query = database_->query("SELECT 1 FROM callback LIMIT 1");
  return query.next();
}

std::int64_t Store::owed_callbacks() {
  Sql query =
      database_->query("SELECT count(*) FROM callback INDEXED BY callback_owed WHERE next_ms IS NOT NULL");
  return query.next() ? query.integer(0) : 0;
}

// Skips from origin to origin in the index.
std::vector<std::string> Store::callback_origins() {
  std::vector<std::string> origins;
  std::string last;
  while (true) {
    Sql query = database_->query(
        "SELECT origin FROM callback INDEXED BY callback_owed WHERE next_ms IS NOT NULL AND origin > ?"
        " ORDER BY origin LIMIT 1");
    if (!query.bind(last).next()) return origins;
    last = query.text(0);
    origins.push_back(last);
  }
}

std::vector<CallbackRow> Store::owed_callbacks(const std::string& origin, std::size_t most) {
  std::vector<CallbackRow> rows;
  Sql query =
      database_->query("SELECT " DULY_CALLBACK_COLUMNS
                       " FROM callback INDEXED BY callback_owed WHERE origin = ? AND next_ms IS NOT NULL"
                       " ORDER BY next_ms, id LIMIT ?");
  query.bind(origin).bind(static_cast<std::int64_t>(most));
  while (query.next()) rows.push_back(read_callback(query));
  return rows;
}

bool Store::callback_waits(CommandId id) {
  Sql query = database_->query("SELECT 1 FROM callback WHERE id = ? AND next_ms IS NOT NULL");
  return query.bind(id.value).next();
}

}  // namespace duly
