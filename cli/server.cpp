// duly history, audit, clock: what the server remembers of its last hour and of what was done by hand, and
// the clock of one that was started with a virtual one.
#include <cstdint>
#include <memory>

#include "cli/watch.h"

namespace duly::cli {
namespace {

Columns sample_columns() {
  return {{"AGE MS", "age_ms"},           {"ACCEPTED/S", "accepted_per_s"},
          {"STARTED/S", "started_per_s"}, {"ENDED/S", "ended_per_s"},
          {"FAILED/S", "failed_per_s"},   {"P50 MS", "p50_ms"},
          {"P99 MS", "p99_ms"},           {"DUE", "due"},
          {"QUEUED", "queued"},           {"RUNNING", "running"}};
}

Columns audit_columns() {
  return {{"AT", "at"}, {"WHO", "who"}, {"WHAT", "what"}, {"SUBJECT", "subject"}, {"DETAIL", "detail"}};
}

void add_history(CLI::App& app, Session& session) {
  CLI::App* command =
      app.add_subcommand("history", "Show rates, lateness and backlog of the last hour, the latest last");
  run_on(command, session, [&session](Api& api) {
    return show(session, api.get("/v1/stats/history"), [](const Json& body) {
      Table table(sample_columns());
      const Json samples = body.is_object() ? body.value("samples", Json::array()) : Json::array();
      for (const Json& sample : samples) table.add(sample);
      table.flush(stdout);
    });
  });
}

void add_audit(CLI::App& app, Session& session) {
  const auto pages = std::make_shared<PageFlags>();
  CLI::App* command = app.add_subcommand("audit", "Show what was done by hand, newest first");
  add_page_flags(command, *pages);
  run_watched(command, session, [pages, &session](Api& api) {
    return show_pages(session, api, "/v1/audit", {}, *pages, audit_columns());
  });
}

void add_clock(CLI::App& app, Session& session) {
  CLI::App* clock = app.add_subcommand("clock", "Move the clock of a server with --clock virtual");
  clock->require_subcommand(1);
  const auto length_ms = std::make_shared<std::int64_t>(0);
  CLI::App* advance = clock->add_subcommand("advance", "Let so many milliseconds pass, and what is due run");
  advance->add_option("MS", *length_ms, "milliseconds")->required()->check(CLI::NonNegativeNumber);
  run_on(advance, session, [length_ms, &session](Api& api) {
    return show_object(session, api.post("/v1/clock/advance", dump_json(Json{{"ms", *length_ms}})));
  });
}

}  // namespace

void add_server(CLI::App& app, Session& session) {
  add_history(app, session);
  add_audit(app, session);
  add_clock(app, session);
}

}  // namespace duly::cli
