// Counts per bucket of a latency: what a histogram of Prometheus and a quantile are made of.  Adding is a few
// instructions; no lock, so one thread at a time.
#pragma once

#include <array>
#include <cstdint>

#include "common/base/time.h"

namespace duly {

// The bounds are upper limits in microseconds, the last bucket is open.
struct Histogram {
  static constexpr std::array<std::int64_t, 16> kBoundsUs = {
      100,    250,     500,     1'000,   2'500,     5'000,     10'000,     25'000,
      50'000, 100'000, 250'000, 500'000, 1'000'000, 5'000'000, 30'000'000, 300'000'000};
  std::array<std::uint64_t, 17> counts{};
  std::uint64_t total = 0;
  std::int64_t sum_us = 0;

  void add(std::int64_t us);
  void add(Duration length) { add(length.count()); }
  void add(const Histogram& other);
  // The upper bound, in microseconds, of the bucket that holds quantile `q` (0..1), interpolated; 0 when
  // empty.
  [[nodiscard]] double quantile_us(double q) const;
};

}  // namespace duly
