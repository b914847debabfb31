// The rules of retention as they are written.
#include "control-server/core/retention.h"

#include <catch2/catch.hpp>

namespace duly {

TEST_CASE("a time to keep is a number of milliseconds of at least a minute, or never") {
  CHECK(*read_keep_time("60000") == 60'000);
  CHECK(*read_keep_time("604800000") == 604'800'000);
  CHECK(*read_keep_time("never") == kKeepForever);
  for (const char* bad : {"", "0", "59999", "-1", "1e6", "60000ms", "7d", "Never", "99999999999999999999"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_keep_time(bad));
  }
}

TEST_CASE("a rule names a state, perhaps a type, and a time") {
  const auto plain = read_retention_rule("dead=2592000000");
  REQUIRE(plain);
  CHECK((plain->state == State::dead && plain->type.empty() && plain->keep_ms == 2'592'000'000));
  const auto typed = read_retention_rule("succeeded:report.v2=never");
  REQUIRE(typed);
  CHECK((typed->state == State::succeeded && typed->type == "report.v2" && typed->keep_ms == kKeepForever));
  for (const char* bad : {"", "dead", "dead=", "=60000", "running=60000", "gone=60000", "dead:=60000",
                          "dead:a b=60000", "dead:a:b=60000", "dead=1"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_retention_rule(bad));
  }
}

TEST_CASE("what is wrong is said in one line that names the rule") {
  CHECK(read_retention("nix", {}).error().what.find("--keep-ms: \"nix\"") == 0);
  const auto wrong = read_retention("never", {"dead=60000", "live=60000"});
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().what.find("--keep live=60000: \"live\" is not a state") == 0);
  CHECK(read_retention("never", {"dead=60000", "dead=70000"}).error().what.find("another rule") !=
        std::string::npos);
  CHECK_FALSE(read_retention("never", std::vector<std::string>(101, "dead=60000")));
  const auto good = read_retention("70000", {"dead=never", "dead:a=60000"});
  REQUIRE(good);
  CHECK((good->keep_ms == 70'000 && good->rules.size() == 2));
}

}  // namespace duly
