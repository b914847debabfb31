#include "control-server/api/stats_json.h"

#include "common/wire/json_text.h"

namespace duly {
namespace {

// Calls `fill` with a nested object under `name`.
template <class Fill>
void nest(std::string& out, JsonObject& parent, std::string_view name, const Fill& fill) {
  parent.begin(name);
  JsonObject child(out);
  fill(child);
  child.end();
}

void append_lateness(JsonObject& object, const Histogram& lateness) {
  for (const auto& [name, q] : {std::pair{"p50", 0.5}, std::pair{"p95", 0.95}, std::pair{"p99", 0.99}}) {
    object.real(name, lateness.quantile_us(q) / 1000.0);
  }
}

}  // namespace

std::vector<NamedCounter> counters_of(const StatsSnapshot& s) {
  return {
      {"accepted", "Commands accepted and stored.", s.accepted},
      {"replayed", "Submissions answered with the command of a known idempotency key.", s.replayed},
      {"handed_out", "Attempts handed out to agents.", s.handed_out},
      {"marked", "Attempts marked as queued after the broker's confirm.", s.marked},
      {"permitted", "Permits granted to executors.", s.permitted},
      {"permits_refused", "Permits refused to executors.", s.permits_refused},
      {"succeeded", "Attempts that succeeded.", s.succeeded},
      {"failed", "Attempts that failed.", s.failed},
      {"delivered", "Commands in deliver mode whose message the broker has confirmed.", s.delivered},
      {"unroutable", "Attempts in deliver mode that found no way to their target.", s.unroutable},
      {"lost", "Attempts whose executor vanished.", s.lost},
      {"retried", "Attempts that led to another one.", s.retried},
      {"died", "Commands that became dead.", s.died},
      {"cancelled", "Commands cancelled by hand.", s.cancelled},
      {"expired", "Commands that expired before they were started.", s.expired},
      {"stale_marks", "Marks refused because their epoch or attempt was past.", s.stale_marks},
      {"stale_results", "Results refused because their attempt was past.", s.stale_results},
      {"republished", "Attempts published again because the broker had lost them.", s.republished},
      {"given_back", "Attempts given back unpublished by agents.", s.given_back},
      {"dead_letters_published", "Messages published for dead commands.", s.dead_letters_published},
      {"callbacks_delivered", "Callbacks that were answered with 2xx.", s.callbacks_delivered},
      {"callbacks_failed", "Attempts to call back that failed.", s.callbacks_failed},
      {"callbacks_given_up", "Callbacks given up after the last attempt.", s.callbacks_given_up},
      {"removed", "Ended commands removed when their time was over.", s.removed},
      {"commits", "Transactions committed.", s.commits},
      {"committed_inputs", "Requests covered by those transactions.", s.committed_inputs},
      {"shard_moves", "Shards that changed their holder.", s.shard_moves},
      {"agents_lost", "Agents not heard from for a lease.", s.agents_lost},
  };
}

std::string stats_json(const StatsSnapshot& s) {
  std::string out;
  JsonObject object(out);
  nest(out, object, "commands", [&](JsonObject& o) {
    for (const State state : kStates) o.number(name_of(state), s.by_state[static_cast<std::size_t>(state)]);
  });
  nest(out, object, "rates", [&](JsonObject& o) {
    o.real("accepted_per_s", s.accepted_per_s);
    o.real("started_per_s", s.started_per_s);
    o.real("ended_per_s", s.ended_per_s);
  });
  nest(out, object, "dispatch_lateness_ms", [&](JsonObject& o) { append_lateness(o, s.recent_lateness); });
  nest(out, object, "backlog", [&](JsonObject& o) {
    o.number("due", s.backlog_due);
    o.number("oldest_due_age_ms", s.oldest_due_age_ms);
    o.number("window", s.window_commands);
  });
  nest(out, object, "agents", [&](JsonObject& o) {
    o.number("live", s.agents_live);
    o.number("draining", s.agents_draining);
    o.number("sessions", s.sessions);
  });
  nest(out, object, "shards", [&](JsonObject& o) {
    o.number("held", s.shards_held);
    o.number("moving", s.shards_moving);
    o.number("free", s.shards_free);
  });
  nest(out, object, "totals", [&](JsonObject& o) {
    for (const NamedCounter& c : counters_of(s)) o.number(c.name, static_cast<std::int64_t>(c.value));
  });
  nest(out, object, "broker", [&](JsonObject& o) { o.boolean("up", s.broker_up); });
  object.number("running", s.running);
  object.number("dead_letters_waiting", s.dead_letters_waiting);
  object.number("callbacks_owed", s.callbacks_owed);
  object.boolean("disk_low", s.disk_low);
  object.boolean("draining", s.draining);
  object.number("uptime_ms", s.uptime_ms);
  object.number("generation", s.generation);
  object.end();
  return out;
}

}  // namespace duly
