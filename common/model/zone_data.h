// One time zone as the IANA database stores it: its changes one by one, and the rule for all that come after.
//
// The format is RFC 9636's (TZif).  The rule matters: the files list changes up to 2037 at most, or only
// those of the past, and howardhinnant/date, which reads nothing but the list, would know no summer time
// after it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace duly {

// Clocks differ from UTC by less than this: RFC 9636 section 3.2.
constexpr std::int64_t kMostOffsetS = 26LL * 3600;

// From `at_s` (seconds since 1970, UTC) on, clocks are `offset_s` ahead of UTC.
struct ZoneChange {
  std::int64_t at_s = 0;
  std::int32_t offset_s = 0;
};

// A day of each year, and a time of that day which may lie outside it (-167 to 167 hours).
struct YearlyDay {
  enum class Kind : std::uint8_t { julian_without_leap, day_of_year, weekday_of_month };
  Kind kind = Kind::weekday_of_month;
  int day = 0;    // 1-365 (29 February never counted), 0-365, or the weekday, 0 = Sunday
  int month = 0;  // 1-12, of weekday_of_month only, like `week`
  int week = 0;   // 1-5; 5 = the last
  std::int32_t time_s = 7200;
};

// What holds after the last listed change: one offset, or two that take turns every year.
struct ZoneRule {
  struct Summer {
    std::int32_t offset_s = 0;
    YearlyDay begin;  // read on the clocks of before the change
    YearlyDay end;
  };
  std::int32_t offset_s = 0;
  std::optional<Summer> summer;
};

struct ZoneData {
  std::int32_t first_offset_s = 0;  // before the first change
  std::vector<ZoneChange> changes;  // by time
  std::int64_t rule_from_s = 0;     // the rule holds from here; the least number when nothing is listed
  ZoneRule rule;
};

// The two changes that the rule makes in `year`, by time.  Requires rule.summer.
std::array<ZoneChange, 2> changes_of(const ZoneRule& rule, int year);

// The footer of a zone file, such as "CET-1CEST,M3.5.0,M10.5.0/3"; nothing when it is not one.
std::optional<ZoneRule> parse_zone_rule(std::string_view text);
// The bytes of a zone file; nothing when it is not one, or counts leap seconds.
std::optional<ZoneData> parse_zone_file(std::string_view bytes);

}  // namespace duly
