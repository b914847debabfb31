// What Prometheus reads from one of our programs: families of numbers, added one by one, and then the text.
//
// Names and units are the callers'; docs/metrics.md lists them all.  Made for each scrape, on any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/histogram.h"

namespace duly {

class MetricsPage {
 public:
  // One number of a family, told apart from the others by the values of the family's labels.
  struct Sample {
    std::vector<std::string> labels;
    double value = 0;
  };

  MetricsPage();
  ~MetricsPage();
  MetricsPage(const MetricsPage&) = delete;
  MetricsPage& operator=(const MetricsPage&) = delete;

  void counter(std::string_view name, std::string_view help, std::uint64_t value);
  void counters(std::string_view name, std::string_view help, const std::vector<std::string>& labels,
                const std::vector<Sample>& samples);
  void gauge(std::string_view name, std::string_view help, double value);
  void gauges(std::string_view name, std::string_view help, const std::vector<std::string>& labels,
              const std::vector<Sample>& samples);
  // `lengths` counts microseconds, the text has seconds.
  void histogram(std::string_view name, std::string_view help, const Histogram& lengths);

  [[nodiscard]] std::string text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

inline constexpr std::string_view kMetricsContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace duly
