// The rule at the end of a zone file: POSIX's TZ with the longer times of RFC 9636 section 3.3.1.
#include <algorithm>
#include <chrono>

#include "common/model/zone_data.h"

namespace duly {
namespace {

constexpr std::int64_t kDayS = 86'400;
constexpr std::int32_t kHourS = 3600;
constexpr int kOffsetHours = 24;
constexpr int kTimeHours = 167;

std::int64_t days_of(int year, int month, int day) {
  using namespace std::chrono;
  return sys_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)}
      .time_since_epoch()
      .count();
}

std::int64_t day_in(int year, const YearlyDay& when) {
  using namespace std::chrono;
  const bool leap = std::chrono::year{year}.is_leap();
  const std::int64_t january_1 = days_of(year, 1, 1);
  if (when.kind == YearlyDay::Kind::day_of_year) return january_1 + when.day;
  if (when.kind == YearlyDay::Kind::julian_without_leap)
    return january_1 + when.day - 1 + (leap && when.day >= 60 ? 1 : 0);
  const auto month = std::chrono::year{year} / when.month;
  const weekday day{static_cast<unsigned>(when.day)};
  const sys_days found =
      when.week == 5 ? sys_days{month / day[last]} : sys_days{month / day[static_cast<unsigned>(when.week)]};
  return found.time_since_epoch().count();
}

// Takes a rule apart from the front; after a failure it stays failed.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : left_(text) {}

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return left_.empty(); }
  [[nodiscard]] bool next_is(char c) const { return !left_.empty() && left_.front() == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    left_.remove_prefix(1);
    return true;
  }
  void expect(char c) { good_ = take(c) && good_; }

  void name() {
    const bool quoted = take('<');
    const std::size_t end =
        std::min(left_.size(), quoted ? left_.find('>') : left_.find_first_of("+-,0123456789"));
    good_ = good_ && end >= 3 && end <= 16;
    left_.remove_prefix(end);
    if (quoted) expect('>');
  }

  int number(int least, int most) {
    int value = 0;
    std::size_t digits = 0;
    for (; digits < left_.size() && digits < 4 && left_[digits] >= '0' && left_[digits] <= '9'; ++digits)
      value = value * 10 + (left_[digits] - '0');
    left_.remove_prefix(digits);
    good_ = good_ && digits > 0 && value >= least && value <= most;
    return value;
  }

  // [+-]hh[:mm[:ss]]
  std::int32_t clock(int most_hours) {
    const bool minus = take('-');
    if (!minus) take('+');
    std::int32_t value = number(0, most_hours) * kHourS;
    if (take(':')) value += number(0, 59) * 60;
    if (take(':')) value += number(0, 59);
    return minus ? -value : value;
  }

  YearlyDay yearly_day() {
    YearlyDay when;
    if (take('M')) {
      when.month = number(1, 12);
      expect('.');
      when.week = number(1, 5);
      expect('.');
      when.day = number(0, 6);
    } else if (take('J')) {
      when.kind = YearlyDay::Kind::julian_without_leap;
      when.day = number(1, 365);
    } else {
      when.kind = YearlyDay::Kind::day_of_year;
      when.day = number(0, 365);
    }
    if (take('/')) when.time_s = clock(kTimeHours);
    return when;
  }

 private:
  std::string_view left_;
  bool good_ = true;
};

ZoneRule::Summer read_summer(RuleReader& reader, std::int32_t standard_s) {
  ZoneRule::Summer summer;
  reader.name();
  // POSIX counts westwards; without a number summer is one hour ahead.
  summer.offset_s = reader.next_is(',') ? standard_s + kHourS : -reader.clock(kOffsetHours);
  reader.expect(',');
  summer.begin = reader.yearly_day();
  reader.expect(',');
  summer.end = reader.yearly_day();
  return summer;
}

}  // namespace

std::array<ZoneChange, 2> changes_of(const ZoneRule& rule, int year) {
  const ZoneRule::Summer& summer = *rule.summer;
  const ZoneChange begin{day_in(year, summer.begin) * kDayS + summer.begin.time_s - rule.offset_s,
                         summer.offset_s};
  const ZoneChange end{day_in(year, summer.end) * kDayS + summer.end.time_s - summer.offset_s, rule.offset_s};
  if (begin.at_s < end.at_s) return {begin, end};
  return {end, begin};
}

std::optional<ZoneRule> parse_zone_rule(std::string_view text) {
  RuleReader reader(text);
  ZoneRule rule;
  reader.name();
  rule.offset_s = -reader.clock(kOffsetHours);
  if (!reader.at_end()) rule.summer = read_summer(reader, rule.offset_s);
  if (!reader.good() || !reader.at_end()) return std::nullopt;
  return rule;
}

}  // namespace duly
