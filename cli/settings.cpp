#include "cli/settings.h"

#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <string_view>

#include "cli/session.h"

namespace duly::cli {
namespace {

std::string variable_of(std::string_view flag) {
  std::string name = "DULY_";
  for (const char c : flag)
    name += static_cast<char>(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

void collect_variables(const CLI::App& app, std::set<std::string>& into) {
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_envname().empty()) into.insert(option->get_envname());
  }
  for (const CLI::App* command : app.get_subcommands({})) collect_variables(*command, into);
}

std::string config_path(int argc, const char* const* argv) {
  constexpr std::string_view kFlag = "--config";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == kFlag && i + 1 < argc) return argv[i + 1];
    if (word.rfind("--config=", 0) == 0) return std::string(word.substr(kFlag.size() + 1));
  }
  const char* variable = std::getenv("DULY_CONFIG");
  return variable == nullptr ? "" : variable;
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlank) - begin + 1));
}

Status apply_line(const std::string& line, const std::string& place, const std::set<std::string>& known) {
  if (line.empty() || line[0] == '#') return ok_status();
  const std::size_t equals = line.find('=');
  if (equals == std::string::npos) return invalid(place + ": not of the form some-flag = value");
  const std::string flag = trimmed(line.substr(0, equals));
  const std::string variable = variable_of(flag);
  if (flag == "config" || !known.contains(variable)) return invalid(place + ": unknown key \"" + flag + "\"");
  const char* present = std::getenv(variable.c_str());
  if (present != nullptr && *present != '\0') return ok_status();
  ::setenv(variable.c_str(), trimmed(line.substr(equals + 1)).c_str(), 1);
  return ok_status();
}

}  // namespace

void name_variables(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const bool informs = option == app.get_help_ptr() || option == app.get_version_ptr();
    if (!informs && option->get_group() != kSelecting && !option->get_lnames().empty())
      option->envname(variable_of(option->get_lnames().front()));
  }
  for (CLI::App* command : app.get_subcommands({})) name_variables(*command);
}

Status apply_config_file(const CLI::App& app, int argc, const char* const* argv) {
  const std::string path = config_path(argc, argv);
  if (path.empty()) return ok_status();
  std::set<std::string> known;
  collect_variables(app, known);
  std::ifstream file(path);
  if (!file) return invalid("--config: cannot read " + path);
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    if (auto done = apply_line(trimmed(line), path + ":" + std::to_string(number), known); !done) return done;
  }
  return ok_status();
}

}  // namespace duly::cli
