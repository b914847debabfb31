// Reads cron expressions.  Whatever is refused is refused with the field and the piece of text at fault.
#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/model/cron_fields.h"
#include "common/model/limits.h"

namespace duly {
namespace {

struct FieldKind {
  std::string_view title;
  int low;
  int high;                // what may be written
  int last;                // where `*` and `a/n` end: 6 for days of the week, as 7 is 0 again
  int spread_last;         // where a bare `~` ends
  std::string_view names;  // of three letters each; the first stands for `low`
};

constexpr FieldKind kSecond{"second", 0, 59, 59, 59, ""};
constexpr FieldKind kMinute{"minute", 0, 59, 59, 59, ""};
constexpr FieldKind kHour{"hour", 0, 23, 23, 23, ""};
constexpr FieldKind kDay{"day of month", 1, 31, 31, 28, ""};
constexpr FieldKind kMonth{"month", 1, 12, 12, 12, "janfebmaraprmayjunjulaugsepoctnovdec"};
constexpr FieldKind kWeekday{"day of week", 0, 7, 6, 6, "sunmontuewedthufrisat"};

std::string lower(std::string_view text) {
  std::string small(text);
  for (char& c : small)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return small;
}

std::string quoted(std::string_view text) { return "'" + std::string(text) + "'"; }

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separators, bool keep_empty) {
  std::vector<std::string_view> parts;
  std::size_t at = 0;
  while (at <= text.size()) {
    const std::size_t end = std::min(text.find_first_of(separators, at), text.size());
    if (keep_empty || end > at) parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// One field, item by item; `seed` fixes its `~`.
class FieldReader {
 public:
  FieldReader(const FieldKind& kind, CronFields& fields, std::uint64_t seed)
      : kind_(kind), fields_(fields), seed_(seed) {}

  // Returns the set of plain numbers; `L`, `5L` and `MON#2` go to the fields directly.
  Result<std::uint64_t> read(std::string_view text) {
    for (const std::string_view item : split(text, ",", true)) {
      if (item.empty()) return wrong("has a comma with nothing beside it");
      auto status = read_item(item);
      if (!status) return status.error();
      seed_ = mix(seed_);
    }
    return set_;
  }

 private:
  [[nodiscard]] Error wrong(const std::string& what) const {
    return invalid("cron: " + std::string(kind_.title) + ": " + what);
  }

  Status read_item(std::string_view item) {
    if (&kind_ == &kDay && (item == "L" || item == "l")) {
      fields_.last_day = true;
      return ok_status();
    }
    if (&kind_ == &kWeekday && item.find('#') != item.npos) return read_nth(item);
    if (&kind_ == &kWeekday && item.size() > 1 && (item.back() == 'L' || item.back() == 'l'))
      return read_last(item);
    const std::size_t slash = item.find('/');
    const bool stepped = slash != item.npos;
    const auto step = stepped ? number(item.substr(slash + 1)) : 1;
    const int most = kind_.last - kind_.low + 1;
    if (!step || *step < 1 || *step > most)
      return wrong("the step of " + quoted(item) + " is not a number from 1 to " + std::to_string(most));
    const std::string_view range = item.substr(0, slash);
    if (range.find('~') != range.npos) return read_spread(range, *step, stepped);
    return read_range(range, *step, stepped);
  }

  Status read_range(std::string_view text, int step, bool stepped) {
    if (text == "*") return fill(kind_.low, kind_.last, step);
    const std::size_t dash = text.find('-');
    auto from = value(text.substr(0, dash));
    if (!from) return from.error();
    if (dash == text.npos) return fill(*from, stepped ? std::max(*from, kind_.last) : *from, step);
    auto to = value(text.substr(dash + 1));
    if (!to) return to.error();
    // Sunday may end a week as well as begin it.
    if (&kind_ == &kWeekday && *to == 0 && *from > 0) *to = 7;
    if (*from > *to)
      return wrong(quoted(text) + " runs backwards: write it as two ranges with a comma between");
    return fill(*from, *to, step);
  }

  // One number of the range, or with a step one of its first `step` numbers and then every `step`.
  Status read_spread(std::string_view text, int step, bool stepped) {
    const std::size_t tilde = text.find('~');
    Result<int> from = tilde == 0 ? kind_.low : value(text.substr(0, tilde));
    if (!from) return from.error();
    const bool open = tilde + 1 == text.size();
    Result<int> to = open ? (tilde == 0 ? kind_.spread_last : kind_.last) : value(text.substr(tilde + 1));
    if (!to) return to.error();
    if (*from > *to) return wrong(quoted(text) + " runs backwards");
    const int choices = stepped ? std::min(step, *to - *from + 1) : *to - *from + 1;
    const int first = *from + static_cast<int>(seed_ % static_cast<std::uint64_t>(choices));
    return fill(first, stepped ? *to : first, step);
  }

  Status read_nth(std::string_view item) {
    const std::size_t mark = item.find('#');
    auto weekday = value(item.substr(0, mark));
    if (!weekday) return weekday.error();
    const auto nth = number(item.substr(mark + 1));
    if (!nth || *nth < 1 || *nth > 5)
      return wrong("after the # of " + quoted(item) + " stands no number from 1 to 5");
    fields_.nth_weekdays[static_cast<std::size_t>(*nth - 1)] |= 1ULL << (*weekday % 7);
    return ok_status();
  }

  Status read_last(std::string_view item) {
    auto weekday = value(item.substr(0, item.size() - 1));
    if (!weekday) return weekday.error();
    fields_.last_weekdays |= 1ULL << (*weekday % 7);
    return ok_status();
  }

  Result<int> value(std::string_view text) const {
    for (std::size_t at = 0; text.size() == 3 && at < kind_.names.size(); at += 3)
      if (kind_.names.substr(at, 3) == lower(text)) return kind_.low + static_cast<int>(at / 3);
    const auto found = number(text);
    if (found && *found >= kind_.low && *found <= kind_.high) return *found;
    return wrong(quoted(text) + " is not " + (kind_.names.empty() ? "" : "a name or ") + "a number from " +
                 std::to_string(kind_.low) + " to " + std::to_string(kind_.high));
  }

  Status fill(int from, int to, int step) {
    for (int n = from; n <= to; n += step) set_ |= 1ULL << n;
    if (&kind_ == &kWeekday && (set_ & 1ULL << 7) != 0) set_ = (set_ | 1) & ~(1ULL << 7);
    return ok_status();
  }

  const FieldKind& kind_;
  CronFields& fields_;
  std::uint64_t seed_;
  std::uint64_t set_ = 0;
};

Result<std::string_view> expand_macro(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kMacros{{{"@yearly", "0 0 1 1 *"},
                                                                                  {"@annually", "0 0 1 1 *"},
                                                                                  {"@monthly", "0 0 1 * *"},
                                                                                  {"@weekly", "0 0 * * 0"},
                                                                                  {"@daily", "0 0 * * *"},
                                                                                  {"@midnight", "0 0 * * *"},
                                                                                  {"@hourly", "0 * * * *"}}};
  const std::string asked = lower(text);
  for (const auto& [name, fields] : kMacros)
    if (asked == name) return fields;
  if (asked == "@reboot") return invalid("cron: '@reboot' names no time: there is no boot to wait for");
  if (asked.rfind("@every", 0) == 0) return invalid("cron: '@every' is written as every_ms");
  return invalid("cron: " + quoted(text) +
                 " is not one of @yearly @annually @monthly @weekly @daily @midnight @hourly");
}

Status read_fields(const std::vector<std::string_view>& texts, std::uint64_t seed, CronFields& fields) {
  const std::array<std::pair<const FieldKind*, std::uint64_t*>, 6> all{{{&kSecond, &fields.seconds},
                                                                        {&kMinute, &fields.minutes},
                                                                        {&kHour, &fields.hours},
                                                                        {&kDay, &fields.days},
                                                                        {&kMonth, &fields.months},
                                                                        {&kWeekday, &fields.weekdays}}};
  const std::size_t absent = all.size() - texts.size();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto& [kind, set] = all[i + absent];
    // Each field its own seed, the same with seconds and without.
    auto found = FieldReader(*kind, fields, mix(seed + i + absent)).read(texts[i]);
    if (!found) return found.error();
    *set = *found;
  }
  fields.any_day = texts[texts.size() - 3].front() == '*';
  fields.any_weekday = texts.back().front() == '*';
  return ok_status();
}

}  // namespace

Result<CronFields> parse_cron_fields(std::string_view expression, std::string_view name) {
  if (expression.size() > limits::kCronBytes)
    return invalid("cron: longer than " + std::to_string(limits::kCronBytes) + " bytes");
  auto texts = split(expression, " \t", false);
  if (texts.size() == 1 && texts[0].front() == '@') {
    auto expanded = expand_macro(texts[0]);
    if (!expanded) return expanded.error();
    texts = split(*expanded, " ", false);
  }
  if (texts.size() != 5 && texts.size() != 6)
    return invalid(
        "cron: " + std::to_string(texts.size()) +
        " fields; there are 5 (minute, hour, day of month, month, day of week) or 6 with seconds in front");
  CronFields fields;
  auto status = read_fields(texts, stable_hash(name), fields);
  if (!status) return status.error();
  // Any year will do as the start: the search goes once around the calendar.
  if (!fields.first_from(0)) {
    const std::size_t day = texts.size() - 3;
    return invalid("cron: no date fits day of month " + quoted(texts[day]) + ", month " +
                   quoted(texts[day + 1]) + " and day of week " + quoted(texts[day + 2]));
  }
  return fields;
}

}  // namespace duly
