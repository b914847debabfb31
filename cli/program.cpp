#include "cli/program.h"

#include <algorithm>

#include "cli/documents.h"
#include "cli/output.h"
#include "cli/settings.h"

namespace duly::cli {
namespace {

void add_common_flags(CLI::App& app, Session& session, std::string& config) {
  app.set_version_flag("--version", std::string("duly " DULY_VERSION));
  app.add_option("--server", session.server, "URL of the server")->type_name("URL")->capture_default_str();
  // Better in the environment or the file: arguments are visible to every user of the machine.
  app.add_option("--api-key", session.api_key, "API key (better given as DULY_API_KEY)")->type_name("KEY");
  app.add_option("--tls-ca", session.tls_ca,
                 "who may have signed the server's certificate (https://; else whom the system trusts)")
      ->type_name("FILE");
  app.add_option("--tls-cert", session.tls_cert, "certificate to show to the server, where it asks for one")
      ->type_name("FILE");
  app.add_option("--tls-key", session.tls_key, "the key of --tls-cert")->type_name("FILE");
  app.add_option("--output", session.output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--config", config, "read flags from this file, lines of: some-flag = value")
      ->type_name("FILE");
}

// These two need no server.
void add_documents(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  CLI::App* completion =
      app.add_subcommand("completion", "Print a script that lets a shell complete this command line");
  completion->add_option("SHELL", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  completion->callback([shell, &app] {
    const CommandDoc tree = describe(app);
    print_line(*shell == "bash" ? bash_completion(tree) : zsh_completion(tree));
  });
  app.add_subcommand("man", "Print the manual page: duly man | man -l -")->callback([&app] {
    print_line(manual_page(describe(app)));
  });
}

}  // namespace

std::unique_ptr<CLI::App> make_program(Session& session, std::string& config) {
  auto app = std::make_unique<CLI::App>("Commands that run when they are due", "duly");
  app->require_subcommand(1);
  app->fallthrough();  // so that --server and the like may stand after the subcommand
  add_common_flags(*app, session, config);
  add_submit(*app, session);
  add_show(*app, session);
  add_change(*app, session);
  add_explain(*app, session);
  add_load(*app, session);
  add_export(*app, session);
  add_operations(*app, session);
  add_schedules(*app, session);
  add_workflows(*app, session);
  add_cluster(*app, session);
  add_queues(*app, session);
  add_events(*app, session);
  add_server(*app, session);
  add_top(*app, session);
  add_documents(*app);
  name_variables(*app);
  return app;
}

std::string usage_line(const CLI::App& program, const CLI::ParseError& problem) {
  std::string line = problem.what();
  for (char& c : line) c = c == '\n' ? ' ' : c;
  std::string place = "duly";
  const CLI::App* at = &program;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    place += " " + at->get_name();
  }
  const std::vector<std::string> unknown = program.remaining(true);
  if (!unknown.empty()) {
    // A flag that is not known leaves its value over, too.
    const auto flag = std::find_if(unknown.begin(), unknown.end(),
                                   [](const std::string& word) { return word.rfind('-', 0) == 0; });
    const std::string& word = flag == unknown.end() ? unknown.front() : *flag;
    if (at == &program && flag == unknown.end()) line = "there is no command \"" + word + "\"";
    const std::string meant = closest(describe(program), word);
    if (!meant.empty()) line += "; did you mean " + meant + "?";
  }
  return printable(line) + " (" + place + " --help)";
}

}  // namespace duly::cli
