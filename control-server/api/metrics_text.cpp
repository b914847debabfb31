#include "control-server/api/metrics_text.h"

#include "common/metrics/process_metrics.h"
#include "control-server/api/stats_json.h"

namespace duly {
namespace {

void add_commands(MetricsPage& page, const StatsSnapshot& s) {
  std::vector<MetricsPage::Sample> samples;
  for (const State state : kStates)
    samples.push_back(
        {{std::string(name_of(state))}, static_cast<double>(s.by_state[static_cast<std::size_t>(state)])});
  page.gauges("duly_commands", "Commands by state.", {"state"}, samples);
}

void add_backlog(MetricsPage& page, const StatsSnapshot& s) {
  page.gauge("duly_backlog_due", "Commands due and not handed out.", static_cast<double>(s.backlog_due));
  page.gauge("duly_oldest_due_age_seconds", "Age of the oldest due command not handed out.",
             static_cast<double>(s.oldest_due_age_ms) / 1000.0);
  page.gauge("duly_window_commands", "Commands held in memory.", static_cast<double>(s.window_commands));
  page.gauge("duly_running", "Attempts running now.", static_cast<double>(s.running));
  page.gauge("duly_dead_letters_waiting", "Messages for dead commands not yet published.",
             static_cast<double>(s.dead_letters_waiting));
}

void add_cluster(MetricsPage& page, const StatsSnapshot& s) {
  page.gauges("duly_agents", "Agents by state.", {"state"},
              {{{"live"}, static_cast<double>(s.agents_live)},
               {{"draining"}, static_cast<double>(s.agents_draining)}});
  page.gauges("duly_shards", "Shards by state.", {"state"},
              {{{"held"}, static_cast<double>(s.shards_held)},
               {{"moving"}, static_cast<double>(s.shards_moving)},
               {{"free"}, static_cast<double>(s.shards_free)}});
  page.gauge("duly_link_sessions", "Connections of agents.", static_cast<double>(s.sessions));
  page.gauge("duly_broker_up", "1 while RabbitMQ can be reached.", s.broker_up ? 1 : 0);
  page.gauge("duly_disk_low", "1 while new work is refused for want of disk.", s.disk_low ? 1 : 0);
}

}  // namespace

std::string metrics_text(const StatsSnapshot& s) {
  MetricsPage page;
  add_commands(page, s);
  for (const NamedCounter& counter : counters_of(s))
    page.counter("duly_" + std::string(counter.name) + "_total", counter.help, counter.value);
  page.histogram("duly_dispatch_lateness_seconds", "Start of an attempt after its due time.", s.lateness);
  add_backlog(page, s);
  add_cluster(page, s);
  page.gauge("duly_uptime_seconds", "Time since this process started.",
             static_cast<double>(s.uptime_ms) / 1000.0);
  page.gauges("duly_build_info", "Which version this is.", {"version"}, {{{DULY_VERSION}, 1}});
  add_process_metrics(page);
  return page.text();
}

}  // namespace duly
