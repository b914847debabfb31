// The format of a store as its file says it, read without opening it: for who looks before a start, beside a
// server that may be running.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace duly {

struct StoreHeader {
  std::int64_t version = 0;  // as of what is in the file itself
  std::int64_t newest = 0;   // that this program knows
  bool has_log = false;      // there is a log (WAL) that is not merged into the file yet: it may say more
};

// Nothing when there is no file.  An error: it cannot be read, is no store, or is newer than this program.
Result<std::optional<StoreHeader>> read_store_header(const std::string& path);

}  // namespace duly
