#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/cron.h"

namespace duly {
namespace {

struct Expected {
  std::string at;  // UTC, to the minute
  ClockShift shift;
  std::string local;
};

struct ZoneRow {
  std::string zone;
  std::string expression;
  std::string after;
  std::vector<Expected> fires;
};

constexpr ClockShift kNone = ClockShift::none;
constexpr ClockShift kGap = ClockShift::gap;
constexpr ClockShift kFold = ClockShift::fold;

void check_fire(const std::optional<CronFire>& fire, const Expected& expected) {
  REQUIRE(fire);
  CHECK(format_instant(fire->at_ms).substr(0, 16) == expected.at);
  CHECK(fire->shift == expected.shift);
  CHECK(fire->local.substr(0, 16) == expected.local);
}

// Forwards through the fires, and back again.
void check_zones(const std::vector<ZoneRow>& table) {
  for (const ZoneRow& row : table) {
    INFO(row.zone << " " << row.expression);
    const auto cron = Cron::parse(row.expression, row.zone, "any");
    REQUIRE(cron.ok());
    std::int64_t at = parse_instant(row.after).value();
    for (const Expected& expected : row.fires) {
      const auto fire = cron->next(at);
      check_fire(fire, expected);
      at = fire->at_ms;
    }
    ++at;
    for (auto expected = row.fires.rbegin(); expected != row.fires.rend(); ++expected) {
      const auto fire = cron->prev(at);
      check_fire(fire, *expected);
      at = fire->at_ms;
    }
  }
}

}  // namespace

TEST_CASE("in a gap of the clocks a fire moves to its end, and all of them are one") {
  check_zones({
      {"Europe/Berlin",
       "30 2 * * *",
       "2026-03-28T12:00:00Z",
       {{"2026-03-29T01:00", kGap, "2026-03-29T02:30"}, {"2026-03-30T00:30", kNone, "2026-03-30T02:30"}}},
      {"Europe/Berlin",
       "*/20 * * * *",
       "2026-03-29T00:30:00Z",
       {{"2026-03-29T00:40", kNone, "2026-03-29T01:40"},
        {"2026-03-29T01:00", kGap, "2026-03-29T02:00"},
        {"2026-03-29T01:20", kNone, "2026-03-29T03:20"}}},
      {"Europe/Berlin",
       "0 3 * * *",
       "2026-03-28T12:00:00Z",
       {{"2026-03-29T01:00", kNone, "2026-03-29T03:00"}}},
      {"America/New_York",
       "15,45 2 * * *",
       "2026-03-07T12:00:00Z",
       {{"2026-03-08T07:00", kGap, "2026-03-08T02:15"}, {"2026-03-09T06:15", kNone, "2026-03-09T02:15"}}},
      // Half an hour: 02:00 to 02:30.
      {"Australia/Lord_Howe",
       "*/15 2 * * *",
       "2026-10-03T12:00:00Z",
       {{"2026-10-03T15:30", kGap, "2026-10-04T02:00"}, {"2026-10-03T15:45", kNone, "2026-10-04T02:45"}}},
      // At midnight: the day begins at one o'clock.
      {"America/Sao_Paulo",
       "0 0 * * *",
       "2018-11-03T12:00:00Z",
       {{"2018-11-04T03:00", kGap, "2018-11-04T00:00"}, {"2018-11-05T02:00", kNone, "2018-11-05T00:00"}}},
      // A whole day that never was: 30 December 2011.
      {"Pacific/Apia",
       "0 8,20 * * *",
       "2011-12-29T12:00:00Z",
       {{"2011-12-29T18:00", kNone, "2011-12-29T08:00"},
        {"2011-12-30T06:00", kNone, "2011-12-29T20:00"},
        {"2011-12-30T10:00", kGap, "2011-12-30T08:00"},
        {"2011-12-30T18:00", kNone, "2011-12-31T08:00"}}},
      // The end of Ramadan, from the database's list.
      {"Africa/Casablanca",
       "30 2 * * *",
       "2026-03-21T12:00:00Z",
       {{"2026-03-22T02:00", kGap, "2026-03-22T02:30"}, {"2026-03-23T01:30", kNone, "2026-03-23T02:30"}}},
  });
}

TEST_CASE("where the clocks go through an hour again, the first pass fires and the second does not") {
  check_zones({
      {"Europe/Berlin",
       "30 2 * * *",
       "2026-10-24T12:00:00Z",
       {{"2026-10-25T00:30", kFold, "2026-10-25T02:30"}, {"2026-10-26T01:30", kNone, "2026-10-26T02:30"}}},
      {"Europe/Berlin",
       "*/30 * * * *",
       "2026-10-24T23:30:00Z",
       {{"2026-10-25T00:00", kFold, "2026-10-25T02:00"},
        {"2026-10-25T00:30", kFold, "2026-10-25T02:30"},
        {"2026-10-25T02:00", kNone, "2026-10-25T03:00"}}},
      {"America/New_York",
       "0 1 * * *",
       "2026-10-31T12:00:00Z",
       {{"2026-11-01T05:00", kFold, "2026-11-01T01:00"}, {"2026-11-02T06:00", kNone, "2026-11-02T01:00"}}},
      {"Australia/Lord_Howe",
       "*/15 1 * * *",
       "2026-04-04T12:00:00Z",
       {{"2026-04-04T14:00", kNone, "2026-04-05T01:00"},
        {"2026-04-04T14:15", kNone, "2026-04-05T01:15"},
        {"2026-04-04T14:30", kFold, "2026-04-05T01:30"},
        {"2026-04-04T14:45", kFold, "2026-04-05T01:45"},
        {"2026-04-05T14:30", kNone, "2026-04-06T01:00"}}},
      // At midnight: 23:00 to 24:00 comes twice, midnight once.
      {"America/Sao_Paulo",
       "30 23 * * *",
       "2018-02-17T12:00:00Z",
       {{"2018-02-18T01:30", kFold, "2018-02-17T23:30"}, {"2018-02-19T02:30", kNone, "2018-02-18T23:30"}}},
      {"America/Sao_Paulo",
       "0 0 * * *",
       "2018-02-17T12:00:00Z",
       {{"2018-02-18T03:00", kNone, "2018-02-18T00:00"}}},
  });
}

TEST_CASE("a change of the name alone is no change of the clocks") {
  check_zones({
      // Summer time became standard time for good on the 25th: two hours ahead before and after.
      {"Africa/Tripoli",
       "0 8 * * *",
       "2013-10-23T12:00:00Z",
       {{"2013-10-24T06:00", kNone, "2013-10-24T08:00"}, {"2013-10-25T06:00", kNone, "2013-10-25T08:00"}}},
  });
}

TEST_CASE("summer time goes on after the last change that the database lists") {
  check_zones({
      {"Europe/Berlin",
       "30 2 * * *",
       "2061-03-26T12:00:00Z",
       {{"2061-03-27T01:00", kGap, "2061-03-27T02:30"}, {"2061-03-28T00:30", kNone, "2061-03-28T02:30"}}},
      {"America/New_York",
       "0 1 * * *",
       "2100-11-06T12:00:00Z",
       {{"2100-11-07T05:00", kFold, "2100-11-07T01:00"}}},
      {"Europe/Dublin",
       "30 1 * * *",
       "2050-10-29T12:00:00Z",
       {{"2050-10-30T00:30", kFold, "2050-10-30T01:30"}}},
      {"Asia/Jerusalem",
       "30 2 * * *",
       "2050-03-24T12:00:00Z",
       {{"2050-03-25T00:00", kGap, "2050-03-25T02:30"}}},
  });
}

TEST_CASE("an offset of quarters of an hour, and one of before there were zones") {
  check_zones({
      {"Asia/Kathmandu",
       "0 0 * * *",
       "2026-11-21T00:00:00Z",
       {{"2026-11-21T18:15", kNone, "2026-11-22T00:00"}}},
      {"Asia/Kathmandu",
       "0 0 * * *",
       "1985-12-31T00:00:00Z",
       {{"1985-12-31T18:30", kGap, "1986-01-01T00:00"}, {"1986-01-01T18:15", kNone, "1986-01-02T00:00"}}},
      {"Europe/Paris",
       "0 0 12 * * *",
       "1850-01-01T12:00:00Z",
       {{"1850-01-02T11:50", kNone, "1850-01-02T12:00"}}},
  });
}

TEST_CASE("a zone is one that the database has, and nothing outside it") {
  for (const char* name :
       {"UTC", "Europe/Berlin", "EST5EDT", "Etc/GMT+12", "America/Argentina/Buenos_Aires", "CET"})
    CHECK(known_time_zone(name));
  for (const char* name :
       {"", "Europe", "Europe/", "/Europe/Berlin", "Europe//Berlin", "Europe/Atlantis", "europe/berlin",
        "../zoneinfo/Europe/Berlin", "Europe/../Europe/Berlin", "/usr/share/zoneinfo/Europe/Berlin",
        "right/Europe/Berlin", "tzdata.zi", "leapseconds", "Europe/Berlin ", "+02:00"})
    CHECK_FALSE(known_time_zone(name));
  CHECK_FALSE(known_time_zone(std::string("UTC\0", 4)));
  CHECK_FALSE(known_time_zone(std::string(100'000, 'a')));
}

TEST_CASE("what is wrong with a zone is said") {
  const auto error = [](const std::string& zone) { return Cron::parse("@daily", zone, "any").error().what; };
  CHECK(error("Europe/Atlantis") ==
        "time_zone: 'Europe/Atlantis' is not in the time zone database: give a name such as Europe/Berlin or "
        "UTC");
  CHECK(error("+02:00") ==
        "time_zone: '+02:00' is an offset, not a zone: give a name such as Europe/Berlin or Etc/GMT-2");
  CHECK(error(std::string(65, 'x')) == "time_zone: longer than 64 bytes");
}

}  // namespace duly
