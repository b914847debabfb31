// A time zone of the machine's IANA database (Debian's tzdata): what the clocks on the wall show, and when.
//
// Immutable once loaded and free of locks, so any thread may use a copy; copies share their data.  A zone
// keeps the database as it was when it was loaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/result.h"
#include "common/model/zone_data.h"

namespace duly {

// What an instant became because of daylight saving time.
enum class ClockShift : std::uint8_t {
  none,
  gap,   // the local time does not exist: moved to the end of the gap
  fold,  // it exists twice: the first
};

// Local times are counted like instants: seconds since a clock on that wall would have shown
// 1970-01-01T00:00:00.
class TimeZone {
 public:
  // `name` as in the database, letter by letter ("Europe/Berlin", "EST5EDT"); "UTC" needs no database.
  static Result<TimeZone> load(std::string_view name);

  // The furthest that any clock has been set by `utc_s`: what it shows, or more while it goes through an hour
  // again.
  [[nodiscard]] std::int64_t latest_local(std::int64_t utc_s) const;

  struct Reached {
    std::int64_t utc_s = 0;
    ClockShift shift = ClockShift::none;
  };
  // When the clocks first show `local_s`, or, where they never do, jump past it.  Rises with `local_s`.
  [[nodiscard]] Reached reach(std::int64_t local_s) const;

 private:
  // A stretch of one offset, its end excluded.
  struct Period {
    std::int64_t begin_s = 0;
    std::int64_t end_s = 0;
    std::int32_t offset_s = 0;
  };

  explicit TimeZone(ZoneData data) : data_(std::make_shared<const ZoneData>(std::move(data))) {}
  [[nodiscard]] Period period_at(std::int64_t utc_s) const;
  [[nodiscard]] Period period_by_rule(std::int64_t utc_s) const;
  [[nodiscard]] bool shown_again(std::int64_t local_s, Period period) const;

  std::shared_ptr<const ZoneData> data_;
};

bool known_time_zone(std::string_view name);

}  // namespace duly
