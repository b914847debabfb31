#include "common/model/command.h"

#include <catch2/catch.hpp>
#include <set>

namespace duly {

static RetryPolicy plain(std::int64_t initial, double multiplier, std::int64_t most) {
  return RetryPolicy{100, initial, multiplier, most, 0.0};
}

TEST_CASE("the wait before an attempt grows by the multiplier up to its limit") {
  const RetryPolicy doubling = plain(1000, 2.0, 60'000);
  const std::int64_t expected[] = {1000, 2000, 4000, 8000, 16'000, 32'000, 60'000, 60'000};
  for (int next = 2; next < 10; ++next) CHECK(backoff_ms(doubling, next, 1) == expected[next - 2]);
  CHECK(backoff_ms(plain(100, 1.0, 60'000), 50, 1) == 100);
  CHECK(backoff_ms(plain(100, 1.5, 60'000), 4, 1) == 225);
  CHECK(backoff_ms(plain(5000, 2.0, 300), 2, 1) == 300);
  CHECK(backoff_ms(plain(0, 2.0, 60'000), 9, 1) == 0);
}

TEST_CASE("a huge multiplier or a huge attempt number ends at the limit, not beyond the numbers") {
  CHECK(backoff_ms(plain(1000, 1e300, 60'000), 3, 1) == 60'000);
  CHECK(backoff_ms(plain(1000, 1e300, 60'000), 100, 1) == 60'000);
  CHECK(backoff_ms(plain(1, 2.0, 7LL * 86'400'000), 1'000'000, 1) == 7LL * 86'400'000);
}

TEST_CASE("jitter stays within its share, spreads, and is the same for the same seed") {
  RetryPolicy policy = plain(10'000, 2.0, 60'000);
  policy.jitter = 0.1;
  std::set<std::int64_t> seen;
  std::int64_t least = INT64_MAX, most = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const std::int64_t wait = backoff_ms(policy, 2, seed);
    CHECK(wait == backoff_ms(policy, 2, seed));
    least = std::min(least, wait);
    most = std::max(most, wait);
    seen.insert(wait);
  }
  CHECK(least >= 9000);
  CHECK(least < 9100);
  CHECK(most <= 11'000);
  CHECK(most > 10'900);
  CHECK(seen.size() > 800);
  policy.jitter = 1.0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) CHECK(backoff_ms(policy, 2, seed) >= 0);
}

TEST_CASE("the names of outcomes are those of the contract") {
  CHECK(name_of(AttemptOutcome::succeeded) == "succeeded");
  CHECK(name_of(AttemptOutcome::failed) == "failed");
  CHECK(name_of(AttemptOutcome::timed_out) == "timed_out");
  CHECK(name_of(AttemptOutcome::lost) == "lost");
  CHECK(name_of(AttemptOutcome::handed_back) == "handed_back");
  CHECK(name_of(AttemptOutcome::cancelled) == "cancelled");
}

}  // namespace duly
