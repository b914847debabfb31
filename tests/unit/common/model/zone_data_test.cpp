#include "common/model/zone_data.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

namespace duly {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("a zone's rule gives the two changes of a year") {
  const auto berlin = parse_zone_rule("CET-1CEST,M3.5.0,M10.5.0/3");
  REQUIRE(berlin);
  CHECK(berlin->offset_s == 3600);
  const auto changes = changes_of(*berlin, 2040);
  CHECK(changes[0].at_s == 2'216'250'000);  // 2040-03-25T01:00:00Z
  CHECK(changes[0].offset_s == 7200);
  CHECK(changes[1].at_s == 2'234'998'800);  // 2040-10-28T01:00:00Z
  CHECK(changes[1].offset_s == 3600);
  // In the south a year begins in summer.
  const auto sydney = parse_zone_rule("AEST-10AEDT,M10.1.0,M4.1.0/3");
  REQUIRE(sydney);
  CHECK(changes_of(*sydney, 2040)[0].offset_s == 36'000);
  // Winter time as the exception, half hours, times before the day and after it, days by number.
  CHECK(parse_zone_rule("IST-1GMT0,M10.5.0,M3.5.0/1")->summer->offset_s == 0);
  CHECK(parse_zone_rule("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0")->offset_s == 37'800);
  CHECK(parse_zone_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0")->summer->begin.time_s == -3600);
  CHECK(parse_zone_rule("EET-2EEST,M3.4.4/50,M10.4.4/50")->summer->end.time_s == 180'000);
  CHECK(changes_of(*parse_zone_rule("AAA0BBB,J60/0,300/0"), 2024)[0].at_s ==
        1'709'251'200);  // 1 March in leap years too
  CHECK(changes_of(*parse_zone_rule("AAA0BBB,59/0,300/0"), 2024)[0].at_s == 1'709'164'800);  // 29 February
}

TEST_CASE("what is not a zone's rule is refused") {
  for (const char* text : {"",
                           "CET",
                           "CET-",
                           "C-1",
                           "CET-25",
                           "CET-1:60",
                           "CET-1CEST",
                           "CET-1CEST,",
                           "CET-1CEST,M3.5.0",
                           "<CET-1",
                           "CET-1CEST,M13.5.0,M10.5.0",
                           "CET-1CEST,M3.0.0,M10.5.0",
                           "CET-1CEST,M3.6.0,M10.5.0",
                           "CET-1CEST,M3.5.7,M10.5.0",
                           "CET-1CEST,J0,J365",
                           "CET-1CEST,J366,J1",
                           "CET-1CEST,366,1",
                           "CET-1CEST,M3.5.0/168,M10.5.0",
                           "CET-1CEST,M3.5.0,M10.5.0/3x",
                           "CET-99999999999"}) {
    INFO(text);
    CHECK_FALSE(parse_zone_rule(text));
  }
}

TEST_CASE("a zone file that is cut short or changed is refused or read, never more") {
  const std::string good = read_file("/usr/share/zoneinfo/Australia/Lord_Howe");
  REQUIRE(parse_zone_file(good));
  CHECK(parse_zone_file(good)->rule.offset_s == 37'800);
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(parse_zone_file(good.substr(0, size)));
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = static_cast<char>(~changed[at]);
    (void)parse_zone_file(changed);
  }
  std::string old = good;
  old[4] = '\0';
  CHECK_FALSE(parse_zone_file(old));
}

}  // namespace duly
