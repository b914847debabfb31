// duly: the command line.  Everything it does is a request to the server's HTTP interface.
#include <cstdio>

#include "cli/program.h"
#include "cli/settings.h"

namespace duly::cli {
namespace {

int run(int argc, char** argv) {
  Session session;
  std::string config;
  const auto program = make_program(session, config);
  if (auto applied = apply_config_file(*program, argc, argv); !applied) {
    std::fprintf(stderr, "duly: %s\n", applied.error().what.c_str());
    return kUsage;
  }
  try {
    program->parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return program->exit(problem);  // --help and --version
    std::fprintf(stderr, "duly: %s\n", usage_line(*program, problem).c_str());
    return kUsage;
  }
  return session.exit_code;
}

}  // namespace
}  // namespace duly::cli

int main(int argc, char** argv) { return duly::cli::run(argc, argv); }
