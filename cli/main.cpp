// duly: the command line.  Everything it does is a request to the server's HTTP interface.
#include <cstdio>

#include "cli/session.h"
#include "cli/settings.h"

namespace duly::cli {
namespace {

void add_common_flags(CLI::App& app, Session& session, std::string& config) {
  app.set_version_flag("--version", std::string("duly " DULY_VERSION));
  app.add_option("--server", session.server, "URL of the server")->type_name("URL")->capture_default_str();
  // Better in the environment or the file: arguments are visible to every user of the machine.
  app.add_option("--api-key", session.api_key, "API key (better given as DULY_API_KEY)")->type_name("KEY");
  app.add_option("--output", session.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--config", config, "read flags from this file, lines of: some-flag = value")
      ->type_name("FILE");
}

int run(int argc, char** argv) {
  Session session;
  std::string config;
  CLI::App app("Commands that run when they are due", "duly");
  app.require_subcommand(1);
  app.fallthrough();  // so that --server and the like may stand after the subcommand
  add_common_flags(app, session, config);
  add_submit(app, session);
  add_show(app, session);
  add_change(app, session);
  add_load(app, session);
  add_export(app, session);
  add_cluster(app, session);
  add_schedules(app, session);
  add_workflows(app, session);
  name_variables(app);
  if (auto applied = apply_config_file(app, argc, argv); !applied) {
    std::fprintf(stderr, "duly: %s\n", applied.error().what.c_str());
    return kUsage;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return app.exit(problem);  // --help and --version
    std::fprintf(stderr, "duly: %s\n", problem.what());
    return kUsage;
  }
  return session.exit_code;
}

}  // namespace
}  // namespace duly::cli

int main(int argc, char** argv) { return duly::cli::run(argc, argv); }
