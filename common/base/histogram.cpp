#include "common/base/histogram.h"

#include <algorithm>

namespace duly {

void Histogram::add(std::int64_t us) {
  const auto bucket = std::lower_bound(kBoundsUs.begin(), kBoundsUs.end(), us) - kBoundsUs.begin();
  ++counts[static_cast<std::size_t>(bucket)];
  ++total;
  sum_us += us;
}

void Histogram::add(const Histogram& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  total += other.total;
  sum_us += other.sum_us;
}

double Histogram::quantile_us(double q) const {
  if (total == 0) return 0;
  const double rank = q * static_cast<double>(total);
  double seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto here = static_cast<double>(counts[i]);
    if (seen + here >= rank && here > 0) {
      const double low = i == 0 ? 0 : static_cast<double>(kBoundsUs[i - 1]);
      const double high = static_cast<double>(kBoundsUs[std::min(i, kBoundsUs.size() - 1)]);
      return low + (high - low) * std::clamp((rank - seen) / here, 0.0, 1.0);
    }
    seen += here;
  }
  return static_cast<double>(kBoundsUs.back());
}

}  // namespace duly
