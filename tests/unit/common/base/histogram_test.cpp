#include "common/base/histogram.h"

#include <catch2/catch.hpp>

namespace duly {

TEST_CASE("a length is counted in the first bucket whose bound it does not exceed") {
  Histogram h;
  h.add(100);
  h.add(101);
  h.add(milliseconds{600'000});
  CHECK(h.counts.front() == 1);
  CHECK(h.counts[1] == 1);
  CHECK(h.counts.back() == 1);
  CHECK(h.total == 3);
  CHECK(h.sum_us == 600'000'201);
}

TEST_CASE("quantiles of nothing are 0, and those of something lie within its bucket") {
  Histogram h;
  CHECK(h.quantile_us(0.99) == 0);
  for (int i = 0; i < 100; ++i) h.add(3'000);
  CHECK(h.quantile_us(0.5) > 2'500);
  CHECK(h.quantile_us(0.5) <= 5'000);
  Histogram sum;
  sum.add(h);
  CHECK(sum.counts == h.counts);
}

}  // namespace duly
