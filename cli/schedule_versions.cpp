// duly schedules update, versions, rollback: a schedule is replaced by another version, and each one is kept.
#include <cstdint>
#include <memory>

#include "cli/lists.h"
#include "cli/schedules.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

struct VersionFlags {
  std::string name;
  std::string file = "-";
  std::string if_match;
  std::int64_t version = 0;
};

using Versions = std::shared_ptr<VersionFlags>;

std::string path_of(const VersionFlags& flags) { return "/v1/schedules/" + url_encode(flags.name); }

CLI::App* add_of_one(CLI::App* schedules, const std::string& verb, const std::string& help,
                     const Versions& flags) {
  CLI::App* command = schedules->add_subcommand(verb, help);
  command->add_option("NAME", flags->name, "name of the schedule")->required();
  return command;
}

void add_if_match(CLI::App* command, const Versions& flags) {
  command
      ->add_option("--if-match", flags->if_match,
                   "only if this is still the newest version: else exit 1, unchanged")
      ->type_name("VERSION");
}

// What is not there is not sent: then the newest is replaced, whichever it is.
Request changing(const VersionFlags& flags, const char* method, std::string path, std::string body) {
  Request request{.method = method, .path = std::move(path), .body = std::move(body)};
  if (!flags.if_match.empty()) request.headers.emplace_back("If-Match", "\"" + flags.if_match + "\"");
  return request;
}

void add_update(CLI::App* schedules, Session& session) {
  const auto flags = std::make_shared<VersionFlags>();
  CLI::App* command = add_of_one(schedules, "update", "Replace one by what its JSON says", flags);
  command->add_option("FILE", flags->file, "file, or - for standard input")->capture_default_str();
  add_if_match(command, flags);
  run_on(command, session, [flags, &session](Api& api) {
    auto body = read_input(flags->file, limits::kHttpBodyBytes);
    if (!body) return report(body.error());
    return show_object(session, api.send(changing(*flags, "PUT", path_of(*flags), std::move(*body))));
  });
}

void add_rollback(CLI::App* schedules, Session& session) {
  const auto flags = std::make_shared<VersionFlags>();
  CLI::App* command = add_of_one(schedules, "rollback", "Make an old version the newest", flags);
  command->add_option("VERSION", flags->version, "number of the version")->required();
  add_if_match(command, flags);
  run_on(command, session, [flags, &session](Api& api) {
    const std::string body = dump_json(Json{{"version", flags->version}});
    return show_object(session, api.send(changing(*flags, "POST", path_of(*flags) + "/rollback", body)));
  });
}

}  // namespace

void add_versions(CLI::App* schedules, Session& session) {
  const auto flags = std::make_shared<VersionFlags>();
  run_on(add_of_one(schedules, "versions", "Show every change of one, newest first", flags), session,
         [flags, &session](Api& api) {
           return show_list(session, api, path_of(*flags) + "/versions",
                            {{"VERSION", "version"}, {"AT", "at"}, {"WHO", "who"}, {"WHAT", "what"}});
         });
  add_update(schedules, session);
  add_rollback(schedules, session);
}

}  // namespace duly::cli
