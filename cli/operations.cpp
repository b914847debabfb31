#include "cli/operations.h"

#include <memory>

#include "cli/lists.h"
#include "cli/progress.h"
#include "cli/watch.h"

namespace duly::cli {
namespace {

constexpr milliseconds kLook{200};

Columns operation_columns() {
  return {{"ID", "id"},
          {"KIND", "kind"},
          {"STATE", "state"},
          {"DRY RUN", "dry_run"},
          {"MATCHED", "matched"},
          {"CHANGED", "changed"},
          {"SKIPPED", "skipped"},
          {"BY", "by"},
          {"CREATED AT", "created_at"},
          {"FINISHED AT", "finished_at"}};
}

std::string operation_path(const std::string& id) { return "/v1/operations/" + url_encode(id); }

Result<Json> filter_body(const FilterFlags& flags) {
  Json body = Json::object();
  for (const auto& [name, value] :
       {std::pair{"state", &flags.state}, std::pair{"type", &flags.type}, std::pair{"queue", &flags.queue},
        std::pair{"key", &flags.key}, std::pair{"due_before", &flags.due_before},
        std::pair{"due_after", &flags.due_after}}) {
    if (!value->empty()) body[name] = *value;
  }
  auto labels = read_labels(flags.labels);
  if (!labels) return labels.error();
  if (!labels->empty()) body["labels"] = std::move(*labels);
  if (flags.all) body["all"] = true;
  if (flags.dry_run) body["dry_run"] = true;
  return body;
}

std::int64_t number_of(const Json& operation, const char* name) {
  const auto at = operation.find(name);
  return at != operation.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
}

std::string counts_text(const Json& operation) {
  return std::to_string(number_of(operation, "matched")) + " matched, " +
         std::to_string(number_of(operation, "changed")) + " changed, " +
         std::to_string(number_of(operation, "skipped")) + " skipped";
}

// What it has been begun to do goes on at the server, whatever becomes of this program.
Result<Answer> follow_operation(Api& api, const std::string& id) {
  ProgressLine progress;
  for (;;) {
    auto answer = api.get(operation_path(id));
    if (worth_another_try(answer)) {
      pause_for(kAwayPause);
      continue;
    }
    if (!answer || !answer->good() || !answer->body.is_object()) return answer;
    progress.show(0, 0, counts_text(answer->body));
    if (answer->body.value("state", Json()) != Json("running")) return answer;
    pause_for(kLook);
  }
}

}  // namespace

bool FilterFlags::any() const {
  return all || dry_run || !labels.empty() ||
         !(state.empty() && type.empty() && queue.empty() && key.empty() && due_before.empty() &&
           due_after.empty());
}

void add_filter_flags(CLI::App* command, FilterFlags& flags) {
  const std::vector<CLI::Option*> selecting{
      command->add_option("--state", flags.state, "instead of ids: all in this state")->type_name("STATE"),
      command->add_option("--type", flags.type, "all of this type"),
      command->add_option("--queue", flags.queue, "all of this queue"),
      command->add_option("--key", flags.key, "all with this key"),
      command->add_option("--label", flags.labels, "all with NAME=VALUE, repeatable")
          ->allow_extra_args(false),
      command->add_option("--due-before", flags.due_before, "all due before this instant"),
      command->add_option("--due-after", flags.due_after, "all due after this instant"),
      command->add_flag("--all", flags.all, "all there are")};
  for (CLI::Option* option : selecting) option->group(kSelecting);
  command->add_flag("--dry-run", flags.dry_run, "change nothing, count what would be changed");
  command->add_flag("--detach", flags.detach, "do not wait for the end; duly operations shows it");
}

int operate(const Session& session, Api& api, const std::string& verb, const FilterFlags& flags) {
  const auto body = filter_body(flags);
  if (!body) return report(body.error());
  auto answer = api.post("/v1/commands/" + verb, dump_json(*body));
  const bool begun = answer && answer->good() && answer->body.is_object() && answer->body.contains("id");
  if (begun && !flags.detach) answer = follow_operation(api, cell_text(answer->body["id"]));
  return show_object(session, answer);
}

void add_operations(CLI::App& app, Session& session) {
  CLI::App* operations =
      app.add_subcommand("operations", "Show what cancel and retry do to many commands; stop one");
  run_watched_alone(operations, session, [&session](Api& api) {
    return show_list(session, api, "/v1/operations", operation_columns());
  });
  const auto id = std::make_shared<std::string>();
  CLI::App* get = operations->add_subcommand("get", "Show one");
  get->add_option("ID", *id, "op_\xE2\x80\xA6")->required();
  run_watched(get, session,
              [id, &session](Api& api) { return show_object(session, api.get(operation_path(*id))); });
  CLI::App* stop = operations->add_subcommand("stop", "Stop one; what it has changed stays changed");
  stop->add_option("ID", *id, "op_\xE2\x80\xA6")->required();
  run_on(stop, session,
         [id, &session](Api& api) { return show_object(session, api.post(operation_path(*id) + "/stop")); });
}

}  // namespace duly::cli
