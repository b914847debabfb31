// duly explain, duly revisions: why one command is where it is, and what it was before it was redriven.
#include <memory>

#include "cli/requests.h"

namespace duly::cli {
namespace {

// `field` of the answer, a row for each.
int show_rows(const Session& session, const Result<Answer>& answer, const char* field,
              std::vector<Column> columns) {
  return show(session, answer, [&](const Json& body) {
    const Json items = body.is_object() ? body.value(field, Json::array()) : Json::array();
    if (items.empty()) return print_line("nothing to tell");
    Table table(std::move(columns));
    for (const Json& item : items) table.add(item);
    table.flush(stdout);
  });
}

CLI::App* add_about_one(CLI::App& app, Session& session, const std::string& verb, const std::string& help,
                        const char* field, const std::vector<Column>& columns) {
  const auto id = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand(verb, help);
  command->add_option("ID", *id, "cmd_…")->required();
  command->callback([id, verb, field, columns, &session] {
    session.exit_code = with_api(session, [&](Api& api) {
      return show_rows(session, api.get(command_path(*id) + "/" + verb), field, columns);
    });
  });
  return command;
}

}  // namespace

void add_explain(CLI::App& app, Session& session) {
  add_about_one(app, session, "explain", "Say why a command is where it is", "reasons",
                {{"CODE", "code"}, {"DETAIL", "detail"}});
  add_about_one(
      app, session, "revisions", "Show the payloads a command had before it was redriven with another",
      "items",
      {{"REVISION", "revision"}, {"REPLACED AT", "replaced_at"}, {"BY", "by"}, {"PAYLOAD", "payload"}});
}

}  // namespace duly::cli
