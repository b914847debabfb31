#include <memory>

#include "cli/requests.h"

namespace duly::cli {
namespace {

struct ChangeFlags {
  std::vector<std::string> ids;
  std::string payload;
};

// Asks for each id in turn; one that fails does not keep the others from being asked for.
int change_each(const Session& session, const ChangeFlags& flags, const std::string& verb, Api& api) {
  const auto payload = payload_text(flags.payload);
  if (!payload) return report(payload.error());
  // As text, not as a value: a payload is passed on byte for byte.
  const std::string body = payload->empty() ? std::string() : "{\"payload\":" + *payload + "}";
  int code = kDone;
  Table table(command_columns());
  bool any = false;
  for (const std::string& id : flags.ids) {
    const std::string path = command_path(id) + "/" + verb;
    const auto answer = body.empty() ? api.post(path) : api.post(path, body);
    code = worse(code, show(session, answer, [&](const Json& shown) {
                   table.add(shown);
                   any = true;
                 }));
  }
  if (any) table.flush(stdout);
  return code;
}

CLI::App* add_verb(CLI::App& app, Session& session, const std::string& verb, const std::string& help,
                   const std::shared_ptr<ChangeFlags>& flags) {
  CLI::App* command = app.add_subcommand(verb, help);
  command->add_option("ID", flags->ids, "cmd_…, one or more")->required();
  command->callback([flags, verb, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return change_each(session, *flags, verb, api); });
  });
  return command;
}

}  // namespace

void add_change(CLI::App& app, Session& session) {
  add_verb(app, session, "cancel", "Cancel commands", std::make_shared<ChangeFlags>());
  const auto flags = std::make_shared<ChangeFlags>();
  add_verb(app, session, "retry", "Give dead commands a fresh set of attempts", flags)
      ->add_option("--payload", flags->payload,
                   "JSON, @FILE or - : in the place of the one that failed, which is kept as a revision");
}

}  // namespace duly::cli
