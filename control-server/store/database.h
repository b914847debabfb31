// One SQLite connection with everything that bites taken care of, and its prepared statements.
//
// Operation.  A failure is sticky: after the first one in a transaction every further statement does nothing
// and answers "no row", and commit() tells.  So the engine's code reads straight on, and a batch is applied
// whole or not at all.  Errc::full means rolled back and nothing applied; Errc::fatal means that the outcome
// is unknown (a failed sync can bring the transaction back at recovery): the process must end without
// answering. Concurrency.  One thread.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace duly {

class Database;

// One use of a prepared statement: bind in order, then run() or step through rows.  Resets itself.
class Sql {
 public:
  Sql(Database& database, SQLite::Statement* statement) : database_(database), statement_(statement) {}
  ~Sql();
  Sql(const Sql&) = delete;
  Sql& operator=(const Sql&) = delete;

  Sql& bind(std::int64_t value);
  Sql& bind(const std::string& value);
  Sql& bind_blob(const std::string& value);
  Sql& bind_null();

  // Steps to the next row; false at the end or after a failure.
  bool next();
  // Runs to the end; the number of rows changed (0 after a failure).
  int run();

  [[nodiscard]] std::int64_t integer(int column);
  [[nodiscard]] std::string text(int column);
  [[nodiscard]] bool is_null(int column);

 private:
  Database& database_;
  SQLite::Statement* statement_;  // null after a failure
  int bound_ = 0;
};

class Database {
 public:
  enum class Role : std::uint8_t { writer, reader };
  // A writer makes the file when it is not there, with `synchronous=FULL` read back; a reader is query_only.
  static Result<std::unique_ptr<Database>> open(const std::string& path, const std::string& vfs, Role role);
  ~Database();

  // `sql` must be a literal: statements are prepared once and found again by its address and text.
  Sql query(const char* sql);
  // For tests and oracles: of the statements asked so far, those that look for rows by reading a whole table
  // of which there may be millions.
  std::vector<std::string> scans();
  // Likewise: steps that SQLite's machine has taken for all of them, their cost whatever the machine is.
  [[nodiscard]] std::int64_t steps() const;
  // Opens the transaction when none is open (BEGIN IMMEDIATE).
  void begin();
  // Commits what is open.  After any failure since begin(): rolls back and answers it.
  Status commit();
  void rollback();
  [[nodiscard]] bool in_transaction() const { return open_; }
  [[nodiscard]] bool failed() const { return failure_.has_value(); }
  // Several statements without parameters.
  Status execute(const std::string& sql);
  // Writes the WAL back into the file as far as readers allow.
  void checkpoint();
  [[nodiscard]] std::int64_t wal_pages() const { return wal_pages_; }

 private:
  friend class Sql;
  explicit Database(std::unique_ptr<SQLite::Database> connection);
  Status prepare_writer();
  Status prepare_reader();
  void fail(const SQLite::Exception& error);
  SQLite::Statement* prepare(const char* sql);

  std::unique_ptr<SQLite::Database> connection_;
  std::map<std::string_view, std::unique_ptr<SQLite::Statement>> statements_;
  // By the address of their text, ascending: a step of a life asks for half a dozen of a hundred.
  std::vector<std::pair<const char*, SQLite::Statement*>> by_address_;
  std::optional<Error> failure_;
  bool open_ = false;
  std::int64_t wal_pages_ = 0;
};

}  // namespace duly
