// A second opinion on cron: expressions made together with their meaning, and a walk over every local second.
//
// It shares no code with common/model/cron.*: the calendar counts days one by one, and the zones are those of
// howardhinnant/date (right up to 2037).
#pragma once

#include <date/tz.h>

#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "common/model/cron.h"

namespace duly::reference {

struct Day {
  int year;
  int month;
  int day;
};

// Days since 1970-01-01, counted year by year and month by month.
std::int64_t days_since_1970(Day day);

// An expression, and which numbers fit each of its fields.
struct Expression {
  std::string text;
  bool with_seconds = false;
  std::array<bool, 60> second{};
  std::array<bool, 60> minute{};
  std::array<bool, 24> hour{};
  std::array<bool, 32> day{};
  bool last_day = false;
  std::array<bool, 13> month{};
  std::array<bool, 8> weekday{};  // 7 is 0, too
  std::array<std::array<bool, 6>, 8> nth_weekday{};
  std::array<bool, 8> last_weekday{};
  bool day_star = false;
  bool weekday_star = false;

  [[nodiscard]] bool fits(Day date, int weekday_of_it) const;
};

Expression make_expression(std::mt19937_64& draw, bool with_seconds);

// Every fire whose local time lies in the `days` from `first` on, by time.
std::vector<CronFire> fires(const Expression& expression, const date::time_zone* zone, Day first, int days);

}  // namespace duly::reference
