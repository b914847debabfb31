#include "control-server/store/database.h"

#include <sqlite3.h>

#include <algorithm>
#include <functional>
#include <set>
#include <sstream>
#include <vector>

#include "common/base/planted.h"

namespace duly {
namespace {

bool means_full(int code) { return (code & 0xFF) == SQLITE_FULL; }

// Whether the transaction's fate is unknown or the file can no longer be trusted.
Error as_error(const SQLite::Exception& error) {
  const int code = error.getExtendedErrorCode();
  if (means_full(code)) return {Errc::full, "the disk is full"};
  return {Errc::fatal, std::string("store: ") + error.what() + " (" + std::to_string(code) + ")"};
}

// A count of every allocation, behind a lock: a twelfth of an insert, and nobody reads it.  Without effect
// where SQLite is at work already, as under the simulator's disk.
void count_no_memory() {
  [[maybe_unused]] static const int done = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int on_wal_commit(void* pages, sqlite3*, const char*, int count) {
  *static_cast<std::int64_t*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

Sql::~Sql() {
  if (statement_ == nullptr) return;
  statement_->tryReset();
  try {
    statement_->clearBindings();
  } catch (const SQLite::Exception& error) {
    database_.fail(error);
  }
}

Sql& Sql::bind(std::int64_t value) {
  if (statement_ == nullptr) return *this;
  try {
    statement_->bind(++bound_, value);
  } catch (const SQLite::Exception& error) {
    database_.fail(error);
  }
  return *this;
}

Sql& Sql::bind(const std::string& value) {
  if (statement_ == nullptr) return *this;
  try {
    statement_->bindNoCopy(++bound_, value);
  } catch (const SQLite::Exception& error) {
    database_.fail(error);
  }
  return *this;
}

Sql& Sql::bind_blob(const std::string& value) {
  if (statement_ == nullptr) return *this;
  try {
    statement_->bindNoCopy(++bound_, value.data(), static_cast<int>(value.size()));
  } catch (const SQLite::Exception& error) {
    database_.fail(error);
  }
  return *this;
}

Sql& Sql::bind_null() {
  ++bound_;  // parameters are null after clearBindings
  return *this;
}

bool Sql::next() {
  if (statement_ == nullptr || database_.failed()) return false;
  try {
    return statement_->executeStep();
  } catch (const SQLite::Exception& error) {
    database_.fail(error);
    return false;
  }
}

int Sql::run() {
  if (statement_ == nullptr || database_.failed()) return 0;
  try {
    return statement_->exec();
  } catch (const SQLite::Exception& error) {
    database_.fail(error);
    return 0;
  }
}

std::int64_t Sql::integer(int column) { return statement_->getColumn(column).getInt64(); }

std::string Sql::text(int column) {
  const SQLite::Column value = statement_->getColumn(column);
  const auto* bytes = static_cast<const char*>(value.getBlob());
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<std::size_t>(value.getBytes()));
}

bool Sql::is_null(int column) { return statement_->getColumn(column).isNull(); }

Database::Database(std::unique_ptr<SQLite::Database> connection) : connection_(std::move(connection)) {}

Database::~Database() {
  if (open_) rollback();
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, const std::string& vfs, Role role) {
  count_no_memory();
  try {
    const int flags =
        role == Role::writer ? SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE : SQLite::OPEN_READWRITE;
    auto connection = std::make_unique<SQLite::Database>(path, flags | SQLite::OPEN_NOMUTEX, 2000, vfs);
    std::unique_ptr<Database> database(new Database(std::move(connection)));
    const Status ready = role == Role::writer ? database->prepare_writer() : database->prepare_reader();
    if (!ready) return ready.error();
    return database;
  } catch (const SQLite::Exception& error) {
    return Error{Errc::fatal, "cannot open " + path + ": " + error.what()};
  }
}

Status Database::prepare_writer() {
  sqlite3* handle = connection_->getHandle();
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  try {
    connection_->exec("PRAGMA journal_mode=WAL");
    connection_->exec(DULY_PLANTED("store.synchronous") ? "PRAGMA synchronous=NORMAL"
                                                        : "PRAGMA synchronous=FULL");
    // Checkpoints are made by checkpoint(), between transactions, on this same connection (design decision
    // 10).
    connection_->exec("PRAGMA wal_autocheckpoint=0");
    connection_->exec("PRAGMA cache_size=-65536");
    connection_->exec("PRAGMA temp_store=MEMORY");
    sqlite3_wal_hook(handle, on_wal_commit, &wal_pages_);
    const std::string mode = connection_->execAndGet("PRAGMA journal_mode").getString();
    const int synchronous = connection_->execAndGet("PRAGMA synchronous").getInt();
    if (mode != "wal" || (synchronous != 2 && !DULY_PLANTED("store.synchronous"))) {
      return Error{Errc::fatal, "SQLite refused WAL with synchronous=FULL (journal_mode=" + mode +
                                    ", synchronous=" + std::to_string(synchronous) + ")"};
    }
  } catch (const SQLite::Exception& error) {
    return Error{Errc::fatal, std::string("cannot prepare the store: ") + error.what()};
  }
  return ok_status();
}

Status Database::prepare_reader() {
  try {
    connection_->exec("PRAGMA query_only=1");
    connection_->exec("PRAGMA wal_autocheckpoint=0");
    connection_->exec("PRAGMA cache_size=-16384");
  } catch (const SQLite::Exception& error) {
    return Error{Errc::fatal, std::string("cannot prepare the reader: ") + error.what()};
  }
  return ok_status();
}

Sql Database::query(const char* sql) {
  if (failed()) return {*this, nullptr};
  const auto at = std::lower_bound(
      by_address_.begin(), by_address_.end(), sql,
      [](const auto& known, const char* address) { return std::less<>{}(known.first, address); });
  if (at != by_address_.end() && at->first == sql) return {*this, at->second};
  SQLite::Statement* statement = prepare(sql);
  if (statement != nullptr) by_address_.emplace(at, sql, statement);
  return {*this, statement};
}

// Nothing after a failure, which is noted.
SQLite::Statement* Database::prepare(const char* sql) {
  try {
    auto& statement = statements_[sql];
    if (!statement) statement = std::make_unique<SQLite::Statement>(*connection_, sql);
    return statement.get();
  } catch (const SQLite::Exception& error) {
    fail(error);
    return nullptr;
  }
}

std::vector<std::string> Database::scans() {
  static const std::set<std::string> large = {"state",       "command", "attempt", "label", "event",
                                              "idempotency", "edge",    "node",    "fire",  "unmet"};
  std::vector<std::string> found;
  for (const auto& [sql, statement] : statements_) {
    const bool looks = sql.find(" WHERE ") != sql.npos && !sql.starts_with("UPDATE state");
    if (!looks || !statement) continue;  // a restore changes every row, once
    SQLite::Statement plan(*connection_, "EXPLAIN QUERY PLAN " + std::string(sql));
    while (plan.executeStep()) {
      std::istringstream detail(plan.getColumn(3).getString());
      std::string how, table;
      detail >> how >> table;
      if (how == "SCAN" && large.contains(table)) found.emplace_back(sql);
    }
  }
  return found;
}

std::int64_t Database::steps() const {
  std::int64_t steps = 0;
  for (sqlite3_stmt* one = nullptr; (one = sqlite3_next_stmt(connection_->getHandle(), one)) != nullptr;)
    steps += sqlite3_stmt_status(one, SQLITE_STMTSTATUS_VM_STEP, 0);
  return steps;
}

void Database::begin() {
  if (open_ || failed()) return;
  open_ = true;
  query("BEGIN IMMEDIATE").run();
}

Status Database::commit() {
  if (!failed() && !open_) return ok_status();
  if (!failed()) query("COMMIT").run();
  if (failed()) {
    const Error error = *failure_;
    rollback();
    return error;
  }
  open_ = false;
  return ok_status();
}

void Database::rollback() {
  failure_.reset();
  // SQLite may have rolled back by itself (SQLITE_FULL, SQLITE_IOERR).
  if (sqlite3_get_autocommit(connection_->getHandle()) == 0) {
    if (const Status undone = execute("ROLLBACK"); !undone) failure_ = undone.error();
  }
  open_ = false;
}

Status Database::execute(const std::string& sql) {
  try {
    connection_->exec(sql);
  } catch (const SQLite::Exception& error) {
    return as_error(error);
  }
  return ok_status();
}

void Database::checkpoint() {
  DULY_ASSERT(!open_);
  int remaining = 0;
  int moved = 0;
  // PASSIVE never waits for readers.  A failure costs only WAL length: the next commit shows whether the disk
  // works.
  if (sqlite3_wal_checkpoint_v2(connection_->getHandle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &remaining,
                                &moved) == SQLITE_OK) {
    wal_pages_ = remaining - moved;
  }
}

void Database::fail(const SQLite::Exception& error) {
  if (!failure_) failure_ = as_error(error);
}

}  // namespace duly
