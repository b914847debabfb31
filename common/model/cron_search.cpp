// The search for the next and the last local time: field by field, so that a rare date costs no more than its
// months.
#include <bit>
#include <chrono>

#include "common/model/cron_fields.h"

namespace duly {
namespace {

constexpr int kFirstYear = 1;
constexpr int kLastYear = 9999;
constexpr int kMonthsOfCycle = 400 * 12 + 1;  // the calendar repeats after 400 years, weekdays too
constexpr std::int64_t kDayS = 86'400;

// The least member that is `from` or more, or -1; `from` may be 64.
int first_at_least(std::uint64_t set, int from) {
  if (from >= 64) return -1;
  const std::uint64_t left = set >> from;
  return left == 0 ? -1 : from + std::countr_zero(left);
}

// The greatest member that is `to` or less, or -1; `to` may be -1.
int last_at_most(std::uint64_t set, int to) {
  if (to < 0) return -1;
  const std::uint64_t left = set << (63 - to);
  return left == 0 ? -1 : to - std::countl_zero(left);
}

struct Clock {
  int hour;
  int minute;
  int second;
  [[nodiscard]] int of_day() const { return (hour * 60 + minute) * 60 + second; }
};

Clock clock_of(int second_of_day) {
  return {second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60};
}

// The first second of the day that is in the sets, from `from` on, or -1.
int first_time(const CronFields& f, int from) {
  const Clock at = clock_of(from);
  if (first_at_least(f.hours, at.hour) == at.hour) {
    if (first_at_least(f.minutes, at.minute) == at.minute) {
      const int second = first_at_least(f.seconds, at.second);
      if (second >= 0) return Clock{at.hour, at.minute, second}.of_day();
    }
    const int minute = first_at_least(f.minutes, at.minute + 1);
    if (minute >= 0) return Clock{at.hour, minute, first_at_least(f.seconds, 0)}.of_day();
  }
  const int hour = first_at_least(f.hours, at.hour + 1);
  if (hour < 0) return -1;
  return Clock{hour, first_at_least(f.minutes, 0), first_at_least(f.seconds, 0)}.of_day();
}

// The last one up to `to`, or -1.
int last_time(const CronFields& f, int to) {
  const Clock at = clock_of(to);
  if (last_at_most(f.hours, at.hour) == at.hour) {
    if (last_at_most(f.minutes, at.minute) == at.minute) {
      const int second = last_at_most(f.seconds, at.second);
      if (second >= 0) return Clock{at.hour, at.minute, second}.of_day();
    }
    const int minute = last_at_most(f.minutes, at.minute - 1);
    if (minute >= 0) return Clock{at.hour, minute, last_at_most(f.seconds, 63)}.of_day();
  }
  const int hour = last_at_most(f.hours, at.hour - 1);
  if (hour < 0) return -1;
  return Clock{hour, last_at_most(f.minutes, 63), last_at_most(f.seconds, 63)}.of_day();
}

struct Date {
  int year;
  int month;
  int day;
};

Date date_of(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return {static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day()))};
}

std::int64_t day_number(int year, int month, int day) {
  return std::chrono::sys_days{std::chrono::year{year} / month / day}.time_since_epoch().count();
}

// The first day, counted from 1970, that is `from` or later.
std::optional<std::int64_t> first_day(const CronFields& f, std::int64_t from) {
  auto [year, month, day] = date_of(from);
  if (year < kFirstYear) year = kFirstYear, month = 1, day = 1;
  for (int i = 0; i < kMonthsOfCycle && year <= kLastYear; ++i) {
    const int found = (f.months >> month & 1) != 0 ? first_at_least(f.days_in(year, month), day) : -1;
    if (found >= 0) return day_number(year, month, found);
    day = 1;
    if (++month > 12) month = 1, ++year;
  }
  return std::nullopt;
}

std::optional<std::int64_t> last_day_up_to(const CronFields& f, std::int64_t to) {
  auto [year, month, day] = date_of(to);
  if (year > kLastYear) year = kLastYear, month = 12, day = 31;
  for (int i = 0; i < kMonthsOfCycle && year >= kFirstYear; ++i) {
    const int found = (f.months >> month & 1) != 0 ? last_at_most(f.days_in(year, month), day) : -1;
    if (found >= 0) return day_number(year, month, found);
    day = 31;
    if (--month < 1) month = 12, --year;
  }
  return std::nullopt;
}

std::int64_t day_of(std::int64_t local_s) {
  return std::chrono::floor<std::chrono::days>(std::chrono::seconds{local_s}).count();
}

}  // namespace

std::uint64_t CronFields::days_in(int year, int month) const {
  using namespace std::chrono;
  const year_month_day_last end{std::chrono::year{year} / month / last};
  const int length = static_cast<int>(static_cast<unsigned>(end.day()));
  const auto first = static_cast<int>(weekday{sys_days{std::chrono::year{year} / month / 1}}.c_encoding());
  std::uint64_t by_weekday = 0;
  for (int day = 1; day <= length; ++day) {
    const auto nth = static_cast<std::size_t>((day - 1) / 7);
    const std::uint64_t fitting = weekdays | nth_weekdays[nth] | (day + 7 > length ? last_weekdays : 0);
    by_weekday |= (fitting >> ((first + day - 1) % 7) & 1) << day;
  }
  std::uint64_t by_day = days & ((2ULL << length) - 1);
  if (last_day) by_day |= 1ULL << length;
  return any_day || any_weekday ? by_day & by_weekday : by_day | by_weekday;
}

std::optional<std::int64_t> CronFields::first_from(std::int64_t local_s) const {
  const std::int64_t today = day_of(local_s);
  auto day = first_day(*this, today);
  if (!day) return std::nullopt;
  if (*day == today) {
    const int time = first_time(*this, static_cast<int>(local_s - today * kDayS));
    if (time >= 0) return today * kDayS + time;
    day = first_day(*this, today + 1);
  }
  if (!day) return std::nullopt;
  return *day * kDayS + first_time(*this, 0);
}

std::optional<std::int64_t> CronFields::last_up_to(std::int64_t local_s) const {
  const std::int64_t today = day_of(local_s);
  auto day = last_day_up_to(*this, today);
  if (!day) return std::nullopt;
  if (*day == today) {
    const int time = last_time(*this, static_cast<int>(local_s - today * kDayS));
    if (time >= 0) return today * kDayS + time;
    day = last_day_up_to(*this, today - 1);
  }
  if (!day) return std::nullopt;
  return *day * kDayS + last_time(*this, static_cast<int>(kDayS) - 1);
}

}  // namespace duly
