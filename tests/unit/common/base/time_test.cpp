#include "common/base/time.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

namespace duly {

TEST_CASE("an RFC 3339 instant is read to its millisecond, whatever its offset") {
  const std::vector<std::pair<std::string, std::int64_t>> table = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-21T09:00:00.000Z", 1'795'251'600'000},
      {"2026-11-21t09:00:00z", 1'795'251'600'000},
      {"2026-11-21T10:00:00+01:00", 1'795'251'600'000},
      {"2026-11-21T03:30:00.5-05:30", 1'795'251'600'500},
      {"2026-11-21T09:00:00-00:00", 1'795'251'600'000},
      {"2026-11-22T08:59:00+23:59", 1'795'251'600'000},
      {"2024-02-29T12:00:00Z", 1'709'208'000'000},
      {"2000-02-29T00:00:00Z", 951'782'400'000},
      {"2024-03-01T00:00:00+00:01", 1'709'251'140'000},  // the leap day, seen from one minute east
      {"2016-12-31T23:59:60Z", 1'483'228'800'000},       // a leap second is the first second of the next day
      {"1969-12-31T23:59:59.999Z", -1},
      {"0000-01-01T00:00:00Z", -62'167'219'200'000},
      {"9999-12-31T23:59:59.999Z", 253'402'300'799'999},
      {"1970-01-01T00:00:00.1Z", 100},
      {"1970-01-01T00:00:00.12Z", 120},
      {"1970-01-01T00:00:00.123Z", 123},
  };
  for (const auto& [text, ms] : table) {
    INFO(text);
    CHECK(parse_instant(text) == ms);
  }
}

TEST_CASE("a fraction finer than a millisecond is rounded up, so that nothing is early") {
  CHECK(parse_instant("1970-01-01T00:00:00.0000Z") == 0);
  CHECK(parse_instant("1970-01-01T00:00:00.0001Z") == 1);
  CHECK(parse_instant("1970-01-01T00:00:00.000000001Z") == 1);
  CHECK(parse_instant("1970-01-01T00:00:00.1230000Z") == 123);
  CHECK(parse_instant("1970-01-01T00:00:00.1230009Z") == 124);
  CHECK(parse_instant("1970-01-01T00:00:00.9999Z") == 1000);
  CHECK(parse_instant("1969-12-31T23:59:59.9991Z") == 0);
}

TEST_CASE("what is not an RFC 3339 instant is refused") {
  const std::vector<std::string> bad = {
      "",
      "now",
      "1795251600000",
      "2026-11-21",
      "2026-11-21T09:00:00",
      "2026-11-21 09:00:00Z",
      "2026-11-21T09:00Z",
      "2026-11-21T9:00:00Z",
      "2026-1-21T09:00:00ZZ",
      "2026-11-21T09:00:00.Z",
      "2026-11-21T09:00:00,5Z",
      "2026-11-21T09:00:00Zx",
      "2026-11-21T09:00:00+0100",
      "2026-11-21T09:00:00+01",
      "2026-11-21T09:00:00+24:00",
      "2026-11-21T09:00:00+01:60",
      "2026-11-21T24:00:00Z",
      "2026-11-21T09:60:00Z",
      "2026-11-21T09:00:61Z",
      "2026-00-21T09:00:00Z",
      "2026-13-21T09:00:00Z",
      "2026-11-00T09:00:00Z",
      "2026-11-31T09:00:00Z",
      "2026-02-29T09:00:00Z",
      "1900-02-29T09:00:00Z",
      "-026-11-21T09:00:00Z",
      "2026-11-21T-9:00:00Z",
      "2026-11-21T09:00:00\xE2\x88\x92"
      "01:00",
      "2026-11-21T09:00:00." + std::string(100, '0') + "Z",
  };
  for (const std::string& text : bad) {
    INFO(text);
    CHECK_FALSE(parse_instant(text).has_value());
  }
}

TEST_CASE("an instant is shown in UTC with milliseconds, and is read back as the same") {
  CHECK(format_instant(0) == "1970-01-01T00:00:00.000Z");
  CHECK(format_instant(1'795'251'600'007) == "2026-11-21T09:00:00.007Z");
  CHECK(format_instant(-1) == "1969-12-31T23:59:59.999Z");
  CHECK(format_instant(1'709'208'000'000) == "2024-02-29T12:00:00.000Z");
  for (std::int64_t ms = -62'167'219'200'000; ms < 253'402'300'800'000; ms += 987'654'321'123) {
    CHECK(parse_instant(format_instant(ms)) == ms);
  }
}

TEST_CASE("milliseconds are rounded down on both sides of 1970") {
  CHECK(to_ms(WallTime{Duration{1999}}) == 1);
  CHECK(to_ms(WallTime{Duration{-1}}) == -1);
  CHECK(to_ms(Duration{-1001}) == -2);
  CHECK(wall_from_ms(7) == WallTime{Duration{7000}});
}

}  // namespace duly
