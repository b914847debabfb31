// The format of a store as its file says it, read without opening it: for who looks before a start, beside a
// server that may be running.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace duly {

struct StoreHeader {
  std::int64_t version =
      0;  // that was last merged into the file; what a running server has yet to merge may be newer
  std::int64_t newest = 0;  // that this program knows
};

// Nothing when there is no file.  An error: it cannot be read, is no store, or is newer than this program.
Result<std::optional<StoreHeader>> read_store_header(const std::string& path);

}  // namespace duly
