// The opaque position of a list: a version, the kind of list and a number, with a check sum so that garbage
// is told.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duly {

enum class CursorKind : std::uint8_t {
  commands = 1,
  audit = 2,
  schedules = 3,
  schedule_versions = 4,
  workflows = 5,
  exported = 6
};

std::string encode_cursor(CursorKind kind, std::int64_t position);
// Nothing for anything that encode_cursor has not made for a list of this kind.
std::optional<std::int64_t> decode_cursor(CursorKind kind, std::string_view text);

}  // namespace duly
