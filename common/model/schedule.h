// A schedule: which command is made when, and what happens when fires overlap or were missed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/model/command.h"

namespace duly {

// What a fire does while a command of the same schedule has not ended.  The numbers are stored: never
// renumber.
enum class Overlap : std::uint8_t {
  allow = 0,         // makes its command all the same
  skip = 1,          // makes none
  buffer_one = 2,    // waits for that end; further ones meanwhile make none
  cancel_other = 3,  // cancels those that have not ended
};
std::string_view name_of(Overlap overlap);
std::optional<Overlap> overlap_named(std::string_view name);

// Which of the fires that were missed (the server was away for more than kFireGraceMs) are made up for.
enum class CatchUp : std::uint8_t { skip = 0, one = 1, all = 2 };
std::string_view name_of(CatchUp policy);
std::optional<CatchUp> catch_up_named(std::string_view name);

// Later than this is missed, not late.
inline constexpr std::int64_t kFireGraceMs = 60'000;

struct ScheduleTiming {
  std::string cron;  // empty with every_ms
  std::int64_t every_ms = 0;
  std::string time_zone = "UTC";
  std::optional<std::int64_t> start_at_ms, end_at_ms;  // fires in [start, end] only

  friend bool operator==(const ScheduleTiming&, const ScheduleTiming&) = default;
};

struct ScheduleSpec {
  std::string name;
  ScheduleTiming timing;
  CommandSpec command;  // due_at, delay and expires_at are not set
  bool enabled = true;
  Overlap overlap = Overlap::allow;
  CatchUp catch_up = CatchUp::one;
  std::int64_t catch_up_window_ms =
      86'400'000;                   // of policy `all`: what was missed before is not made up for …
  std::int64_t catch_up_max = 100;  // … nor are more than the newest so many
  std::int64_t jitter_ms = 0;
  std::string text;  // the JSON object that describes it, without `enabled`: stored and shown as it is
};

// When a schedule fires: nominal times, to the millisecond.  `every_ms` counts from start_at, or from 1970.
class Timetable {
 public:
  // The error names the field: "cron: …", "time_zone: …".  Any thread.
  static Result<Timetable> make(const ScheduleTiming& timing, std::string_view name);
  ~Timetable();
  Timetable(Timetable&&) noexcept;
  Timetable& operator=(Timetable&&) noexcept;

  // The first fire after, the last one before that instant; nothing when there is none.
  [[nodiscard]] std::optional<std::int64_t> next(std::int64_t after_ms) const;
  [[nodiscard]] std::optional<std::int64_t> prev(std::int64_t before_ms) const;
  // What daylight saving time did to a fire: "gap", "fold" or empty.
  [[nodiscard]] std::string_view shift_at(std::int64_t fire_ms) const;

 private:
  struct Impl;
  explicit Timetable(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Between 0 and `jitter_ms`: always the same for one fire of one schedule.
std::int64_t jitter_of(std::string_view name, std::int64_t fire_ms, std::int64_t jitter_ms);

}  // namespace duly
