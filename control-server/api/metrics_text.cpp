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

// Marks and results are two sides of one thing: who was frozen or cut off reports what no longer counts.
void add_counters(MetricsPage& page, const StatsSnapshot& s) {
  for (const NamedCounter& counter : counters_of(s)) {
    if (counter.name.starts_with("stale_")) continue;
    page.counter("duly_" + std::string(counter.name) + "_total", counter.help, counter.value);
  }
  page.counters(
      "duly_stale_reports_refused_total", "Reports refused because what they speak of is past.", {"kind"},
      {{{"mark"}, static_cast<double>(s.stale_marks)}, {{"result"}, static_cast<double>(s.stale_results)}});
}

void add_queues(MetricsPage& page, const StatsSnapshot& s) {
  std::vector<MetricsPage::Sample> commands, executors, paused;
  for (const QueueStats& queue : s.queues) {
    for (std::size_t i = 0; i < queue.open.size(); ++i)
      commands.push_back(
          {{queue.name, std::string(name_of(QueueStats::kOpen[i]))}, static_cast<double>(queue.open[i])});
    executors.push_back({{queue.name}, static_cast<double>(queue.executors)});
    paused.push_back({{queue.name}, queue.paused ? 1.0 : 0.0});
  }
  page.gauge("duly_queues", "Queues that are known.", static_cast<double>(s.queue_count));
  if (s.queues.empty()) return;
  page.gauges("duly_queue_commands", "Commands of a queue that have not ended, by state.", {"queue", "state"},
              commands);
  page.gauges("duly_queue_executors", "Live agents that consume a queue.", {"queue"}, executors);
  page.gauges("duly_queue_paused", "1 while a queue is paused.", {"queue"}, paused);
}

void add_http(MetricsPage& page, const EdgeStats& edge) {
  std::vector<MetricsPage::Sample> answers;
  for (const auto& [status, count] : edge.http.answers)
    answers.push_back({{std::to_string(status)}, static_cast<double>(count)});
  if (!answers.empty())
    page.counters("duly_http_requests_total", "HTTP answers by status.", {"code"}, answers);
  std::vector<MetricsPage::Sample> limited;
  for (const Role role : kRoles) {
    const auto found = edge.rate_limited.find(role);
    const std::uint64_t count = found == edge.rate_limited.end() ? 0 : found->second;
    limited.push_back({{std::string(name_of(role))}, static_cast<double>(count)});
  }
  page.counters("duly_http_rate_limited_total", "Requests refused for the rate of their key, by its role.",
                {"role"}, limited);
  page.histogram("duly_http_change_seconds", "Answer to a request other than GET, the commit included.",
                 edge.http.changes);
  page.gauge("duly_http_connections", "HTTP connections.", static_cast<double>(edge.connections));
}

void add_edge(MetricsPage& page, const EdgeStats& edge) {
  page.gauge("duly_event_streams", "Clients that listen to /v1/events.",
             static_cast<double>(edge.event_streams));
  page.counter("duly_events_published_total", "Events published to duly.events.", edge.events_published);
  page.counter("duly_events_unheard_total", "Events not published since no queue is bound to their key.",
               edge.events_unheard);
  page.counter("duly_events_dropped_total", "Events for duly.events that there was no room for.",
               edge.events_dropped);
  page.gauges("duly_store_bytes", "Size of the files of the store.", {"file"},
              {{{"database"}, static_cast<double>(edge.database_bytes)},
               {{"wal"}, static_cast<double>(edge.wal_bytes)}});
  page.gauge("duly_disk_available_bytes", "Room on the disk of the store.",
             static_cast<double>(edge.disk_available_bytes));
  page.counter("duly_spans_exported_total", "Spans that the collector has taken (--otlp).",
               edge.spans_exported);
  page.counter("duly_spans_dropped_total", "Spans that it did not take in time, or that had no room to wait.",
               edge.spans_dropped);
  page.gauge("duly_broker_lossy_settings", "Settings of queues in the broker that lose messages.",
             static_cast<double>(edge.lossy_settings));
  page.gauge("duly_certificate_expiry_seconds", "End of the certificate, since 1970; 0 without TLS.",
             static_cast<double>(edge.certificate_expiry_ms) / 1000.0);
}

void add_backlog(MetricsPage& page, const StatsSnapshot& s) {
  page.gauge("duly_backlog_due", "Commands due and not handed out.", static_cast<double>(s.backlog_due));
  page.gauge("duly_oldest_due_age_seconds", "Age of the oldest due command not handed out.",
             static_cast<double>(s.oldest_due_age_ms) / 1000.0);
  page.gauge("duly_window_commands", "Commands held in memory.", static_cast<double>(s.window_commands));
  page.gauge("duly_running", "Attempts running now.", static_cast<double>(s.running));
  page.gauge("duly_dead_letters_waiting", "Messages for dead commands not yet published.",
             static_cast<double>(s.dead_letters_waiting));
  page.gauge("duly_callbacks_owed", "Commands that have ended and whose callback was not taken yet.",
             static_cast<double>(s.callbacks_owed));
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

std::string metrics_text(const StatsSnapshot& s, const EdgeStats& edge) {
  MetricsPage page;
  add_commands(page, s);
  add_counters(page, s);
  page.histogram("duly_dispatch_lateness_seconds", "Start of an attempt after its due time.", s.lateness);
  page.histogram("duly_commit_seconds",
                 "Applying and committing one batch of requests, the disk sync included.", s.commit);
  add_backlog(page, s);
  add_queues(page, s);
  add_cluster(page, s);
  page.gauge("duly_uptime_seconds", "Time since this process started.",
             static_cast<double>(s.uptime_ms) / 1000.0);
  page.gauges("duly_build_info", "Which version this is.", {"version"}, {{{DULY_VERSION}, 1}});
  add_http(page, edge);
  add_edge(page, edge);
  add_process_metrics(page);
  return page.text();
}

}  // namespace duly
