// A disk for the real SQLite that forgets what was not synced.
//
// Operation.  Registers a VFS under a name of its own; files live in memory.  Every write since the last sync
// of a file is remembered; power_loss() keeps a subset of them drawn from the seed, whole, torn at a sector,
// or not at all.  A process crash without power loss keeps everything.  Faults: syncs that fail, writes that
// fail, a size beyond which the disk is full.  Source of the method: SQLite's src/test6.c. Concurrency.  One
// thread, and no connection may be open across power_loss().
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/base/rng.h"

namespace duly::sim {

class CrashVfs {
 public:
  explicit CrashVfs(std::uint64_t seed);
  ~CrashVfs();
  CrashVfs(const CrashVfs&) = delete;
  CrashVfs& operator=(const CrashVfs&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // The process that has files open is dead: what it still does (closing its connection, which would
  // checkpoint) has no effect until thaw().
  void freeze() { frozen_ = true; }
  void thaw() { frozen_ = false; }
  void power_loss();
  // The next syncs (or writes) fail, that many of them.
  void fail_syncs(int count) { failing_syncs_ = count; }
  void fail_writes(int count) { failing_writes_ = count; }
  // Bytes of all files together; 0 = no limit.
  void set_capacity(std::int64_t bytes) { capacity_ = bytes; }
  [[nodiscard]] std::int64_t size() const;
  // Bytes until the disk is full.
  [[nodiscard]] std::int64_t room() const {
    return capacity_ == 0 ? std::numeric_limits<std::int64_t>::max() : capacity_ - size();
  }

  struct Counts {
    std::uint64_t syncs = 0, writes = 0, lost_writes = 0, failed = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  friend struct CrashFile;
  struct Write {
    std::int64_t offset = 0;  // of a truncation: the new size
    std::string data;
    bool truncate = false;
  };
  struct File {
    std::string content;          // as the process sees it
    std::string durable;          // as it is after the last sync
    std::vector<Write> unsynced;  // in order
    std::vector<std::unique_ptr<char[]>> shared_memory;
  };
  using FilePtr = std::shared_ptr<File>;

  int write(File& file, const char* data, int size, std::int64_t offset);
  int truncate(File& file, std::int64_t size);
  int sync(File& file);
  static void apply(std::string& bytes, const Write& write, std::size_t length);

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* out_flags);
  static int remove(sqlite3_vfs* vfs, const char* path, int sync);
  static int access(sqlite3_vfs* vfs, const char* path, int flags, int* result);
  static int full_path(sqlite3_vfs* vfs, const char* path, int size, char* out);
  static int randomness(sqlite3_vfs* vfs, int size, char* out);
  static int sleep(sqlite3_vfs* vfs, int us);
  static int current_time(sqlite3_vfs* vfs, double* days);
  static int current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* ms);

  const std::string name_;
  Rng rng_;
  sqlite3_vfs vfs_{};
  std::map<std::string, FilePtr> files_;
  bool frozen_ = false;
  int failing_syncs_ = 0, failing_writes_ = 0;
  std::int64_t capacity_ = 0;
  Counts counts_;
};

}  // namespace duly::sim
