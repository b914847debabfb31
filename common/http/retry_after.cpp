#include "common/http/retry_after.h"

#include <algorithm>
#include <array>
#include <string>

namespace duly {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// More digits than any bound needs are as good as the bound.
std::int64_t seconds_ms(std::string_view digits, std::int64_t most) {
  std::int64_t value = 0;
  for (const char c : digits) {
    value = std::min(value * 10 + (c - '0'), most);
  }
  return std::min(value * 1000, most);
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' ||
      text[16] != ' ' || text.substr(25) != " GMT") {
    return std::nullopt;
  }
  const auto month = std::find(kMonths.begin(), kMonths.end(), text.substr(8, 3));
  if (month == kMonths.end()) return std::nullopt;
  const auto number = static_cast<int>(month - kMonths.begin()) + 1;
  const std::string year(text.substr(12, 4));
  const std::string day(text.substr(5, 2));
  return parse_instant(year + (number < 10 ? "-0" : "-") + std::to_string(number) + "-" + day + "T" +
                       std::string(text.substr(17, 8)) + "Z");
}

std::int64_t retry_after_ms(std::string_view retry_after, std::string_view date, WallTime now,
                            std::int64_t most) {
  if (is_number(retry_after)) return seconds_ms(retry_after, most);
  const auto until = parse_http_date(retry_after);
  if (!until) return 0;
  const std::int64_t base = parse_http_date(date).value_or(to_ms(now));
  return std::clamp<std::int64_t>(*until - base, 0, most);
}

}  // namespace duly
