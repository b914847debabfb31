#include "common/model/time_zone.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <string>

#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::string_view kDatabase = "/usr/share/zoneinfo/";
constexpr std::size_t kFileBytes = 256U << 10;
constexpr std::size_t kKnownZones = 600;               // more than the database has, without its aliases
constexpr std::int64_t kMostJumpS = 2 * kMostOffsetS;  // between a clock and itself at another time
constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// Letters, digits and a few marks between slashes; no part that begins with a dot, so never out of the
// database.
bool is_zone_name(std::string_view name) {
  if (name.empty() || name.size() > limits::kTimeZoneBytes || name.back() == '/') return false;
  char before = '/';
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    const bool mark = (c == '-' || c == '+' || c == '/') && before != '/';
    if (!plain && !mark) return false;
    before = c;
  }
  return true;
}

// What changes when the file is replaced, as by an update of the database.
struct FileMark {
  ino_t inode = 0;
  std::int64_t modified_ns = 0;
  bool operator==(const FileMark&) const = default;
};

FileMark mark_of(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {info.st_ino, static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
}

std::optional<ZoneData> read_zone(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string bytes(kFileBytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return parse_zone_file(std::string_view(bytes).substr(0, static_cast<std::size_t>(file.gcount())));
}

Error unknown_zone(std::string_view name) {
  // Never cut short: half a UTF-8 letter would spoil the answer it stands in.
  if (name.size() > limits::kTimeZoneBytes)
    return invalid("time_zone: longer than " + std::to_string(limits::kTimeZoneBytes) + " bytes");
  // Whoever asks for +02:00 means a place, most often.
  const bool offset = !name.empty() && (name.front() == '+' || name.front() == '-');
  return invalid("time_zone: '" + std::string(name) +
                 (offset ? "' is an offset, not a zone: give a name such as Europe/Berlin or Etc/GMT-2"
                         : "' is not in the time zone database: give a name such as Europe/Berlin or UTC"));
}

int year_of(std::int64_t utc_s) {
  const std::chrono::sys_days day{std::chrono::floor<std::chrono::days>(std::chrono::seconds{utc_s})};
  return static_cast<int>(std::chrono::year_month_day{day}.year());
}

}  // namespace

Result<TimeZone> TimeZone::load(std::string_view name) {
  if (name == "UTC") {
    ZoneData utc;
    utc.rule_from_s = kLeast;
    return TimeZone(std::move(utc));
  }
  if (!is_zone_name(name)) return unknown_zone(name);
  const std::string path = std::string(kDatabase) + std::string(name);
  const FileMark mark = mark_of(path);
  // Sixty thousand schedules that fire in one second name few zones.
  thread_local std::map<std::string, std::pair<FileMark, TimeZone>, std::less<>> known;
  if (const auto at = known.find(name); at != known.end() && at->second.first == mark)
    return at->second.second;
  auto data = read_zone(path);
  if (!data) return unknown_zone(name);
  TimeZone zone(std::move(*data));
  if (known.size() >= kKnownZones) known.clear();
  known.insert_or_assign(std::string(name), std::pair{mark, zone});
  return zone;
}

bool known_time_zone(std::string_view name) { return TimeZone::load(name).ok(); }

TimeZone::Period TimeZone::period_by_rule(std::int64_t utc_s) const {
  const ZoneRule& rule = data_->rule;
  Period period{data_->rule_from_s, kMost, rule.offset_s};
  if (!rule.summer) return period;
  const int year = year_of(utc_s);
  for (int near = year - 1; near <= year + 1; ++near) {
    for (const ZoneChange& change : changes_of(rule, near)) {
      if (change.at_s > utc_s) {
        period.end_s = change.at_s;
        return period;
      }
      period.offset_s = change.offset_s;
      period.begin_s = std::max(period.begin_s, change.at_s);
    }
  }
  return period;
}

TimeZone::Period TimeZone::period_at(std::int64_t utc_s) const {
  if (utc_s >= data_->rule_from_s) return period_by_rule(utc_s);
  const auto& changes = data_->changes;
  const auto after =
      std::upper_bound(changes.begin(), changes.end(), utc_s,
                       [](std::int64_t at, const ZoneChange& change) { return at < change.at_s; });
  Period period{kLeast, after == changes.end() ? data_->rule_from_s : after->at_s, data_->first_offset_s};
  if (after == changes.begin()) return period;
  period.begin_s = std::prev(after)->at_s;
  period.offset_s = std::prev(after)->offset_s;
  return period;
}

std::int64_t TimeZone::latest_local(std::int64_t utc_s) const {
  Period period = period_at(utc_s);
  std::int64_t latest = utc_s + period.offset_s;
  // A period that ended longer ago than clocks can jump shows nothing later.
  while (period.begin_s > utc_s - kMostJumpS) {
    period = period_at(period.begin_s - 1);
    latest = std::max(latest, period.end_s - 1 + period.offset_s);
  }
  return latest;
}

TimeZone::Reached TimeZone::reach(std::int64_t local_s) const {
  Period period = period_at(local_s - kMostOffsetS);
  // Ends within two days' worth of periods: no offset is beyond kMostOffsetS.
  while (period.end_s != kMost && period.end_s - 1 + period.offset_s < local_s)
    period = period_at(period.end_s);
  const std::int64_t utc_s = std::max(period.begin_s, local_s - period.offset_s);
  if (utc_s + period.offset_s != local_s) return {utc_s, ClockShift::gap};
  return {utc_s, shown_again(local_s, period) ? ClockShift::fold : ClockShift::none};
}

bool TimeZone::shown_again(std::int64_t local_s, Period period) const {
  const std::int64_t first_s = local_s - period.offset_s;
  while (period.end_s != kMost && period.end_s < first_s + kMostJumpS) {
    period = period_at(period.end_s);
    const std::int64_t again_s = local_s - period.offset_s;
    if (again_s >= period.begin_s && again_s < period.end_s) return true;
  }
  return false;
}

}  // namespace duly
