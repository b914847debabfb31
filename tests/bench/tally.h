// What a benchmark's program found, as one flat JSON object on standard output.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace duly::bench {

class Tally {
 public:
  void number(const std::string& name, double value) {
    std::array<char, 64> digits{};
    std::snprintf(digits.data(), digits.size(), "%.10g", std::isfinite(value) ? value : 0.0);
    fields_.emplace_back(name, digits.data());
  }
  // Every digit of it: microseconds of the wall clock are too long for number().
  void whole(const std::string& name, std::int64_t value) {
    fields_.emplace_back(name, std::to_string(value));
  }
  // `value` holds nothing that JSON would escape.
  void text(const std::string& name, const std::string& value) {
    fields_.emplace_back(name, '"' + value + '"');
  }
  // Sorts `samples`; `name` is a prefix, the unit a suffix: get_p50_ms.  Nothing when there are none.
  void quantiles(const std::string& name, std::vector<double>& samples, const std::string& unit) {
    if (samples.empty()) return;
    std::sort(samples.begin(), samples.end());
    static constexpr std::array<std::pair<const char*, double>, 9> kWanted{{{"min", 0.0},
                                                                            {"p10", 0.1},
                                                                            {"p25", 0.25},
                                                                            {"p50", 0.5},
                                                                            {"p75", 0.75},
                                                                            {"p90", 0.9},
                                                                            {"p99", 0.99},
                                                                            {"p999", 0.999},
                                                                            {"max", 1.0}}};
    for (const auto& [label, q] : kWanted) {
      const auto at = static_cast<std::size_t>(q * static_cast<double>(samples.size()));
      number(name + "_" + label + "_" + unit, samples[std::min(at, samples.size() - 1)]);
    }
  }
  void print() const {
    std::string out = "{";
    for (const auto& [name, value] : fields_) {
      if (out.size() > 1) out += ", ";
      out += '"' + name + "\": " + value;
    }
    std::puts((out + "}").c_str());
  }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

}  // namespace duly::bench
