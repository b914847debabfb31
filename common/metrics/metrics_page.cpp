#include "common/metrics/metrics_page.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <limits>

#include "common/base/assert.h"

namespace duly {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kMicro = 1e-6;

void set(ClientMetric& metric, MetricType type, double value) {
  (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

MetricFamily plain_family(std::string_view name, std::string_view help, MetricType type, double value) {
  ClientMetric metric;
  set(metric, type, value);
  return {std::string(name), std::string(help), type, {metric}};
}

MetricFamily labelled_family(std::string_view name, std::string_view help, MetricType type,
                             const std::vector<std::string>& labels,
                             const std::vector<MetricsPage::Sample>& samples) {
  MetricFamily family{std::string(name), std::string(help), type, {}};
  for (const MetricsPage::Sample& sample : samples) {
    DULY_ASSERT(sample.labels.size() == labels.size());
    ClientMetric metric;
    for (std::size_t i = 0; i < labels.size(); ++i) metric.label.push_back({labels[i], sample.labels[i]});
    set(metric, type, sample.value);
    family.metric.push_back(std::move(metric));
  }
  return family;
}

}  // namespace

struct MetricsPage::Families {
  std::vector<MetricFamily> all;
};

MetricsPage::MetricsPage() : families_(std::make_unique<Families>()) {}
MetricsPage::~MetricsPage() = default;

void MetricsPage::counter(std::string_view name, std::string_view help, std::uint64_t value) {
  families_->all.push_back(plain_family(name, help, MetricType::Counter, static_cast<double>(value)));
}

void MetricsPage::counters(std::string_view name, std::string_view help,
                           const std::vector<std::string>& labels, const std::vector<Sample>& samples) {
  families_->all.push_back(labelled_family(name, help, MetricType::Counter, labels, samples));
}

void MetricsPage::gauge(std::string_view name, std::string_view help, double value) {
  families_->all.push_back(plain_family(name, help, MetricType::Gauge, value));
}

void MetricsPage::gauges(std::string_view name, std::string_view help, const std::vector<std::string>& labels,
                         const std::vector<Sample>& samples) {
  families_->all.push_back(labelled_family(name, help, MetricType::Gauge, labels, samples));
}

void MetricsPage::histogram(std::string_view name, std::string_view help, const Histogram& lengths) {
  ClientMetric metric;
  metric.histogram.sample_count = lengths.total;
  metric.histogram.sample_sum = static_cast<double>(lengths.sum_us) * kMicro;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < lengths.counts.size(); ++i) {
    below += lengths.counts[i];
    const double bound = i < Histogram::kBoundsUs.size() ? static_cast<double>(Histogram::kBoundsUs[i]) / 1e6
                                                         : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({below, bound});
  }
  families_->all.push_back({std::string(name), std::string(help), MetricType::Histogram, {metric}});
}

std::string MetricsPage::text() const { return prometheus::TextSerializer().Serialize(families_->all); }

}  // namespace duly
