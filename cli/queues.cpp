// duly queues: what waits and runs in each, its pause switch and its limits.
#include <cstdint>
#include <memory>
#include <optional>

#include "cli/watch.h"

namespace duly::cli {
namespace {

Columns queue_columns() {
  return {{"NAME", "name"},           {"PAUSED", "paused"},           {"SCHEDULED", "commands.scheduled"},
          {"UNSTARTED", "unstarted"}, {"RUNNING", "running"},         {"DEAD", "commands.dead"},
          {"EXECUTORS", "executors"}, {"MAX RUNNING", "max_running"}, {"RATE", "rate.count"},
          {"PER MS", "rate.per_ms"},  {"BUNDLE", "bundle"},           {"PROBLEM", "last_problem"}};
}

std::string queue_path(const std::string& name) { return "/v1/queues/" + url_encode(name); }

CLI::App* add_of_queue(CLI::App* queues, const std::string& verb, const std::string& help,
                       const std::shared_ptr<std::string>& name) {
  CLI::App* command = queues->add_subcommand(verb, help);
  command->add_option("NAME", *name, "name of the queue")->required();
  return command;
}

struct LimitFlags {
  std::string name;
  std::optional<std::int64_t> max_running, rate, bundle;
  std::int64_t per_ms = 1000;
  bool no_max_running = false;
  bool no_rate = false;
};

// What is not said stays as it is.
Json limits_body(const LimitFlags& flags) {
  Json body = Json::object();
  if (flags.max_running) body["max_running"] = *flags.max_running;
  if (flags.no_max_running) body["max_running"] = nullptr;
  if (flags.rate) body["rate"] = {{"count", *flags.rate}, {"per_ms", flags.per_ms}};
  if (flags.no_rate) body["rate"] = nullptr;
  if (flags.bundle) body["bundle"] = *flags.bundle;
  return body;
}

void add_limit(CLI::App* queues, Session& session) {
  const auto flags = std::make_shared<LimitFlags>();
  CLI::App* command =
      queues->add_subcommand("limit", "Limit a queue, over all agents; what is not said stays as it is");
  command->add_option("NAME", flags->name, "name of the queue")->required();
  CLI::Option* running =
      command->add_option("--max-running", flags->max_running, "so many of its commands run at a time");
  command->add_flag("--no-max-running", flags->no_max_running, "as many as the executors take")
      ->excludes(running);
  CLI::Option* rate = command->add_option("--rate", flags->rate, "so many attempts start within --per-ms");
  command->add_option("--per-ms", flags->per_ms, "the span of --rate")->needs(rate)->capture_default_str();
  command->add_flag("--no-rate", flags->no_rate, "no limit of the starts")->excludes(rate);
  command->add_option("--bundle", flags->bundle, "so many commands may travel in one message");
  run_on(command, session, [flags, &session](Api& api) {
    const Json body = limits_body(*flags);
    if (body.empty())
      return report(invalid("queues limit: which limit? Give --max-running, --rate or --bundle"));
    return show_object(session, api.put(queue_path(flags->name), dump_json(body)));
  });
}

}  // namespace

void add_queues(CLI::App& app, Session& session) {
  CLI::App* queues = app.add_subcommand("queues", "Show the queues; pause, resume, limit");
  run_watched_alone(queues, session,
                    [&session](Api& api) { return show_list(session, api, "/v1/queues", queue_columns()); });
  const auto name = std::make_shared<std::string>();
  run_watched(add_of_queue(queues, "get", "Show one in full", name), session,
              [name, &session](Api& api) { return show_object(session, api.get(queue_path(*name))); });
  for (const bool paused : {true, false}) {
    CLI::App* command = add_of_queue(queues, paused ? "pause" : "resume",
                                     paused ? "Start nothing of a queue" : "Let a queue go on", name);
    run_on(command, session, [name, paused, &session](Api& api) {
      return show_object(session, api.put(queue_path(*name), dump_json(Json{{"paused", paused}})));
    });
  }
  add_limit(queues, session);
}

}  // namespace duly::cli
