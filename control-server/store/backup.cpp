#include "control-server/store/backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "control-server/store/store.h"

namespace duly {
namespace {

constexpr int kPagesAtATime = 1024;
constexpr int kBusyMost =
    10;  // steps in a row that find a file locked; each has waited for SQLite's own time-out

Error cannot(const std::string& what, const std::string& why) {
  return invalid("cannot " + what + ": " + why);
}

// The file and the entry of its name: both on disk.
Status sync(const std::string& path) {
  for (const std::string& name : {path, std::filesystem::absolute(path).parent_path().string()}) {
    const int file = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return cannot("open " + name, std::strerror(errno));
    const int failed = ::fsync(file);
    const std::string why = std::strerror(errno);
    ::close(file);
    if (failed != 0) return cannot("sync " + name, why);
  }
  return ok_status();
}

void remove_partial(const std::string& path) {
  std::error_code ignored;
  for (const char* end : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(path + end, ignored);
}

// The source is read in one transaction, so that steps see one moment and need not begin again.
void copy_pages(const std::string& from, const std::string& to, const BackupProgress& progress) {
  SQLite::Database source(from, SQLite::OPEN_READWRITE, 2000);
  // Never a second checkpointer beside a running server (design decision 10).
  sqlite3_db_config(source.getHandle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  source.exec("PRAGMA query_only=1");
  source.exec("PRAGMA wal_autocheckpoint=0");
  source.exec("SAVEPOINT one_moment");  // it only reads
  (void)source.execAndGet("SELECT count(*) FROM meta");
  SQLite::Database copy(to, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  SQLite::Backup backup(copy, source);
  for (int busy = 0, code = 0; (code = backup.executeStep(kPagesAtATime)) != SQLITE_DONE;) {
    busy = code == SQLITE_OK ? 0 : busy + 1;
    if (busy >= kBusyMost) throw SQLite::Exception("a file stays locked by another process", code);
    if (progress) progress(backup.getRemainingPageCount(), backup.getTotalPageCount());
  }
}

// One file that needs no other beside it.
void make_single(const std::string& path) {
  SQLite::Database copy(path, SQLite::OPEN_READWRITE);
  (void)copy.execAndGet("PRAGMA journal_mode=DELETE");
}

}  // namespace

Status copy_store(const std::string& from, const std::string& to, const BackupProgress& progress) {
  if (std::filesystem::exists(to)) return cannot("write " + to, "the file exists");
  if (!std::filesystem::exists(from)) return cannot("read " + from, "there is no store");
  const std::string partial = to + ".partial";
  remove_partial(partial);
  try {
    copy_pages(from, partial, progress);
    make_single(partial);
  } catch (const SQLite::Exception& error) {
    remove_partial(partial);
    return cannot("copy " + from + " to " + to, error.what());
  }
  if (const Status synced = sync(partial); !synced) return synced;
  if (::rename(partial.c_str(), to.c_str()) != 0) return cannot("write " + to, std::strerror(errno));
  return sync(to);
}

Result<RestoreReport> restore_store(const std::string& from, const std::string& to, std::int64_t now_ms) {
  if (std::filesystem::exists(to))
    return cannot("restore to " + to, "there is a store already; move it away first");
  const std::string partial = to + ".restoring";
  remove_partial(partial);
  if (const Status copied = copy_store(from, partial, nullptr); !copied) return copied.error();
  RestoreReport report;
  {
    auto store = Store::open({partial, "", 0, false});
    if (!store) return remove_partial(partial), store.error();
    if (const std::string found = (*store)->integrity(); found != "ok")
      return remove_partial(partial), cannot("restore " + from, found);
    auto begun = (*store)->begin_generation(now_ms);
    if (!begun) return remove_partial(partial), begun.error();
    report = *begun;
  }
  try {
    make_single(partial);
  } catch (const SQLite::Exception& error) {
    return remove_partial(partial), cannot("restore " + from, error.what());
  }
  if (const Status synced = sync(partial); !synced) return synced.error();
  if (::rename(partial.c_str(), to.c_str()) != 0) return cannot("write " + to, std::strerror(errno));
  if (const Status synced = sync(to); !synced) return synced.error();
  return report;
}

}  // namespace duly
