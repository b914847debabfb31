// Copies of a store: taken while a server runs on it, and put back as a new generation.
//
// Concurrency.  Each call uses connections of its own; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "common/base/result.h"

namespace duly {

// Pages left, of so many.
using BackupProgress = std::function<void(int, int)>;

// Writes one moment of the store `from` to the file `to`, which must not be there, synced.  Writers go on
// meanwhile; what they write stays in the WAL until the copy is done.
Status copy_store(const std::string& from, const std::string& to, const BackupProgress& progress);

struct RestoreReport {
  std::int64_t generation = 0;
  std::int64_t commands = 0;     // in the copy
  std::int64_t was_running = 0;  // and are dead now
  std::int64_t was_queued = 0;   // and will be published again
  std::int64_t newest_ms = 0;    // when the newest command in it was accepted; 0 = there is none
};

// Makes the store `to`, which must not be there, from the copy `from`: checked whole, brought to this
// program's format, and begun as a new generation (Store::begin_generation).
Result<RestoreReport> restore_store(const std::string& from, const std::string& to, std::int64_t now_ms);

}  // namespace duly
