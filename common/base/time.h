// Two kinds of time that do not mix: MonoTime for intervals, WallTime for due times.
//
// Neither type can ask a clock.  `now` is an argument everywhere; only runtime/asio_loop.cpp asks the
// machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duly {

using Duration = std::chrono::microseconds;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct MonoTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoTag>;
  static constexpr bool is_steady = true;
};
struct WallTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WallTag>;
  static constexpr bool is_steady = false;
};

using MonoTime = std::chrono::time_point<MonoTag>;  // microseconds since an arbitrary start; never goes back
using WallTime = std::chrono::time_point<WallTag>;  // microseconds since 1970-01-01 UTC; may jump

// One moment seen on both clocks.
struct Moment {
  MonoTime mono;
  WallTime wall;
};

// Whole milliseconds since 1970 (rounded down): what is stored and shown.
constexpr std::int64_t to_ms(WallTime t) {
  return std::chrono::floor<milliseconds>(t.time_since_epoch()).count();
}
constexpr std::int64_t to_ms(Duration d) { return std::chrono::floor<milliseconds>(d).count(); }
constexpr WallTime wall_from_ms(std::int64_t ms) { return WallTime{milliseconds{ms}}; }

// "2026-11-21T09:00:00.000Z" for milliseconds since 1970.
std::string format_instant(std::int64_t wall_ms);

// Milliseconds since 1970 of an RFC 3339 instant with any offset, or nothing when it is not one.  A fraction
// finer than a millisecond is rounded up, so that nothing becomes due early.  Source: RFC 3339 section 5.6.
std::optional<std::int64_t> parse_instant(std::string_view text);

}  // namespace duly
