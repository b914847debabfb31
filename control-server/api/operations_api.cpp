// Health, metrics, statistics, the audit log, and the documents that describe this API.
#include <utility>

#include "common/metrics/metrics_page.h"
#include "common/wire/json_text.h"
#include "control-server/api/api_support.h"
#include "control-server/api/cursor.h"
#include "control-server/api/metrics_text.h"
#include "control-server/api/openapi_text.h"
#include "control-server/api/routes.h"
#include "control-server/api/stats_history.h"
#include "control-server/api/stats_json.h"

namespace duly {
namespace {

constexpr Duration kStatsPatience = seconds{5};

void openapi(Api&, ApiCall&& call) {
  HttpResponse response;
  response.content_type = "application/yaml";
  response.body = openapi_text();
  call.respond(std::move(response));
}

void livez(Api&, ApiCall&& call) { call.respond(json_response(200, R"({"status":"alive"})")); }

// Calls `show` with the statistics, or answers with the problem.
template <class Show>
void with_stats(Api& api, const Respond& respond, const Show& show) {
  api.desk.ask(
      [](ReplyTo reply) {
        return Input(Query{reply, Query::What::stats, "", {}});
      },
      [respond, show](const Answer& answer) {
        const auto* problem = std::get_if<Problem>(&answer.what);
        const auto* stats = std::get_if<StatsAnswer>(&answer.what);
        if (stats != nullptr) return respond(show(**stats));
        respond(problem != nullptr && problem->status != 504
                    ? problem_response(*problem)
                    : make_problem(503, "the engine does not answer"));
      },
      kStatsPatience);
}

// The same for those who want numbers, and not to know whether the engine still answers.
template <class Show>
void with_counters(Api& api, const Respond& respond, const Show& show) {
  const StatsAnswer known = api.stats_at_hand ? api.stats_at_hand() : nullptr;
  known ? respond(show(*known)) : with_stats(api, respond, show);
}

void stats(Api& api, ApiCall&& call) {
  with_counters(api, call.respond, [](const StatsSnapshot& s) { return json_response(200, stats_json(s)); });
}

void stats_history(Api& api, ApiCall&& call) {
  call.respond(
      json_response(200, api.history == nullptr ? R"({"every_ms":0,"samples":[]})" : api.history->json()));
}

void metrics(Api& api, ApiCall&& call) {
  with_counters(api, call.respond, [&api](const StatsSnapshot& s) {
    HttpResponse response;
    response.content_type = kMetricsContentType;
    response.body = metrics_text(s, api.edge ? api.edge() : EdgeStats{});
    return response;
  });
}

// Without a broker or agents the server still takes work: that is told, and does not make it unready.
HttpResponse readiness(const StatsSnapshot& s, bool link_listening, const std::string& queues) {
  HttpResponse response;
  JsonObject object(response.body);
  const bool ready = !s.disk_low && link_listening && !s.draining;
  object.text("status", ready ? "ready" : "not_ready");
  object.begin("checks");
  JsonObject checks(response.body);
  checks.text("store", s.disk_low ? "failing: little disk space is left, new work is refused" : "ok");
  checks.text("link", link_listening ? "ok" : "failing: not listening");
  checks.text("shutdown", s.draining ? "failing: this server is shutting down" : "ok");
  checks.text("broker", s.broker_up ? "ok" : "degraded: RabbitMQ cannot be reached");
  if (!queues.empty()) checks.text("queues", queues);
  checks.end();
  object.end();
  if (!ready) {
    response.status = 503;
    response.fields.emplace_back("Retry-After", "1");
  }
  return response;
}

void readyz(Api& api, ApiCall&& call) {
  with_stats(api, call.respond, [&api](const StatsSnapshot& s) {
    return readiness(s, !api.link_listening || api.link_listening(),
                     api.queue_check ? api.queue_check() : "");
  });
}

// ---- the audit log
// -------------------------------------------------------------------------------------------

void append_audit_row(std::string& out, const Reader::AuditRow& row) {
  JsonObject object(out);
  object.number("sequence", row.sequence);
  object.instant("at", row.at_ms);
  object.text("who", row.who);
  object.text("what", row.what);
  object.text("subject", row.subject);
  object.text("detail", row.detail);
  object.text_or_null("request_id", row.request);
  object.end();
}

void audit(Api& api, ApiCall&& call) {
  const std::string* limit_text = call.parameter("limit");
  const std::string* cursor = call.parameter("cursor");
  const auto limit = limit_text == nullptr ? std::optional<std::int64_t>(100)
                                           : whole_number(*limit_text, 1, limits::kPageItems);
  const auto below =
      cursor == nullptr ? std::optional<std::int64_t>(0) : decode_cursor(CursorKind::audit, *cursor);
  if (!limit) return call.respond(bad_request("limit must be a whole number from 1 to 1000"));
  if (!below)
    return call.respond(bad_request("cursor is not one that this server has given out for this list"));
  const auto rows = api.reader.audit(*below, static_cast<int>(*limit));
  if (!rows) return call.respond(reader_problem(rows.error(), "list"));
  std::string body = "{\"items\":[";
  for (const Reader::AuditRow& row : *rows) {
    if (body.back() != '[') body += ',';
    append_audit_row(body, row);
  }
  const bool more = rows->size() == static_cast<std::size_t>(*limit) && rows->back().sequence > 1;
  body += "],\"next_cursor\":";
  body += more ? '"' + encode_cursor(CursorKind::audit, rows->back().sequence) + '"' : "null";
  call.respond(json_response(200, body + "}"));
}

}  // namespace

std::vector<Route> operations_routes(Api& api) {
  const auto bind = [&api](void (*function)(Api&, ApiCall &&)) {
    return [&api, function](ApiCall&& call) { function(api, std::move(call)); };
  };
  return {
      {"GET", "/livez", Role::none, bind(&livez), {"*"}},
      {"GET", "/healthz", Role::none, bind(&livez), {"*"}},
      {"GET", "/readyz", Role::none, bind(&readyz), {"*"}},
      {"GET", "/metrics", Role::read, bind(&metrics), {"*"}},
      {"GET", "/openapi.yaml", Role::none, bind(&openapi), {"*"}},
      {"GET", "/v1/stats", Role::read, bind(&stats), {}},
      {"GET", "/v1/stats/history", Role::read, bind(&stats_history), {}},
      {"GET", "/v1/audit", Role::admin, bind(&audit), {"limit", "cursor"}},
  };
}

}  // namespace duly
