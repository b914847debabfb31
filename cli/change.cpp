#include <memory>

#include "cli/requests.h"

namespace duly::cli {
namespace {

// Asks for each id in turn; one that fails does not keep the others from being asked for.
int change_each(const Session& session, const std::vector<std::string>& ids, const std::string& verb,
                Api& api) {
  int code = kDone;
  Table table(command_columns());
  bool any = false;
  for (const std::string& id : ids) {
    const auto answer = api.post(command_path(id) + "/" + verb);
    code = worse(code, show(session, answer, [&](const Json& body) {
                   table.add(body);
                   any = true;
                 }));
  }
  if (any) table.flush(stdout);
  return code;
}

void add_verb(CLI::App& app, Session& session, const std::string& verb, const std::string& help) {
  const auto ids = std::make_shared<std::vector<std::string>>();
  CLI::App* command = app.add_subcommand(verb, help);
  command->add_option("ID", *ids, "cmd_…, one or more")->required();
  command->callback([ids, verb, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return change_each(session, *ids, verb, api); });
  });
}

}  // namespace

void add_change(CLI::App& app, Session& session) {
  add_verb(app, session, "cancel", "Cancel commands");
  add_verb(app, session, "retry", "Give dead commands a fresh set of attempts");
}

}  // namespace duly::cli
