#include "control-server/ingest/header_value.h"

#include <charconv>
#include <string>

namespace duly {

std::optional<std::int64_t> whole(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> whole(const HeaderValue& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr ? whole(std::string_view(*text)) : std::nullopt;
}

}  // namespace duly
