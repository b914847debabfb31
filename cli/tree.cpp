#include "cli/tree.h"

#include <algorithm>
#include <sstream>

#include "common/model/state_table.h"

namespace duly::cli {
namespace {

// CLI11 writes "TEXT:{a,b}", "INT:INT in [0 - 9]" or "INT:POSITIVE".
std::string value_of(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return {};
  const std::string type = option.get_type_name();
  return type.substr(0, type.find_first_of(":( "));
}

std::vector<std::string> choices_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find(":{");
  const std::size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  std::istringstream list(type.substr(open + 2, close - open - 2));
  std::vector<std::string> choices;
  for (std::string choice; std::getline(list, choice, ',');) choices.push_back(choice);
  return choices;
}

FlagDoc describe_option(const CLI::Option& option) {
  FlagDoc doc;
  if (option.get_positional()) {
    doc.names.push_back(option.get_name(true));
    doc.value = doc.names.front();
  } else {
    for (const std::string& name : option.get_snames()) doc.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames()) doc.names.push_back("--" + name);
    doc.value = value_of(option);
    doc.variable = option.get_envname();
  }
  doc.help = option.get_description();
  doc.default_text = option.get_default_str();
  doc.choices = choices_of(option);
  // Not checked here: the server says which of them it takes where.
  if (doc.value == "STATE") {
    for (const State state : kStates) doc.choices.emplace_back(name_of(state));
  }
  doc.required = option.get_required();
  doc.repeatable = option.get_items_expected_max() > 1;
  return doc;
}

// How many letters have to be changed, put in or left out to make the one from the other.
std::size_t distance(const std::string& one, const std::string& other) {
  std::vector<std::size_t> row(other.size() + 1);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = i;
  for (std::size_t i = 1; i <= one.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= other.size(); ++j) {
      const std::size_t changed = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

void collect_names(const CommandDoc& tree, std::vector<std::string>& into) {
  for (const FlagDoc& flag : tree.flags) into.insert(into.end(), flag.names.begin(), flag.names.end());
  for (const CommandDoc& command : tree.commands) {
    into.push_back(command.name);
    collect_names(command, into);
  }
}

}  // namespace

CommandDoc describe(const CLI::App& app) {
  CommandDoc doc;
  doc.name = app.get_name();
  doc.help = app.get_description();
  for (const CLI::Option* option : app.get_options())
    (option->get_positional() ? doc.words : doc.flags).push_back(describe_option(*option));
  for (const CLI::App* command : app.get_subcommands({})) doc.commands.push_back(describe(*command));
  return doc;
}

std::string closest(const CommandDoc& tree, const std::string& word) {
  std::vector<std::string> names;
  collect_names(tree, names);
  std::string best;
  std::size_t least = word.size() / 3 + 2;  // with as many changes it would be a guess
  for (const std::string& name : names) {
    const std::size_t changes = distance(name, word);
    if (changes == 0 || changes >= least) continue;  // the same word is known, and wrong where it stands
    least = changes;
    best = name;
  }
  return best;
}

}  // namespace duly::cli
