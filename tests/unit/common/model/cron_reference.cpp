#include "tests/unit/common/model/cron_reference.h"

#include <cstdio>

namespace duly::reference {
namespace {

bool leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int length(int year, int month) {
  constexpr std::array<int, 13> kDays{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[static_cast<std::size_t>(month)] + (month == 2 && leap(year) ? 1 : 0);
}

Day tomorrow(Day date) {
  if (date.day < length(date.year, date.month)) return {date.year, date.month, date.day + 1};
  if (date.month < 12) return {date.year, date.month + 1, 1};
  return {date.year + 1, 1, 1};
}

int pick(std::mt19937_64& draw, int low, int high) {
  return low + static_cast<int>(draw() % static_cast<std::uint64_t>(high - low + 1));
}

std::string shown(std::mt19937_64& draw, int number, const std::vector<std::string>& names, int low) {
  const auto index = static_cast<std::size_t>(number - low);
  if (index < names.size() && pick(draw, 0, 2) == 0) return names[index];
  return std::to_string(number);
}

// A number, a range, a range or a star with a step, or a number with one; marks what it means.
template <class Marks>
std::string make_item(std::mt19937_64& draw, Marks& marks, int low, int high,
                      const std::vector<std::string>& names) {
  int from = pick(draw, low, high);
  int to = from;
  int step = 1;
  std::string text = shown(draw, from, names, low);
  const int kind = pick(draw, 0, 5);
  if (kind == 2 || kind == 3) {
    to = pick(draw, from, high);
    text += "-" + shown(draw, to, names, low);
  } else if (kind == 4) {
    text = "*";
    from = low;
    to = high;
  } else if (kind == 5) {
    to = high;
  }
  if (kind >= 3) {
    step = pick(draw, 1, (high - low + 1) / 2);
    text += "/" + std::to_string(step);
  }
  for (int n = from; n <= to; n += step) marks[static_cast<std::size_t>(n)] = true;
  return text;
}

template <class Marks>
std::string make_field(std::mt19937_64& draw, Marks& marks, int low, int high, int star_chance,
                       const std::vector<std::string>& names = {}) {
  if (pick(draw, 0, 99) < star_chance) {
    for (int n = low; n <= high; ++n) marks[static_cast<std::size_t>(n)] = true;
    return "*";
  }
  std::string text = make_item(draw, marks, low, high, names);
  for (int more = pick(draw, 0, 3); more > 1; --more) text += "," + make_item(draw, marks, low, high, names);
  return text;
}

std::string make_day(std::mt19937_64& draw, Expression& made) {
  std::string text = make_field(draw, made.day, 1, 31, 50);
  made.day_star = text[0] == '*';
  if (pick(draw, 0, 5) > 0) return text;
  made.last_day = true;
  if (pick(draw, 0, 1) == 0) return text + ",L";
  made.day.fill(false);
  made.day_star = false;
  return "L";
}

std::string make_weekday(std::mt19937_64& draw, Expression& made) {
  const std::vector<std::string> names{"Sun", "mon", "TUE", "wed", "Thu", "fri", "SAT"};
  std::string text = make_field(draw, made.weekday, 0, 6, 50, names);
  made.weekday_star = text[0] == '*';
  const int kind = pick(draw, 0, 9);
  if (kind > 2) return text;
  const int weekday = pick(draw, 0, 7);
  const auto index = static_cast<std::size_t>(weekday);
  text += "," + shown(draw, weekday, names, 0);
  if (kind == 0) {
    const int nth = pick(draw, 1, 5);
    made.nth_weekday[index][static_cast<std::size_t>(nth)] = true;
    return text + "#" + std::to_string(nth);
  }
  if (kind == 1) {
    made.last_weekday[index] = true;
    return text + "L";
  }
  made.weekday[index] = true;
  return text;
}

std::string show(Day date, int second_of_day) {
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", date.year, date.month, date.day,
                second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
  return text;
}

CronFire fire_at(const date::time_zone* zone, std::int64_t local_s, std::string local) {
  const auto info = zone->get_info(date::local_seconds{std::chrono::seconds{local_s}});
  if (info.result == date::local_info::nonexistent)
    return {info.first.end.time_since_epoch().count() * 1000, ClockShift::gap, std::move(local)};
  const std::int64_t at_ms = (local_s - info.first.offset.count()) * 1000;
  const bool twice = info.result == date::local_info::ambiguous;
  return {at_ms, twice ? ClockShift::fold : ClockShift::none, std::move(local)};
}

void walk_day(const Expression& made, const date::time_zone* zone, Day date, std::vector<CronFire>& found) {
  const std::int64_t midnight_s = days_since_1970(date) * 86'400;
  for (int second = 0; second < 86'400; second += made.with_seconds ? 1 : 60) {
    if (!made.second[static_cast<std::size_t>(second % 60)]) continue;
    if (!made.minute[static_cast<std::size_t>(second / 60 % 60)]) continue;
    if (!made.hour[static_cast<std::size_t>(second / 3600)]) continue;
    CronFire fire = fire_at(zone, midnight_s + second, show(date, second));
    if (found.empty() || found.back().at_ms != fire.at_ms) found.push_back(std::move(fire));
  }
}

}  // namespace

std::int64_t days_since_1970(Day day) {
  std::int64_t days = day.day - 1;
  for (int year = 1970; year < day.year; ++year) days += leap(year) ? 366 : 365;
  for (int year = day.year; year < 1970; ++year) days -= leap(year) ? 366 : 365;
  for (int month = 1; month < day.month; ++month) days += length(day.year, month);
  return days;
}

bool Expression::fits(Day date, int weekday_of_it) const {
  if (!month[static_cast<std::size_t>(date.month)]) return false;
  const bool by_day = day[static_cast<std::size_t>(date.day)] || (last_day && tomorrow(date).day == 1);
  bool by_weekday = false;
  for (int alias = weekday_of_it; alias <= 7; alias += 7) {
    const auto index = static_cast<std::size_t>(alias);
    by_weekday = by_weekday || weekday[index] ||
                 nth_weekday[index][static_cast<std::size_t>((date.day - 1) / 7 + 1)] ||
                 (last_weekday[index] && date.day > length(date.year, date.month) - 7);
  }
  return day_star || weekday_star ? by_day && by_weekday : by_day || by_weekday;
}

Expression make_expression(std::mt19937_64& draw, bool with_seconds) {
  const std::vector<std::string> months{"jan", "FEB", "Mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "DEC"};
  Expression made;
  made.with_seconds = with_seconds;
  made.second[0] = true;
  if (with_seconds) {
    made.second[0] = false;
    made.text = make_field(draw, made.second, 0, 59, 10) + " ";
  }
  made.text += make_field(draw, made.minute, 0, 59, 20) + " ";
  made.text += make_field(draw, made.hour, 0, 23, 30) + "\t";
  made.text += make_day(draw, made) + " ";
  made.text += make_field(draw, made.month, 1, 12, 70, months) + "  ";
  made.text += make_weekday(draw, made);
  return made;
}

std::vector<CronFire> fires(const Expression& expression, const date::time_zone* zone, Day first, int days) {
  std::vector<CronFire> found;
  Day date = first;
  for (int i = 0; i < days; ++i, date = tomorrow(date)) {
    // 1970-01-01 was a Thursday.
    const auto weekday = static_cast<int>(((days_since_1970(date) + 4) % 7 + 7) % 7);
    if (expression.fits(date, weekday)) walk_day(expression, zone, date, found);
  }
  return found;
}

}  // namespace duly::reference
