// Cron against the reference: generated expressions, all kinds of zones, around the changes of their clocks.
//
// DULY_CRON_WIDE=N takes every zone: each change of its clocks from 1970 to 2037, and each N-th year whole.
// Name the test, and build with -O2: N = 8 then takes ten minutes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>

#include "tests/unit/common/model/cron_reference.h"

namespace duly::reference {
namespace {

constexpr std::size_t kSamples = 400;

struct Tally {
  std::int64_t expressions = 0;
  std::int64_t fires = 0;
  std::int64_t comparisons = 0;
  std::int64_t shifted = 0;
};

bool same(const std::optional<CronFire>& found, const CronFire& expected) {
  return found && found->at_ms == expected.at_ms && found->shift == expected.shift &&
         found->local == expected.local;
}

std::string show(const std::optional<CronFire>& fire) {
  if (!fire) return "never";
  return std::to_string(fire->at_ms) + " " + fire->local + " " +
         std::to_string(static_cast<int>(fire->shift));
}

// Throws what Catch shows, so that the many comparisons that hold cost nothing.
void expect(const std::optional<CronFire>& found, const CronFire& expected, const std::string& what,
            Tally& tally) {
  ++tally.comparisons;
  if (!same(found, expected)) FAIL(what << ": " << show(found) << " instead of " << show(expected));
}

// Both ways along the list, and from the middle of every step; of a long list where the clocks change, and
// samples.
void compare(const Cron& cron, const std::vector<CronFire>& expected, const std::string& what, Tally& tally) {
  const std::size_t stride = 1 + expected.size() / kSamples;
  for (std::size_t i = 1; i < expected.size(); ++i) {
    const CronFire& before = expected[i - 1];
    const CronFire& after = expected[i];
    if (i % stride != 0 && before.shift == ClockShift::none && after.shift == ClockShift::none) continue;
    const std::int64_t between_ms = before.at_ms + (after.at_ms - before.at_ms) / 2;
    expect(cron.next(before.at_ms), after, what + " next", tally);
    expect(cron.prev(after.at_ms), before, what + " prev", tally);
    expect(cron.next(between_ms), after, what + " next from between", tally);
    expect(cron.prev(between_ms + 1), before, what + " prev from between", tally);
    expect(cron.next(after.at_ms - 1), after, what + " next from just before", tally);
    expect(cron.prev(before.at_ms + 1), before, what + " prev from just after", tally);
  }
}

// A window without fires: nothing may be found well inside it.
void compare_empty(const Cron& cron, Day first, int days, const std::string& what, Tally& tally) {
  const std::int64_t begin_ms = (days_since_1970(first) + 2) * 86'400'000;
  const std::int64_t end_ms = begin_ms + (days - 4) * 86'400'000LL;
  const auto after = cron.next(begin_ms);
  const auto before = cron.prev(end_ms);
  tally.comparisons += 2;
  if (after && after->at_ms < end_ms) FAIL(what << ": " << show(after) << " instead of nothing");
  if (before && before->at_ms >= begin_ms) FAIL(what << ": " << show(before) << " instead of nothing");
}

void try_one(const date::time_zone* zone, Day first, int days, bool with_seconds, std::mt19937_64& draw,
             Tally& tally) {
  const Expression made = make_expression(draw, with_seconds);
  const std::string what = "'" + made.text + "' in " + zone->name();
  const auto cron = Cron::parse(made.text, zone->name(), "any");
  const auto expected = fires(made, zone, first, days);
  ++tally.expressions;
  tally.fires += static_cast<std::int64_t>(expected.size());
  tally.shifted += std::count_if(expected.begin(), expected.end(),
                                 [](const CronFire& fire) { return fire.shift != ClockShift::none; });
  if (!cron) {
    if (cron.error().what.find("no date fits") == std::string::npos || !expected.empty())
      FAIL(what << ": " << cron.error().what);
    return;
  }
  if (expected.empty() && days > 4) compare_empty(*cron, first, days, what, tally);
  compare(*cron, expected, what, tally);
}

// The day before a change of the clocks in that year, if there is one.
std::vector<Day> changes(const date::time_zone* zone, int year) {
  std::vector<Day> found;
  date::sys_seconds at = date::sys_days{date::year{year} / 1 / 1};
  const date::sys_seconds end = date::sys_days{date::year{year + 1} / 1 / 1};
  for (int i = 0; i < 20; ++i) {
    const auto next = zone->get_info(at).end;
    if (next >= end || next <= at) break;
    const date::year_month_day day{date::floor<date::days>(next) - date::days{2}};
    found.push_back({static_cast<int>(day.year()), static_cast<int>(static_cast<unsigned>(day.month())),
                     static_cast<int>(static_cast<unsigned>(day.day()))});
    at = next;
  }
  return found;
}

void report(const Tally& tally, std::size_t zones) {
  std::cout << zones << " zones, " << tally.expressions << " expressions, " << tally.fires << " fires ("
            << tally.shifted << " moved or doubled), " << tally.comparisons << " comparisons\n";
}

}  // namespace

TEST_CASE("around changes of the clocks, next and prev agree with a walk over every local second") {
  const std::vector<std::string> zones{
      "Europe/Berlin",     "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
      "America/Sao_Paulo", "Asia/Kathmandu",   "Europe/Dublin",       "America/St_Johns",
      "Africa/Cairo",      "Asia/Gaza",        "America/Nuuk",        "Antarctica/Troll",
      "Pacific/Chatham",   "America/Havana",   "Asia/Tehran",         "Pacific/Apia"};
  std::mt19937_64 draw(20'260'329);
  Tally tally;
  for (const std::string& name : zones) {
    const auto* zone = date::locate_zone(name);
    for (int round = 0; round < 3; ++round) {
      const int year = 1970 + static_cast<int>(draw() % 67);
      for (const Day day : changes(zone, year)) {
        for (int i = 0; i < 4; ++i) try_one(zone, day, 5, false, draw, tally);
      }
    }
    for (const Day day : changes(zone, 2010)) try_one(zone, day, 3, true, draw, tally);
  }
  CHECK(tally.shifted > 100);
  CHECK(tally.comparisons > 10'000);
}

TEST_CASE("over whole years, next and prev agree with a walk over every local minute") {
  std::mt19937_64 draw(7);
  Tally tally;
  for (int i = 0; i < 8; ++i) {
    const auto& zones = date::get_tzdb().zones;
    const auto& zone = zones[draw() % zones.size()];
    const int year = 1970 + static_cast<int>(draw() % 67);
    try_one(&zone, {year, 1, 1}, 366, false, draw, tally);
  }
  CHECK(tally.comparisons > 10'000);
}

TEST_CASE("every zone, every change of its clocks and whole years agree with the reference", "[.wide]") {
  const char* asked = std::getenv("DULY_CRON_WIDE");
  if (asked == nullptr) return;
  const int step = std::stoi(asked);
  std::mt19937_64 draw(1);
  Tally tally;
  const auto& zones = date::get_tzdb().zones;
  for (const auto& zone : zones) {
    for (int year = 1970; year <= 2037; ++year) {
      if ((year + static_cast<int>(draw() % 100)) % step == 0)
        try_one(&zone, {year, 1, 1}, 366, false, draw, tally);
      for (const Day day : changes(&zone, year)) {
        for (int i = 0; i < 2; ++i) try_one(&zone, day, 5, false, draw, tally);
        if (draw() % 8 == 0) try_one(&zone, day, 4, true, draw, tally);
      }
    }
  }
  report(tally, zones.size());
}

}  // namespace duly::reference
