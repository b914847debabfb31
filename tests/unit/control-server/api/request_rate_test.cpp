#include "control-server/api/request_rate.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

RequestRate rate_of(std::string_view text) { return RequestRate::parse(text).value(); }

constexpr MonoTime kBegin{seconds{1000}};

// How many of `tries` requests at one moment are let in.
int let_in_at(TokenBucket& bucket, MonoTime now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i) count += bucket.take(now) == Duration{0} ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("a rate is read as it is written, and written as it is read") {
  CHECK(rate_of("200/s") == RequestRate{200, seconds{1}, 200});
  CHECK(rate_of("200") == rate_of("200/s"));
  CHECK(rate_of("1000/min:50") == RequestRate{1000, seconds{60}, 50});
  CHECK(rate_of("5/h:1000000") == RequestRate{5, seconds{3600}, 1'000'000});
  CHECK(rate_of("7:9") == RequestRate{7, seconds{1}, 9});
  CHECK_FALSE(rate_of("none").limited());
  for (const char* const text : {"200/s", "1000/min:50", "5/h:1000000", "none"})
    CHECK(rate_of(text).text() == text);
  for (const char* const bad :
       {"", "0", "0/s", "-1/s", "1000001/s", "1.5/s", "200/", "200/d", "200/S", "200/s:", "200/s:0",
        "200/s:1000001", "200/s:1:1", "/s", ":5", "200:5/s", " 200/s", "None", "99999999999999999999/s"}) {
    CAPTURE(bad);
    const auto rate = RequestRate::parse(bad);
    REQUIRE_FALSE(rate);
    CHECK(rate.error().what.find("a rate must be COUNT/PER") == 0);
  }
}

TEST_CASE("a bucket lets its burst in at once, and then one as often as its rate says") {
  TokenBucket bucket(rate_of("10/s:3"), kBegin);
  CHECK(let_in_at(bucket, kBegin, 5) == 3);
  CHECK(bucket.take(kBegin) == milliseconds{100});
  CHECK(bucket.take(kBegin + milliseconds{60}) == milliseconds{40});
  CHECK(let_in_at(bucket, kBegin + milliseconds{99}, 1) == 0);
  CHECK(let_in_at(bucket, kBegin + milliseconds{100}, 2) == 1);
  CHECK(let_in_at(bucket, kBegin + milliseconds{399}, 5) == 2);
  // However long it is quiet, the burst is the most.
  CHECK(let_in_at(bucket, kBegin + seconds{86400 * 365}, 9) == 3);
}

TEST_CASE("what is asked too early costs nothing, and what is told is when it is not too early") {
  for (const char* const text : {"3/s:1", "7/min:2", "1/h:1", "999999/s:1", "1000000/h:5"}) {
    CAPTURE(text);
    TokenBucket bucket(rate_of(text), kBegin);
    let_in_at(bucket, kBegin, 5);
    const Duration wait = bucket.take(kBegin);
    REQUIRE(wait > Duration{0});
    for (int i = 0; i < 100; ++i) CHECK(bucket.take(kBegin) == wait);
    CHECK(bucket.take(kBegin + wait - Duration{1}) == Duration{1});
    CHECK(bucket.take(kBegin + wait) == Duration{0});
  }
}

TEST_CASE("nothing is rounded in favour of who asks") {
  TokenBucket third(rate_of("3/s:1"), kBegin);
  CHECK(let_in_at(third, kBegin, 1) == 1);
  CHECK(third.take(kBegin) == microseconds{333334});
  TokenBucket fast(rate_of("1000000/s:1"), kBegin);
  CHECK(let_in_at(fast, kBegin, 1) == 1);
  CHECK(let_in_at(fast, kBegin + seconds{60}, 3) == 1);
  CHECK(let_in_at(fast, kBegin + seconds{86400 * 365}, 3) == 1);  // more than a product of 63 bits holds
}

TEST_CASE("over an hour exactly as many are let in as the rate says, however often it is asked") {
  TokenBucket bucket(rate_of("7/min:1"), kBegin);
  CHECK(bucket.take(kBegin) == Duration{0});
  int count = 0;
  for (MonoTime now = kBegin; now <= kBegin + seconds{3600}; now += milliseconds{37})
    count += bucket.take(now) == Duration{0} ? 1 : 0;
  CHECK(count <= 7 * 60);
  CHECK(count >= 7 * 60 - 2);  // a look every 37 ms comes up to 37 ms late
}

}  // namespace duly
