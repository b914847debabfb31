#include "control-server/api/cursor.h"

#include <charconv>
#include <cstdio>

#include "common/base/ids.h"

namespace duly {
namespace {

constexpr unsigned kVersion = 1;
constexpr std::size_t kBodyDigits = 4 + 16;
constexpr std::size_t kDigits = kBodyDigits + 4;

}  // namespace

std::string encode_cursor(CursorKind kind, std::int64_t position) {
  char body[kBodyDigits + 1];
  std::snprintf(body, sizeof body, "%02x%02x%016llx", kVersion, static_cast<unsigned>(kind),
                static_cast<unsigned long long>(position));
  char check[5];
  std::snprintf(check, sizeof check, "%04x", static_cast<unsigned>(mix(stable_hash(body)) & 0xFFFFU));
  return std::string(body) + check;
}

std::optional<std::int64_t> decode_cursor(CursorKind kind, std::string_view text) {
  if (text.size() != kDigits) return std::nullopt;
  std::uint64_t position = 0;
  const char* const end = text.data() + kBodyDigits;
  const auto parsed = std::from_chars(text.data() + 4, end, position, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  const auto number = static_cast<std::int64_t>(position);
  if (encode_cursor(kind, number) != text) return std::nullopt;
  return number;
}

}  // namespace duly
