#include "common/model/cron.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace duly {
namespace {

// Instants have four digits for the year (else they could not be shown); local times start with the year 1.
constexpr std::int64_t kLeastS = -62'135'683'200;  // a day before it
constexpr std::int64_t kYear10000S = 253'402'300'800;

std::int64_t clamp_s(std::int64_t seconds) { return std::clamp(seconds, kLeastS, kYear10000S - 1); }

std::int64_t floor_s(std::int64_t ms) { return ms / 1000 - (ms % 1000 < 0 ? 1 : 0); }

std::string format_local(std::int64_t local_s) {
  using namespace std::chrono;
  const local_seconds at{std::chrono::seconds{local_s}};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss<std::chrono::seconds> clock{at - day};
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace

Result<Cron> Cron::parse(std::string_view expression, std::string_view time_zone, std::string_view name) {
  auto fields = parse_cron_fields(expression, name);
  if (!fields) return fields.error();
  auto zone = TimeZone::load(time_zone);
  if (!zone) return zone.error();
  return Cron(*fields, std::move(*zone));
}

// Local times are taken in the order of the wall: TimeZone::reach rises with them, so the first local time
// that the clocks have not yet shown (or jumped over) by then is the next to come.
std::optional<CronFire> Cron::next(std::int64_t after_ms) const {
  const std::int64_t after_s = clamp_s(floor_s(after_ms));
  const auto local_s = fields_.first_from(zone_.latest_local(after_s) + 1);
  if (!local_s) return std::nullopt;
  const auto reached = zone_.reach(*local_s);
  if (reached.utc_s >= kYear10000S) return std::nullopt;
  return CronFire{reached.utc_s * 1000, reached.shift, format_local(*local_s)};
}

std::optional<CronFire> Cron::prev(std::int64_t before_ms) const {
  const std::int64_t last_s = clamp_s(floor_s(before_ms - (before_ms == INT64_MIN ? 0 : 1)));
  const auto local_s = fields_.last_up_to(zone_.latest_local(last_s));
  if (!local_s) return std::nullopt;
  // Several local times may have become this instant: tell of the earliest, as next() does.
  return next(zone_.reach(*local_s).utc_s * 1000 - 1);
}

}  // namespace duly
