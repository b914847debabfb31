#include "agent/app/agent_metrics.h"

#include "common/metrics/process_metrics.h"

namespace duly {
namespace {

using Samples = std::vector<MetricsPage::Sample>;

// One sample for each value of an enumeration that begins at 0; those that `name` leaves empty are left out.
template <class Enum, std::size_t kCount, class Name>
Samples samples_of(const std::array<std::uint64_t, kCount>& counts, Name name) {
  Samples samples;
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::string_view text = name(static_cast<Enum>(i));
    if (!text.empty()) samples.push_back({{std::string(text)}, static_cast<double>(counts[i])});
  }
  return samples;
}

void add_gauges(MetricsPage& page, const AgentStats& s) {
  const auto add = [&page](const char* name, const char* help, auto value) {
    page.gauge(name, help, static_cast<double>(value));
  };
  add("duly_shards_owned", "Shards that this agent holds.", s.shards_owned);
  add("duly_in_flight", "Commands handed out to this agent and not settled by the broker.", s.in_flight);
  add("duly_attempts_running", "Attempts whose handlers run.", s.running);
  add("duly_attempt_slots", "Attempts that may run at once (--concurrency).", s.slots);
  add("duly_link_connected", "1 while the server has welcomed this agent.", s.linked ? 1 : 0);
  add("duly_broker_connected", "1 while the publishing connection is up.", s.broker_connected ? 1 : 0);
  add("duly_broker_blocked", "1 while the broker blocks publishing.", s.broker_blocked ? 1 : 0);
  add("duly_draining", "1 while this agent leaves or was told to drain by signal.", s.draining ? 1 : 0);
}

void add_connections(MetricsPage& page, const AgentStats& s) {
  page.counter("duly_link_connects_total", "Times the server welcomed this agent.", s.links_made);
  page.counter("duly_link_losses_total", "Times the link to the server broke.", s.links_lost);
  page.counter("duly_link_refusals_total", "Times the server refused this agent.", s.refused);
  page.counter("duly_broker_connects_total", "Times the publishing connection was made.", s.broker_connects);
  page.counter("duly_consumer_losses_total", "Times the consuming connection broke.", s.consumers_lost);
  page.histogram("duly_heartbeat_seconds", "The server's answer after a heartbeat.", s.heartbeat);
}

void add_dispatch(MetricsPage& page, const DispatchCounters& d) {
  page.counter("duly_attempts_received_total", "Attempts handed out to this agent.", d.handed_out);
  page.counters(
      "duly_publishes_total", "Publishes by what the broker made of them.", {"outcome"},
      samples_of<PublishOutcome>(d.settled, [](PublishOutcome outcome) { return name_of(outcome); }));
  page.counters("duly_attempts_given_back_total", "Attempts given back to the server unpublished.",
                {"reason"},
                samples_of<GiveBackReason>(d.given_back, [](GiveBackReason r) { return name_of(r); }));
  page.counter("duly_publishes_recorded_total", "Confirmed publishes that the server has recorded.",
               d.marked);
  page.histogram("duly_publish_lateness_seconds", "Publish of an attempt after its due time.", d.lateness);
  page.histogram("duly_publish_confirm_seconds", "The broker's confirm after the publish.", d.confirm);
}

// An agent does not declare its own attempts lost.
std::string_view ended_name(AttemptOutcome outcome) {
  return outcome == AttemptOutcome::lost ? std::string_view() : name_of(outcome);
}

void add_execute(MetricsPage& page, const ExecuteCounters& e) {
  page.counter("duly_deliveries_total", "Execution messages that the broker delivered.", e.delivered);
  page.counter("duly_redeliveries_total", "Those of them that it had delivered before.", e.redelivered);
  page.counter("duly_requeued_total", "Deliveries put back for others to run.", e.requeued);
  page.counter("duly_parked_total", "Messages not understood, parked on duly.dead.", e.parked);
  page.counter("duly_attempts_started_total", "Attempts begun, each with its permit.", e.permits_granted);
  page.counter("duly_attempts_refused_total", "Deliveries dropped because the server gave no permit.",
               e.permits_refused);
  page.counters("duly_attempts_finished_total", "Attempts ended, by how.", {"outcome"},
                samples_of<AttemptOutcome>(e.finished, ended_name));
  page.histogram("duly_permit_wait_seconds", "The server's answer after a permit was asked for.", e.permit);
  page.histogram("duly_handler_seconds", "Time in the handler.", e.run);
}

void add_circuits(MetricsPage& page, const std::vector<CircuitView>& circuits) {
  Samples samples;
  for (const CircuitView& circuit : circuits)
    samples.push_back({{circuit.target}, static_cast<double>(circuit.state)});
  page.gauges("duly_http_circuit_state",
              "Targets of builtin.http: 0 closed, 1 half open (a probe is out), 2 open (spared).", {"target"},
              samples);
}

void add_spans(MetricsPage& page, const SpanCounts& spans) {
  page.counter("duly_spans_exported_total", "Spans that the collector has taken (--otlp).", spans.exported);
  page.counter("duly_spans_dropped_total", "Spans that it did not take in time, or that had no room to wait.",
               spans.dropped);
}

}  // namespace

std::string agent_metrics_text(const AgentStats& stats, const std::vector<CircuitView>& circuits,
                               const SpanCounts& spans) {
  MetricsPage page;
  add_gauges(page, stats);
  add_connections(page, stats);
  add_dispatch(page, stats.dispatch);
  add_execute(page, stats.execute);
  add_circuits(page, circuits);
  add_spans(page, spans);
  page.gauges("duly_build_info", "Which version this is.", {"version"}, {{{DULY_VERSION}, 1}});
  add_process_metrics(page);
  return page.text();
}

}  // namespace duly
