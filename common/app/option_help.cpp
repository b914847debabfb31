#include <algorithm>

#include "common/app/options.h"

namespace duly {
namespace {

std::string left_side(const OptionSpec& spec) {
  std::string side = "  --" + spec.name;
  if (spec.kind != OptionKind::toggle) side += " " + spec.value_name;
  return side;
}

std::string right_side(const OptionSpec& spec) {
  std::string side = spec.help;
  if (spec.kind == OptionKind::list) side += " (comma separated)";
  if (spec.kind == OptionKind::repeated) side += " (repeatable)";
  if (!spec.default_text.empty()) side += " [" + spec.default_text + "]";
  return side;
}

}  // namespace

std::string environment_name(std::string_view option) {
  std::string name = "DULY_";
  for (const char c : option) {
    if (c == '-') {
      name += '_';
    } else {
      name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
  }
  return name;
}

std::string help_text(const OptionTable& table) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const OptionSpec& spec : table.options) lines.emplace_back(left_side(spec), right_side(spec));
  lines.emplace_back("  --config FILE", "read flags from this file, lines of: some-flag = value");
  lines.emplace_back("  --help", "show this and exit");
  lines.emplace_back("  --version", "show the version and exit");
  std::size_t widest = 0;
  for (const auto& line : lines) widest = std::max(widest, line.first.size());

  std::string text = table.program + ": " + table.summary + "\n\nUsage: " + table.program + " [flags]";
  if (!table.argument_help.empty()) text += " " + table.argument_help;
  text += "\n\n";
  for (const auto& line : lines) {
    text += line.first + std::string(widest + 2 - line.first.size(), ' ') + line.second + "\n";
  }
  text +=
      "\nEvery flag can also be given as an environment variable, --some-flag as DULY_SOME_FLAG.\n"
      "A flag beats the environment, the environment beats the file.\n";
  return text;
}

}  // namespace duly
