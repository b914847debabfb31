#include "common/base/time.h"

#include <cstdio>

namespace duly {
namespace {

constexpr std::int64_t kYear0Ms = -62'167'219'200'000;
constexpr std::int64_t kYear10000Ms = 253'402'300'800'000;

// Reads exactly `digits` decimal digits at `at`; -1 when there are not that many.
int number(std::string_view text, std::size_t at, int digits) {
  if (at + static_cast<std::size_t>(digits) > text.size()) return -1;
  int value = 0;
  for (int i = 0; i < digits; ++i) {
    const char c = text[at + static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

bool is(std::string_view text, std::size_t at, char lower, char upper) {
  return at < text.size() && (text[at] == lower || text[at] == upper);
}

// Days since 1970-01-01 of a valid civil date, or nothing.
std::optional<std::int64_t> civil_days(int year, int month, int day) {
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 0 || month < 0 || day < 0 || !date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count();
}

// The fraction after a dot at `*at` in milliseconds, rounded up; advances `*at`.  -1 when malformed.
int fraction_ms(std::string_view text, std::size_t* at) {
  if (*at >= text.size() || text[*at] != '.') return 0;
  std::size_t i = *at + 1;
  int ms = 0;
  int weight = 100;
  bool finer = false;
  const std::size_t start = i;
  for (; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
    ms += (text[i] - '0') * weight;
    finer = finer || (weight == 0 && text[i] != '0');
    weight /= 10;
  }
  if (i == start) return -1;
  *at = i;
  return ms + (finer ? 1 : 0);
}

// The zone at `at` up to the end of the text, in minutes east of UTC, or nothing.
std::optional<int> zone_minutes(std::string_view text, std::size_t at) {
  if (is(text, at, 'z', 'Z') && at + 1 == text.size()) return 0;
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':')
    return std::nullopt;
  const int hours = number(text, at + 1, 2);
  const int minutes = number(text, at + 4, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return (text[at] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

}  // namespace

std::string format_instant(std::int64_t wall_ms) {
  const std::chrono::sys_time<milliseconds> at{milliseconds{wall_ms}};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss<milliseconds> clock{at - day};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text;
}

std::optional<std::int64_t> parse_instant(std::string_view text) {
  if (text.size() < 20 || text.size() > 64 || text[4] != '-' || text[7] != '-' || !is(text, 10, 't', 'T') ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const auto days = civil_days(number(text, 0, 4), number(text, 5, 2), number(text, 8, 2));
  const int hour = number(text, 11, 2);
  const int minute = number(text, 14, 2);
  const int second = number(text, 17, 2);
  if (!days || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
    return std::nullopt;
  std::size_t at = 19;
  const int ms = fraction_ms(text, &at);
  const auto zone = ms < 0 ? std::nullopt : zone_minutes(text, at);
  if (!zone) return std::nullopt;
  const std::int64_t seconds_of_day = hour * 3600 + minute * 60 + second;
  const std::int64_t at_ms = (*days * 86'400 + seconds_of_day - std::int64_t{*zone} * 60) * 1000 + ms;
  // In UTC, too, the year must have four digits: else the instant could not be shown.
  if (at_ms < kYear0Ms || at_ms >= kYear10000Ms) return std::nullopt;
  return at_ms;
}

}  // namespace duly
