#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <vector>

#include "common/base/ids.h"
#include "common/runtime/asio_loop.h"
#include "tests/bench/give_up.h"
#include "tests/bench/limits/limits.h"

namespace duly::bench {
namespace {

constexpr std::size_t kPage = 4096;
constexpr long kPages = 1024;
constexpr std::size_t kPayload = 256;
constexpr int kShards = 64;
constexpr std::int64_t kPerMs = 50;

double seconds_since(MonoTime begun) { return static_cast<double>((machine_now() - begun).count()) / 1e6; }

// Over and over the same 4 MiB, as a write-ahead log is written once it has its size: what is measured is the
// data.
void measure_sync(const std::string& folder, double seconds, Tally& tally) {
  const std::string path = folder + "/sync.bin";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) give_up("cannot write " + path);
  const std::vector<char> page(kPage, 'x');
  for (long i = 0; i < kPages; ++i) {
    if (::pwrite(file, page.data(), kPage, i * long{kPage}) != long{kPage}) give_up("cannot write " + path);
  }
  if (::fsync(file) != 0) give_up("cannot sync " + path);
  std::vector<double> took;
  const MonoTime begun = machine_now();
  for (long i = 0; seconds_since(begun) < seconds; ++i) {
    const MonoTime start = machine_now();
    if (::pwrite(file, page.data(), kPage, (i % kPages) * long{kPage}) != long{kPage} ||
        ::fdatasync(file) != 0)
      give_up("cannot sync " + path);
    took.push_back(static_cast<double>((machine_now() - start).count()) / 1e3);
  }
  ::close(file);
  std::filesystem::remove(path);
  tally.quantiles("fdatasync_4k", took, "ms");
}

// A connection set as the store's, and the least that keeps a command and finds it when it is due: one row
// with its payload, and one entry in an index by shard and due time.
class Rows {
 public:
  explicit Rows(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) give_up("cannot open " + path);
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
    run("PRAGMA cache_size=-65536");
    run("CREATE TABLE command (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, shard INTEGER NOT NULL,"
        " due_ms INTEGER NOT NULL, type INTEGER NOT NULL, queue INTEGER NOT NULL, priority INTEGER NOT NULL,"
        " timeout_ms INTEGER NOT NULL, payload BLOB NOT NULL)");
    run("CREATE INDEX ready ON command (shard, queue, due_ms, id) WHERE state = 1");
    begin_ = prepare("BEGIN IMMEDIATE");
    insert_ = prepare(
        "INSERT INTO command (id, state, shard, due_ms, type, queue, priority, timeout_ms, payload)"
        " VALUES (?1, 1, ?2, ?3, 1, 1, 5, 60000, ?4)");
    commit_ = prepare("COMMIT");
  }
  ~Rows() {
    for (sqlite3_stmt* statement : {begin_, insert_, commit_}) sqlite3_finalize(statement);
    sqlite3_close(db_);
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  void insert(int count) {
    step(begin_);
    for (int i = 0; i < count; ++i) {
      sqlite3_bind_int64(insert_, 1, ++id_);
      sqlite3_bind_int64(insert_, 2, shard_of(CommandId{id_}, {}, kShards).value);
      sqlite3_bind_int64(insert_, 3, std::int64_t{1'700'000'000'000} + id_ / kPerMs);
      sqlite3_bind_blob(insert_, 4, payload_.data(), static_cast<int>(payload_.size()), SQLITE_STATIC);
      step(insert_);
    }
    step(commit_);
  }

 private:
  void run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) give_up(sqlite3_errmsg(db_));
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK) give_up(sqlite3_errmsg(db_));
    return statement;
  }
  void step(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) give_up(sqlite3_errmsg(db_));
    sqlite3_reset(statement);
  }

  sqlite3* db_ = nullptr;
  sqlite3_stmt *begin_ = nullptr, *insert_ = nullptr, *commit_ = nullptr;
  std::int64_t id_ = 0;
  std::string payload_ = std::string(kPayload, 'x');
};

void measure_inserts(const std::string& folder, int batch, double seconds, Tally& tally) {
  const std::string path = folder + "/rows.db";
  double rate = 0;
  {
    Rows rows(path);
    rows.insert(1);
    const MonoTime begun = machine_now();
    long inserted = 0;
    while (seconds_since(begun) < seconds) {
      rows.insert(batch);
      inserted += batch;
    }
    rate = static_cast<double>(inserted) / seconds_since(begun);
  }
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  tally.number("sqlite_insert_" + std::to_string(batch) + "_per_s", rate);
}

}  // namespace

void measure_disk(const std::string& folder, double seconds, Tally& tally) {
  tally.text("sqlite_version", sqlite3_libversion());
  measure_sync(folder, seconds, tally);
  for (const int batch : {1, 16, 64, 256, 1000}) measure_inserts(folder, batch, seconds, tally);
}

}  // namespace duly::bench
