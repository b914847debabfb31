#include <memory>

#include "cli/operations.h"
#include "cli/requests.h"

namespace duly::cli {
namespace {

struct ChangeFlags {
  std::vector<std::string> ids;
  FilterFlags filter;
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

// Commands by their ids, or what a filter names: never both, and never nothing.
int change(const Session& session, const ChangeFlags& flags, const std::string& verb, Api& api) {
  const bool filtered = flags.filter.any();
  if (filtered && !flags.ids.empty())
    return report(invalid(verb + ": ids, or flags that name many, not both"));
  if (!filtered && flags.ids.empty())
    return report(
        invalid(verb + ": which commands? Give ids, or flags such as --state (duly " + verb + " --help)"));
  if (!filtered) return change_each(session, flags, verb, api);
  if (!flags.payload.empty()) return report(invalid("--payload is for single commands"));
  return operate(session, api, verb, flags.filter);
}

CLI::App* add_verb(CLI::App& app, Session& session, const std::string& verb, const std::string& help,
                   const std::shared_ptr<ChangeFlags>& flags) {
  CLI::App* command = app.add_subcommand(verb, help);
  command->add_option("ID", flags->ids, "cmd_…, one or more");
  add_filter_flags(command, flags->filter);
  command->callback([flags, verb, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return change(session, *flags, verb, api); });
  });
  return command;
}

void add_reschedule(CLI::App& app, Session& session) {
  const auto id = std::make_shared<std::string>();
  const auto due_at = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("reschedule", "Move the due time of a command that has not started");
  command->add_option("ID", *id, "cmd_…")->required();
  command->add_option("--due-at", *due_at, "due at this instant (RFC 3339)")
      ->type_name("INSTANT")
      ->required();
  command->callback([id, due_at, &session] {
    session.exit_code = with_api(session, [&](Api& api) {
      const auto answer = api.post(command_path(*id) + "/reschedule", dump_json(Json{{"due_at", *due_at}}));
      return show(session, answer, [](const Json& body) {
        Table table(command_columns());
        table.add(body);
        table.flush(stdout);
      });
    });
  });
}

}  // namespace

void add_change(CLI::App& app, Session& session) {
  add_verb(app, session, "cancel", "Cancel commands, by their ids or by what they are",
           std::make_shared<ChangeFlags>());
  const auto flags = std::make_shared<ChangeFlags>();
  add_verb(app, session, "retry",
           "Give dead commands a fresh set of attempts, by their ids or by what they are", flags)
      ->add_option("--payload", flags->payload,
                   "JSON, @FILE or - : in the place of the one that failed, which is kept as a revision");
  add_reschedule(app, session);
}

}  // namespace duly::cli
