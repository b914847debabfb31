#include "cli/schedules.h"

#include <cstdint>
#include <memory>
#include <optional>

#include "cli/import.h"
#include "cli/watch.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

using Name = std::shared_ptr<std::string>;

Columns schedule_columns() {
  return {{"NAME", "name"},
          {"CRON", "cron"},
          {"EVERY MS", "every_ms"},
          {"TIME ZONE", "time_zone"},
          {"ENABLED", "enabled"},
          {"NEXT FIRE AT", "next_fire_at"},
          {"LAST FIRE AT", "last_fire_at"}};
}

std::string schedule_path(const Name& name) { return "/v1/schedules/" + url_encode(*name); }

CLI::App* add_named(CLI::App* schedules, const std::string& verb, const std::string& help, const Name& name) {
  CLI::App* command = schedules->add_subcommand(verb, help);
  command->add_option("NAME", *name, "name of the schedule")->required();
  return command;
}

void add_schedule_list(CLI::App* schedules, Session& session) {
  const auto list = [&session](Api& api) {
    return show_list(session, api, "/v1/schedules", schedule_columns());
  };
  run_watched(schedules->add_subcommand("list", "Show the schedules (the same as no subcommand)"), session,
              list);
  run_watched_alone(schedules, session, list);
}

void add_create(CLI::App* schedules, Session& session) {
  const auto file = std::make_shared<std::string>("-");
  CLI::App* command = schedules->add_subcommand("create", "Create a schedule from its JSON");
  command->add_option("FILE", *file, "file, or - for standard input")->capture_default_str();
  run_on(command, session, [file, &session](Api& api) {
    const auto body = read_input(*file, limits::kHttpBodyBytes);
    if (!body) return report(body.error());
    return show_object(session, api.post("/v1/schedules", *body));
  });
}

void add_next(CLI::App* schedules, Session& session, const Name& name) {
  const auto count = std::make_shared<int>(10);
  const auto from = std::make_shared<std::string>();
  CLI::App* command = add_named(schedules, "next", "Show when a schedule will fire", name);
  command->add_option("--count", *count, "how many fires")->capture_default_str();
  command->add_option("--from", *from, "from this instant on (RFC 3339)")->type_name("INSTANT");
  run_on(command, session, [name, count, from, &session](Api& api) {
    const std::string query = query_of({{"count", std::to_string(*count)}, {"from", *from}});
    return show(session, api.get(schedule_path(name) + "/next" + query), [](const Json& body) {
      Table table({{"FIRE AT", "fire_at"}, {"DUE AT", "due_at"}, {"SHIFT", "shift"}});
      const Json items = body.is_object() ? body.value("items", Json::array()) : Json::array();
      for (const Json& item : items) table.add(item);
      table.flush(stdout);
    });
  });
}

}  // namespace

void add_schedules(CLI::App& app, Session& session) {
  CLI::App* schedules = app.add_subcommand("schedules", "Show and change the schedules; import a crontab");
  const auto name = std::make_shared<std::string>();
  add_schedule_list(schedules, session);
  run_on(add_named(schedules, "get", "Show one in full", name), session,
         [name, &session](Api& api) { return show_object(session, api.get(schedule_path(name))); });
  add_create(schedules, session);
  run_on(add_named(schedules, "delete", "Remove one; commands it has made stay", name), session,
         [name, &session](Api& api) {
           return show_accepted(session, api.send({.method = "DELETE", .path = schedule_path(name)}),
                                "deleted " + *name);
         });
  const std::vector<std::pair<std::string, std::string>> verbs{{"pause", "Let one fire no more"},
                                                               {"resume", "Let a paused one fire again"},
                                                               {"trigger", "Make its command now, once"}};
  for (const auto& verb : verbs) {
    run_on(add_named(schedules, verb.first, verb.second, name), session,
           [name, path = "/" + verb.first, &session](Api& api) {
             return show_object(session, api.post(schedule_path(name) + path));
           });
  }
  add_next(schedules, session, name);
  add_backfill(schedules, session);
  add_versions(schedules, session);
  add_import(schedules, session);
}

}  // namespace duly::cli
