// A cron expression in a time zone: which instants it names, in both directions.
//
// Five fields (minute, hour, day of month, month, day of week) or six with seconds in front, between spaces
// or tabs:
//   lists `1,15`, ranges `9-17`, steps `*/5` `10-50/10` `5/15` (from 5 to the end), names `JAN` `mon`, Sunday
//   as 0 or 7 `L` (last day of the month), `5L` `FRIL` (last Friday), `MON#2` (second Monday)
//   `~` `1~28` `~/10`: a value that the schedule's name fixes, so that many schedules do not all run at once
//   and each
//       still runs when it did yesterday.  A bare `~` for the day stays within 1 to 28: it comes every month.
//   `@yearly` `@annually` `@monthly` `@weekly` `@daily` `@midnight` `@hourly`
// A range must go forwards; for days of the week Sunday may end it (`FRI-SUN`), and `FRI-MON` is written
// `FRI-SUN,MON`.
//
// As in Vixie's and Debian's cron, a day comes when the day of month OR the day of week fits if both are
// restricted, and when both fit if either field begins with `*` (`*/2` does, too).
//
// Daylight saving time: a local time that does not exist that day fires at the end of the gap, all of them
// and a regular one there as one; one that exists twice fires at the first.  So `*/5 * * * *` is silent while
// the clocks go through an hour again; `every_ms` is for what must not be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/cron_fields.h"
#include "common/model/time_zone.h"

namespace duly {

struct CronFire {
  std::int64_t at_ms = 0;
  ClockShift shift = ClockShift::none;
  std::string
      local;  // the local time asked for, "2026-03-29T02:30:00"; the earliest when a gap made one of several
};

// Immutable; safe to use from any thread, and cheap to copy.
class Cron {
 public:
  // `name` fixes what `~` leaves open.  An error says which field and why; one that never comes is an error.
  // Reads the zone's file.
  static Result<Cron> parse(std::string_view expression, std::string_view time_zone, std::string_view name);

  // The first fire strictly after; nothing when there is none up to the year 9999.
  [[nodiscard]] std::optional<CronFire> next(std::int64_t after_ms) const;
  // The last fire strictly before; nothing when there is none from the year 1 on.
  [[nodiscard]] std::optional<CronFire> prev(std::int64_t before_ms) const;

 private:
  Cron(CronFields fields, TimeZone zone) : fields_(fields), zone_(std::move(zone)) {}

  CronFields fields_;
  TimeZone zone_;
};

}  // namespace duly
