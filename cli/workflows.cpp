#include <memory>

#include "cli/watch.h"
#include "cli/workflow_view.h"
#include "cli/workflow_watch.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

using Id = std::shared_ptr<std::string>;

Columns workflow_columns() {
  return {{"ID", "id"},
          {"NAME", "name"},
          {"STATE", "state"},
          {"COMMANDS", "counts.total"},
          {"OPEN", "counts.open"},
          {"FAILED", "counts.failed"},
          {"CREATED AT", "created_at"},
          {"FINISHED AT", "finished_at"}};
}

CLI::App* add_identified(CLI::App* workflows, const std::string& verb, const std::string& help,
                         const Id& id) {
  CLI::App* command = workflows->add_subcommand(verb, help);
  command->add_option("ID", *id, "wf_…")->required();
  return command;
}

void print_without_nodes(const Json& body) {
  if (body.is_object()) print_fields(body, "commands");
}

void print_workflow(const Json& body) {
  print_without_nodes(body);
  const auto nodes = body.is_object() ? body.find("commands") : body.end();
  if (nodes == body.end() || !nodes->is_array()) return;
  print_line("");
  Table table({{"NODE", "name"},
               {"STATE", "state"},
               {"ATTEMPT", "attempt"},
               {"DEPENDS ON", "depends_on"},
               {"ID", "id"},
               {"FINISHED AT", "finished_at"}});
  for (const Json& node : *nodes) table.add(node_row(node));
  table.flush(stdout);
}

struct WorkflowFlags {
  std::string file = "-";
  std::string idempotency_key;
  bool watch = false;
  bool quiet = false;
};

// The id goes to standard error: standard output belongs to what watching prints.
int follow(const Session& session, Api& api, const Answer& accepted) {
  const auto id = accepted.body.is_object() ? accepted.body.find("id") : accepted.body.end();
  if (id == accepted.body.end() || !id->is_string())
    return report({Errc::fatal, "the server's answer has no id"});
  std::fprintf(stderr, "%s\n", printable(id->get_ref<const std::string&>()).c_str());
  return watch_workflow(session, api, id->get<std::string>());
}

int submit_workflow(const Session& session, const WorkflowFlags& flags, Api& api) {
  const auto body = read_input(flags.file, limits::kHttpBatchBytes);
  if (!body) return report(body.error());
  Request request{.method = "POST", .path = "/v1/workflows", .body = *body};
  if (!flags.idempotency_key.empty()) request.headers.emplace_back("Idempotency-Key", flags.idempotency_key);
  const auto answer = api.send(request);
  if (flags.watch && answer && answer->good()) return follow(session, api, *answer);
  return show(session, answer, [&](const Json& accepted) {
    if (!flags.quiet || !accepted.is_object()) return print_without_nodes(accepted);
    print_line(cell_text(accepted.value("id", Json())));
  });
}

void add_submit(CLI::App* workflows, Session& session) {
  const auto flags = std::make_shared<WorkflowFlags>();
  CLI::App* command = workflows->add_subcommand("submit", "Submit a workflow from its JSON");
  command->add_option("FILE", flags->file, "file, or - for standard input")->required();
  command->add_option("--idempotency-key", flags->idempotency_key,
                      "the same key again makes no second workflow");
  command->add_flag("--watch", flags->watch, "then follow it until it has ended");
  command->add_flag("--quiet,-q", flags->quiet, "print its id alone");
  run_on(command, session, [flags, &session](Api& api) { return submit_workflow(session, *flags, api); });
}

void add_workflow_list(CLI::App* workflows, Session& session) {
  const auto state = std::make_shared<std::string>();
  const auto pages = std::make_shared<PageFlags>();
  const auto list = [state, pages, &session](Api& api) {
    return show_pages(session, api, "/v1/workflows", {{"state", *state}}, *pages, workflow_columns());
  };
  CLI::App* command =
      workflows->add_subcommand("list", "List workflows, newest first (the same as no subcommand)");
  command->add_option("--state", *state, "only those running, succeeded, failed or cancelled");
  add_page_flags(command, *pages);
  run_watched(command, session, list);
  run_watched_alone(workflows, session, list);
}

// A view of ten thousand nodes helps nobody who asked for a change: only JSON has them.
void add_verb(CLI::App* workflows, Session& session, const std::string& verb, const std::string& help) {
  const auto id = std::make_shared<std::string>();
  run_on(add_identified(workflows, verb, help, id), session, [id, path = "/" + verb, &session](Api& api) {
    return show(session, api.post(workflow_path(*id) + path), print_without_nodes);
  });
}

}  // namespace

void add_workflows(CLI::App& app, Session& session) {
  CLI::App* workflows = app.add_subcommand("workflows", "Submit, show and change workflows");
  const auto id = std::make_shared<std::string>();
  add_submit(workflows, session);
  add_workflow_list(workflows, session);
  run_on(add_identified(workflows, "get", "Show one with its commands", id), session,
         [id, &session](Api& api) { return show(session, api.get(workflow_path(*id)), print_workflow); });
  run_on(add_identified(workflows, "watch",
                        "Follow one until it has ended; exit 0 when it has succeeded, else 1", id),
         session, [id, &session](Api& api) { return watch_workflow(session, api, *id); });
  add_verb(workflows, session, "cancel", "Cancel all of one that has not ended");
  add_verb(workflows, session, "retry", "Run what failed of one again, and what was cancelled because of it");
}

}  // namespace duly::cli
