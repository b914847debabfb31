#include <limits>
#include <memory>

#include "cli/watch.h"

namespace duly::cli {
namespace {

struct ListFlags {
  std::string state;
  std::string type;
  std::string queue;
  std::string key;
  std::vector<std::string> labels;
  std::string due_before;
  std::string due_after;
  std::string schedule;
  std::string workflow;
  PageFlags pages;
};

Result<Query> list_query(const ListFlags& flags) {
  Query query{{"state", flags.state},           {"type", flags.type},
              {"queue", flags.queue},           {"key", flags.key},
              {"due_before", flags.due_before}, {"due_after", flags.due_after},
              {"schedule", flags.schedule},     {"workflow", flags.workflow}};
  for (const std::string& pair : flags.labels) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid("--label \"" + pair + "\" is not NAME=VALUE");
    query.emplace_back("label." + pair.substr(0, equals), pair.substr(equals + 1));
  }
  return query;
}

int list(const Session& session, const ListFlags& flags, Api& api) {
  const auto query = list_query(flags);
  if (!query) return report(query.error());
  return show_pages(session, api, "/v1/commands", *query, flags.pages, command_columns());
}

void print_rows(const Json& rows, const std::vector<Column>& columns) {
  if (!rows.is_array() || rows.empty()) return;
  print_line("");
  Table table(columns);
  for (const Json& row : rows) table.add(row);
  table.flush(stdout);
}

void print_command(const Json& body) {
  if (!body.is_object()) return;
  Json fields = body;
  const Json attempts = body.value("attempts", Json()), events = body.value("events", Json());
  fields.erase("attempts");
  fields.erase("events");
  print_fields(fields);
  print_rows(attempts, {{"ATTEMPT", "attempt"},
                        {"AGENT", "agent"},
                        {"EXECUTOR", "executor"},
                        {"STARTED AT", "started_at"},
                        {"FINISHED AT", "finished_at"},
                        {"OUTCOME", "outcome"},
                        {"ERROR", "error"}});
  print_rows(events, {{"AT", "at"}, {"EVENT", "kind"}, {"WHO", "who"}, {"DETAIL", "detail"}});
}

// Prints a line for each change until the end.
int watch(const Session& session, const std::string& id, Api& api) {
  std::string last;
  Table table(command_columns());
  const auto seen = [&](const Answer& answer) {
    const std::string now =
        dump_json(answer.body.value("state", Json())) + dump_json(answer.body.value("attempt", Json()));
    if (now == last) return;
    last = now;
    if (session.json()) return print_line(answer.text);
    table.add(answer.body);
    table.flush(stdout);
  };
  constexpr milliseconds kForEver{std::numeric_limits<std::int64_t>::max() / 2};
  const auto ended = wait_for_end(api, id, kForEver, milliseconds{1000}, seen);
  if (!ended) return report(ended.error());
  if (!ended->good()) return report_problem(*ended);
  return has_succeeded(ended->body) ? kDone : kFailed;
}

void add_list(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<ListFlags>();
  CLI::App* command = app.add_subcommand("list", "List commands, newest first");
  command->add_option("--state", flags->state, "only in this state")->type_name("STATE");
  command->add_option("--type", flags->type, "only of this type");
  command->add_option("--queue", flags->queue, "only of this queue");
  command->add_option("--key", flags->key, "only with this key");
  command->add_option("--label", flags->labels, "only with NAME=VALUE, repeatable")->allow_extra_args(false);
  command->add_option("--due-before", flags->due_before, "only due before this instant");
  command->add_option("--due-after", flags->due_after, "only due after this instant");
  command->add_option("--schedule", flags->schedule, "only what this schedule has made");
  command->add_option("--workflow", flags->workflow, "only those of this workflow (wf_…)");
  add_page_flags(command, flags->pages);
  run_watched(command, session, [flags, &session](Api& api) { return list(session, *flags, api); });
}

}  // namespace

void add_show(CLI::App& app, Session& session) {
  add_list(app, session);
  const auto id = std::make_shared<std::string>();
  CLI::App* get = app.add_subcommand("get", "Show one command with its attempts");
  get->add_option("ID", *id, "cmd_…")->required();
  get->callback([id, &session] {
    session.exit_code =
        with_api(session, [&](Api& api) { return show(session, api.get(command_path(*id)), print_command); });
  });
  CLI::App* watching = app.add_subcommand("watch", "Follow one command until it has ended");
  watching->add_option("ID", *id, "cmd_…")->required();
  watching->callback([id, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return watch(session, *id, api); });
  });
}

}  // namespace duly::cli
