#include "common/model/cron.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace duly {
namespace {

std::int64_t instant(const std::string& text) { return parse_instant(text).value(); }

Cron utc(const std::string& expression) {
  auto cron = Cron::parse(expression, "UTC", "nightly");
  INFO(expression << ": " << (cron ? "" : cron.error().what));
  REQUIRE(cron.ok());
  return *cron;
}

// The next fires, without their milliseconds.
std::vector<std::string> fires(const Cron& cron, const std::string& after, std::size_t count) {
  std::vector<std::string> found;
  std::int64_t at = instant(after);
  for (std::size_t i = 0; i < count; ++i) {
    const auto fire = cron.next(at);
    if (!fire) break;
    at = fire->at_ms;
    found.push_back(format_instant(at).substr(0, 19));
  }
  return found;
}

std::string error_of(const std::string& expression) {
  const auto cron = Cron::parse(expression, "UTC", "nightly");
  return cron ? "no error" : cron.error().what;
}

struct Row {
  std::string expression;
  std::string after;
  std::vector<std::string> expected;
};

void check(const std::vector<Row>& table) {
  for (const Row& row : table) {
    INFO(row.expression);
    CHECK(fires(utc(row.expression), row.after, row.expected.size()) == row.expected);
  }
}

}  // namespace

TEST_CASE("an expression names these instants") {
  check({
      {"* * * * *", "2026-11-21T09:00:00Z", {"2026-11-21T09:01:00", "2026-11-21T09:02:00"}},
      {"* * * * * *", "2026-12-31T23:59:58.001Z", {"2026-12-31T23:59:59", "2027-01-01T00:00:00"}},
      {"*/15 9-10 * * *", "2026-11-21T10:30:00Z", {"2026-11-21T10:45:00", "2026-11-22T09:00:00"}},
      {"0 30 8 * * *", "2026-11-21T08:30:00Z", {"2026-11-22T08:30:00"}},
      {"5,10-12,50-59/5 3 * * *",
       "2026-11-21T03:05:00Z",
       {"2026-11-21T03:10:00", "2026-11-21T03:11:00", "2026-11-21T03:12:00", "2026-11-21T03:50:00",
        "2026-11-21T03:55:00", "2026-11-22T03:05:00"}},
      {"50/4 * * * *",
       "2026-11-21T00:00:00Z",
       {"2026-11-21T00:50:00", "2026-11-21T00:54:00", "2026-11-21T00:58:00"}},
      {"0 0 1 JAN,jul *", "2026-11-21T00:00:00Z", {"2027-01-01T00:00:00", "2027-07-01T00:00:00"}},
      {"0 0 1 oct-DEC *", "2026-11-21T00:00:00Z", {"2026-12-01T00:00:00", "2027-10-01T00:00:00"}},
      {"0 9 * * MON-fri", "2026-11-20T09:00:00Z", {"2026-11-23T09:00:00", "2026-11-24T09:00:00"}},
      {"0 9 * * 0", "2026-11-21T09:00:00Z", {"2026-11-22T09:00:00", "2026-11-29T09:00:00"}},
      {"0 9 * * 7", "2026-11-21T09:00:00Z", {"2026-11-22T09:00:00", "2026-11-29T09:00:00"}},
      {"0 9 * * FRI-SUN", "2026-11-21T09:00:00Z", {"2026-11-22T09:00:00", "2026-11-27T09:00:00"}},
      {"0 9 * * 5-7", "2026-11-21T09:00:00Z", {"2026-11-22T09:00:00", "2026-11-27T09:00:00"}},
      {"0 0 29 2 *", "2096-02-29T00:00:00Z", {"2104-02-29T00:00:00", "2108-02-29T00:00:00"}},
      {"0 0 29 2 */7",
       "2032-03-01T00:00:00Z",
       {"2060-02-29T00:00:00", "2088-02-29T00:00:00", "2128-02-29T00:00:00"}},
      {"0 0 31 * *",
       "2026-11-21T00:00:00Z",
       {"2026-12-31T00:00:00", "2027-01-31T00:00:00", "2027-03-31T00:00:00"}},
      {" \t0 12  *\t* * ", "2026-11-21T12:00:00Z", {"2026-11-22T12:00:00"}},
      {"*/60 */24 * * *", "2026-11-21T00:00:00Z", {"2026-11-22T00:00:00"}},
  });
}

TEST_CASE("the last day, the last weekday and the nth weekday of a month") {
  check({
      {"0 0 L * *",
       "2028-01-31T00:00:00Z",
       {"2028-02-29T00:00:00", "2028-03-31T00:00:00", "2028-04-30T00:00:00"}},
      {"0 0 15,l 2 *", "2027-01-01T00:00:00Z", {"2027-02-15T00:00:00", "2027-02-28T00:00:00"}},
      {"0 0 * * 5L",
       "2026-11-21T00:00:00Z",
       {"2026-11-27T00:00:00", "2026-12-25T00:00:00", "2027-01-29T00:00:00"}},
      {"0 0 * * 5L", "2026-07-01T00:00:00Z", {"2026-07-31T00:00:00"}},  // a Friday is the last day
      {"0 0 * * friL", "2026-11-21T00:00:00Z", {"2026-11-27T00:00:00"}},
      {"0 0 * * 7L", "2026-11-21T00:00:00Z", {"2026-11-29T00:00:00"}},
      {"0 0 * * MON#2", "2026-11-21T00:00:00Z", {"2026-12-14T00:00:00", "2027-01-11T00:00:00"}},
      {"0 0 * * 0#1,7#5", "2026-11-01T00:00:00Z", {"2026-11-29T00:00:00", "2026-12-06T00:00:00"}},
      {"0 0 * 2 MON#5", "2026-01-01T00:00:00Z", {"2044-02-29T00:00:00"}},
      {"0 0 13 * FRI#3", "2026-11-21T00:00:00Z", {"2026-12-13T00:00:00", "2026-12-18T00:00:00"}},
  });
}

TEST_CASE("a macro is its five fields") {
  check({
      {"@yearly", "2026-11-21T09:30:00Z", {"2027-01-01T00:00:00", "2028-01-01T00:00:00"}},
      {"@annually", "2026-11-21T09:30:00Z", {"2027-01-01T00:00:00"}},
      {"@monthly", "2026-11-21T09:30:00Z", {"2026-12-01T00:00:00"}},
      {"@weekly", "2026-11-21T09:30:00Z", {"2026-11-22T00:00:00"}},
      {"@daily", "2026-11-21T09:30:00Z", {"2026-11-22T00:00:00"}},
      {"@Midnight", "2026-11-21T09:30:00Z", {"2026-11-22T00:00:00"}},
      {" @hourly ", "2026-11-21T09:30:00Z", {"2026-11-21T10:00:00", "2026-11-21T11:00:00"}},
  });
}

// The rule of Debian's crontab(5).
TEST_CASE("day of month and day of week go together as in Debian's cron") {
  check({
      // Both restricted: either will do.
      {"0 0 13 * 5",
       "2026-11-01T00:00:00Z",
       {"2026-11-06T00:00:00", "2026-11-13T00:00:00", "2026-11-20T00:00:00"}},
      {"0 0 1,15 * 3",
       "2026-11-01T00:00:00Z",
       {"2026-11-04T00:00:00", "2026-11-11T00:00:00", "2026-11-15T00:00:00"}},
      {"0 0 1-31 * 5", "2026-11-01T00:00:00Z", {"2026-11-02T00:00:00", "2026-11-03T00:00:00"}},
      {"0 0 31 2 1", "2026-11-01T00:00:00Z", {"2027-02-01T00:00:00", "2027-02-08T00:00:00"}},
      // A field that begins with a star is no restriction of its own: both must fit.
      {"0 0 * * 5", "2026-11-01T00:00:00Z", {"2026-11-06T00:00:00", "2026-11-13T00:00:00"}},
      {"0 0 */10 * 0",
       "2026-11-01T00:00:00Z",
       {"2027-01-31T00:00:00", "2027-02-21T00:00:00", "2027-03-21T00:00:00"}},
      {"0 0 13 * */5",
       "2026-01-01T00:00:00Z",
       {"2026-02-13T00:00:00", "2026-03-13T00:00:00", "2026-09-13T00:00:00"}},
      {"0 0 *,1 * 5", "2026-11-01T00:00:00Z", {"2026-11-06T00:00:00", "2026-11-13T00:00:00"}},
      // One that only contains a star is restricted, though it leaves nothing out.
      {"0 0 1,* * 5", "2026-11-01T00:00:00Z", {"2026-11-02T00:00:00", "2026-11-03T00:00:00"}},
      {"0 0 1 * 1,*", "2026-11-01T00:00:00Z", {"2026-11-02T00:00:00", "2026-11-03T00:00:00"}},
  });
}

TEST_CASE("what is wrong with an expression is said with its field") {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"",
       "cron: 0 fields; there are 5 (minute, hour, day of month, month, day of week) or 6 with seconds in "
       "front"},
      {"* * * *",
       "cron: 4 fields; there are 5 (minute, hour, day of month, month, day of week) or 6 with seconds in "
       "front"},
      {"* * * * * * *",
       "cron: 7 fields; there are 5 (minute, hour, day of month, month, day of week) or 6 with seconds in "
       "front"},
      {"60 * * * *", "cron: minute: '60' is not a number from 0 to 59"},
      {"60 * * * * *", "cron: second: '60' is not a number from 0 to 59"},
      {"* 24 * * *", "cron: hour: '24' is not a number from 0 to 23"},
      {"* * 0 * *", "cron: day of month: '0' is not a number from 1 to 31"},
      {"* * 1-32 * *", "cron: day of month: '32' is not a number from 1 to 31"},
      {"* * * 13 *", "cron: month: '13' is not a name or a number from 1 to 12"},
      {"* * * januar *", "cron: month: 'januar' is not a name or a number from 1 to 12"},
      {"* * * * 8", "cron: day of week: '8' is not a name or a number from 0 to 7"},
      {"* * * * FRI-MON",
       "cron: day of week: 'FRI-MON' runs backwards: write it as two ranges with a comma between"},
      {"30-10 * * * *", "cron: minute: '30-10' runs backwards: write it as two ranges with a comma between"},
      {"30~10 * * * *", "cron: minute: '30~10' runs backwards"},
      {"*/0 * * * *", "cron: minute: the step of '*/0' is not a number from 1 to 60"},
      {"*/61 * * * *", "cron: minute: the step of '*/61' is not a number from 1 to 60"},
      {"*/ * * * *", "cron: minute: the step of '*/' is not a number from 1 to 60"},
      {"1/2/3 * * * *", "cron: minute: the step of '1/2/3' is not a number from 1 to 60"},
      {"1,,2 * * * *", "cron: minute: has a comma with nothing beside it"},
      {", * * * *", "cron: minute: has a comma with nothing beside it"},
      {"1- * * * *", "cron: minute: '' is not a number from 0 to 59"},
      {"-1 * * * *", "cron: minute: '' is not a number from 0 to 59"},
      {"+1 * * * *", "cron: minute: '+1' is not a number from 0 to 59"},
      {"99999999999 * * * *", "cron: minute: '99999999999' is not a number from 0 to 59"},
      {"? * * * *", "cron: minute: '?' is not a number from 0 to 59"},
      {"* * L-3 * *", "cron: day of month: 'L' is not a number from 1 to 31"},
      {"* * * * L", "cron: day of week: 'L' is not a name or a number from 0 to 7"},
      {"* * * * MON#6", "cron: day of week: after the # of 'MON#6' stands no number from 1 to 5"},
      {"* * * * #1", "cron: day of week: '' is not a name or a number from 0 to 7"},
      {"0 0 30 2 *", "cron: no date fits day of month '30', month '2' and day of week '*'"},
      {"0 0 31 4,6 *", "cron: no date fits day of month '31', month '4,6' and day of week '*'"},
      {"0 0 */31 * MON#2", "cron: no date fits day of month '*/31', month '*' and day of week 'MON#2'"},
      {"@reboot", "cron: '@reboot' names no time: there is no boot to wait for"},
      {"@every", "cron: '@every' is written as every_ms"},
      {"@fortnightly",
       "cron: '@fortnightly' is not one of @yearly @annually @monthly @weekly @daily @midnight @hourly"},
      {std::string(1025, '*'), "cron: longer than 1024 bytes"},
  };
  for (const auto& [expression, what] : table) {
    INFO(expression);
    CHECK(error_of(expression) == what);
  }
}

TEST_CASE("what a name spreads stays where it is, and names go to different places") {
  std::set<std::string> places;
  for (int i = 0; i < 300; ++i) {
    const std::string name = "job-" + std::to_string(i);
    const auto cron = Cron::parse("~ ~ ~ * *", "UTC", name);
    REQUIRE(cron.ok());
    const auto found = fires(*cron, "2026-01-01T00:00:00Z", 12);
    CHECK(found == fires(*Cron::parse("~ ~ ~ * *", "UTC", name), "2026-01-01T00:00:00Z", 12));
    CHECK(found[1].substr(5, 2) ==
          (found[0].substr(5, 2) == "01" ? "02" : "03"));  // every month has that day
    places.insert(found[0]);
  }
  CHECK(places.size() > 290);
  // Fixed for ever: a schedule must not move when the server is upgraded.
  check({{"~ ~ ~ ~ ~", "2026-01-01T00:00:00Z", {"2026-11-05T03:28:00"}}});
}

TEST_CASE("a spread stays in its range and keeps its step") {
  for (int i = 0; i < 200; ++i) {
    const auto in_range = Cron::parse("10~12 * * * *", "UTC", std::to_string(i));
    const auto minute = std::stoi(fires(*in_range, "2026-01-01T00:00:00Z", 1)[0].substr(14, 2));
    CHECK((minute >= 10 && minute <= 12));
    const auto stepped =
        fires(*Cron::parse("~/20 5 * * *", "UTC", std::to_string(i)), "2026-01-01T00:00:00Z", 4);
    const int first = std::stoi(stepped[0].substr(14, 2));
    CHECK(first < 20);
    CHECK(std::stoi(stepped[1].substr(14, 2)) == first + 20);
    CHECK(std::stoi(stepped[2].substr(14, 2)) == first + 40);
    CHECK(stepped[3].substr(0, 10) == "2026-01-02");
  }
}

TEST_CASE("before the first and after the last instant that can be shown there is nothing") {
  const Cron daily = utc("@daily");
  CHECK(daily.next(instant("9999-12-30T00:00:00Z"))->at_ms == instant("9999-12-31T00:00:00Z"));
  CHECK_FALSE(daily.next(instant("9999-12-31T00:00:00Z")));
  CHECK_FALSE(daily.next(INT64_MAX));
  CHECK(daily.prev(INT64_MAX)->at_ms == instant("9999-12-31T00:00:00Z"));
  CHECK(daily.prev(instant("0001-01-01T00:00:00.001Z"))->at_ms == instant("0001-01-01T00:00:00Z"));
  CHECK_FALSE(daily.prev(instant("0001-01-01T00:00:00Z")));
  CHECK_FALSE(daily.prev(INT64_MIN));
  CHECK(daily.next(INT64_MIN)->at_ms == instant("0001-01-01T00:00:00Z"));
}

}  // namespace duly
