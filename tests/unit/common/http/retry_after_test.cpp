#include "common/http/retry_after.h"

#include <catch2/catch.hpp>

namespace duly {

constexpr std::int64_t kMost = 3'600'000;
constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

static std::int64_t asked(std::string_view value, std::string_view date = "") {
  return retry_after_ms(value, date, wall_from_ms(*parse_http_date(kDate)), kMost);
}

TEST_CASE("seconds are taken as they are, up to the bound") {
  CHECK(asked("0") == 0);
  CHECK(asked("7") == 7000);
  CHECK(asked("3600") == kMost);
  CHECK(asked("3601") == kMost);
  CHECK(asked("99999999999999999999999999") == kMost);
  for (const char* text : {"", "-1", "+1", "1.5", "1s", " 1", "soon"}) CHECK(asked(text) == 0);
}

TEST_CASE("a date is the time from the answer's own date, or from now") {
  CHECK(asked("Sun, 06 Nov 1994 08:50:37 GMT") == 60'000);
  CHECK(asked("Sun, 06 Nov 1994 08:49:36 GMT") == 0);
  CHECK(asked("Mon, 07 Nov 1994 08:49:37 GMT") == kMost);
  // A sender whose clock is a year ahead still means a minute.
  CHECK(asked("Mon, 06 Nov 1995 08:50:37 GMT", "Mon, 06 Nov 1995 08:49:37 GMT") == 60'000);
  CHECK(asked("Sun, 06 Nov 1994 08:50:37 GMT", "garbage") == 60'000);
}

TEST_CASE("a date of HTTP is read in its one present form") {
  CHECK(parse_http_date(kDate) == 784'111'777'000);
  CHECK(parse_http_date("Thu, 29 Feb 2024 23:59:60 GMT") == 1'709'251'200'000);
  for (const char* text :
       {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 6  Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08-49-37 GMT"})
    CHECK_FALSE(parse_http_date(text));
}

}  // namespace duly
