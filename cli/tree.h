// The command line described by itself: what completion and the manual page are made of, so that neither can
// tell of a flag that is not there or forget one that is.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace duly::cli {

struct FlagDoc {
  std::vector<std::string> names;  // "-o", "--state"; of a word "FILE"
  std::string help;
  std::string value;  // what it takes, "FILE"; empty = it is a switch
  std::string default_text;
  std::string variable;  // of the environment
  std::vector<std::string> choices;
  bool required = false;
  bool repeatable = false;

  [[nodiscard]] bool takes_file() const { return value == "FILE"; }
};

struct CommandDoc {
  std::string name;
  std::string help;
  std::vector<FlagDoc> flags;
  std::vector<FlagDoc> words;  // arguments without dashes, in their order
  std::vector<CommandDoc> commands;
};

CommandDoc describe(const CLI::App& app);

// Of all names of commands and flags in the tree the one most like `word`; empty when none is.
std::string closest(const CommandDoc& tree, const std::string& word);

}  // namespace duly::cli
