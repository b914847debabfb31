// The simulator's only source of chance: splitmix64, the same everywhere for the same seed.
#pragma once

#include <cstdint>

#include "common/base/assert.h"
#include "common/base/time.h"

namespace duly::sim {

class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31);
  }
  // 0 .. bound-1.  The bias of the remainder is far below what a simulation can see.
  std::uint64_t below(std::uint64_t bound) {
    DULY_ASSERT(bound > 0);
    return next() % bound;
  }
  // low .. high, both included.
  std::int64_t between(std::int64_t low, std::int64_t high) {
    DULY_ASSERT(low <= high);
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  Duration between(Duration low, Duration high) { return Duration{between(low.count(), high.count())}; }
  // 0 <= x < 1.
  double fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  // Draws nothing for 0 and 1, so that a fault that is switched off changes no other choice.
  bool chance(double probability) {
    if (probability <= 0) return false;
    return probability >= 1 || fraction() < probability;
  }
  // An independent stream, so that one part of the world does not disturb the choices of another.
  Rng split() { return Rng(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace duly::sim
