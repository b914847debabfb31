// What a cron expression asks for, as sets of numbers: local times on a plain calendar, no zone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "common/base/result.h"

namespace duly {

// Bit n of a set stands for the number n.
struct CronFields {
  std::uint64_t seconds = 1;
  std::uint64_t minutes = 0;
  std::uint64_t hours = 0;
  std::uint64_t days = 0;  // of the month, 1-31
  std::uint64_t months = 0;
  std::uint64_t weekdays = 0;                   // 0 = Sunday
  std::array<std::uint64_t, 5> nth_weekdays{};  // `MON#2` is bit 1 of [1]
  std::uint64_t last_weekdays = 0;              // `5L`
  bool last_day = false;                        // `L`
  bool any_day = false;                         // the field begins with `*`
  bool any_weekday = false;

  // The days of that month as a set.
  [[nodiscard]] std::uint64_t days_in(int year, int month) const;
  // The first local second from `local_s` on, the last one up to it; nothing outside the years 1 to 9999, or
  // when the calendar, which repeats every 400 years, has none.
  [[nodiscard]] std::optional<std::int64_t> first_from(std::int64_t local_s) const;
  [[nodiscard]] std::optional<std::int64_t> last_up_to(std::int64_t local_s) const;
};

Result<CronFields> parse_cron_fields(std::string_view expression, std::string_view name);

}  // namespace duly
