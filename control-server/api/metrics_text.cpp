#include "control-server/api/metrics_text.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <vector>

#include "control-server/api/stats_json.h"

namespace duly {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kMicro = 1e-6;

ClientMetric gauge(double value, const std::string& label = {}, std::string_view label_value = {}) {
  ClientMetric metric;
  metric.gauge.value = value;
  if (!label.empty()) metric.label.push_back({label, std::string(label_value)});
  return metric;
}

template <class Number>
MetricFamily gauge_family(const char* name, const char* help, Number value) {
  return {name, help, MetricType::Gauge, {gauge(static_cast<double>(value))}};
}

MetricFamily counter_family(const NamedCounter& counter) {
  ClientMetric metric;
  metric.counter.value = static_cast<double>(counter.value);
  return {"duly_" + std::string(counter.name) + "_total",
          std::string(counter.help),
          MetricType::Counter,
          {metric}};
}

MetricFamily commands_family(const StatsSnapshot& stats) {
  MetricFamily family{"duly_commands", "Commands by state.", MetricType::Gauge, {}};
  for (const State state : kStates) {
    const auto count = stats.by_state[static_cast<std::size_t>(state)];
    family.metric.push_back(gauge(static_cast<double>(count), "state", name_of(state)));
  }
  return family;
}

MetricFamily lateness_family(const Histogram& lateness) {
  ClientMetric metric;
  metric.histogram.sample_count = lateness.total;
  metric.histogram.sample_sum = static_cast<double>(lateness.sum_us) * kMicro;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < lateness.counts.size(); ++i) {
    below += lateness.counts[i];
    const double bound = i < Histogram::kBoundsUs.size()
                             ? static_cast<double>(Histogram::kBoundsUs[i]) * kMicro
                             : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({below, bound});
  }
  return {"duly_dispatch_lateness_seconds",
          "Start of an attempt after its due time.",
          MetricType::Histogram,
          {metric}};
}

// Resident memory of this process, 0 when the system does not say.
double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double size = 0;
  double resident = 0;
  statm >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string metrics_text(const StatsSnapshot& s) {
  std::vector<MetricFamily> families;
  families.push_back(commands_family(s));
  for (const NamedCounter& counter : counters_of(s)) families.push_back(counter_family(counter));
  families.push_back(lateness_family(s.lateness));
  families.push_back(gauge_family("duly_backlog_due", "Commands due and not handed out.", s.backlog_due));
  families.push_back(gauge_family("duly_oldest_due_age_seconds",
                                  "Age of the oldest due command not handed out.",
                                  static_cast<double>(s.oldest_due_age_ms) / 1000.0));
  families.push_back(gauge_family("duly_window_commands", "Commands held in memory.", s.window_commands));
  families.push_back(gauge_family("duly_running", "Attempts running now.", s.running));
  families.push_back(gauge_family("duly_dead_letters_waiting",
                                  "Messages for dead commands not yet published.", s.dead_letters_waiting));
  families.push_back(
      {"duly_agents",
       "Agents by state.",
       MetricType::Gauge,
       {gauge(s.agents_live, "state", "live"), gauge(s.agents_draining, "state", "draining")}});
  families.push_back({"duly_shards",
                      "Shards by state.",
                      MetricType::Gauge,
                      {gauge(s.shards_held, "state", "held"), gauge(s.shards_moving, "state", "moving"),
                       gauge(s.shards_free, "state", "free")}});
  families.push_back(gauge_family("duly_link_sessions", "Connections of agents.", s.sessions));
  families.push_back(gauge_family("duly_broker_up", "1 while RabbitMQ can be reached.", s.broker_up ? 1 : 0));
  families.push_back(
      gauge_family("duly_disk_low", "1 while new work is refused for want of disk.", s.disk_low ? 1 : 0));
  families.push_back(gauge_family("duly_uptime_seconds", "Time since this process started.",
                                  static_cast<double>(s.uptime_ms) / 1000.0));
  families.push_back(
      {"duly_build_info", "Which version this is.", MetricType::Gauge, {gauge(1, "version", DULY_VERSION)}});
  families.push_back(
      gauge_family("process_resident_memory_bytes", "Resident memory of this process.", resident_bytes()));
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace duly
