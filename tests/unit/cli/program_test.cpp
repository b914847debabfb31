#include "cli/program.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "cli/documents.h"

namespace duly::cli {
namespace {

using Catch::Matchers::Contains;

struct Program {
  Session session;
  std::string config;
  std::unique_ptr<CLI::App> app = make_program(session, config);
  CommandDoc tree = describe(*app);
};

const CommandDoc& command_named(const CommandDoc& tree, const std::string& name) {
  for (const CommandDoc& command : tree.commands) {
    if (command.name == name) return command;
  }
  FAIL("no command " << name);
  return tree;
}

const FlagDoc& flag_named(const CommandDoc& command, const std::string& name) {
  for (const FlagDoc& flag : command.flags) {
    for (const std::string& each : flag.names) {
      if (each == name) return flag;
    }
  }
  FAIL("no flag " << name);
  return command.flags.front();
}

void check_helps(const CommandDoc& command) {
  CAPTURE(command.name);
  CHECK_FALSE(command.help.empty());
  for (const FlagDoc& flag : command.flags) CHECK_FALSE(flag.help.empty());
  for (const CommandDoc& each : command.commands) check_helps(each);
}

// What `arguments` are refused with, or "".
std::string refusal(std::vector<std::string> arguments) {
  Program program;
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    program.app->parse(arguments);
    return "";
  } catch (const CLI::ParseError& problem) {
    return usage_line(*program.app, problem);
  }
}

}  // namespace

TEST_CASE("the description has each flag with what it takes, and a help for everything") {
  const Program program;
  check_helps(program.tree);
  CHECK(flag_named(program.tree, "--output").choices == std::vector<std::string>{"table", "json"});
  CHECK(flag_named(program.tree, "--server").default_text == "http://127.0.0.1:8080");
  CHECK(flag_named(program.tree, "--config").takes_file());
  CHECK(flag_named(program.tree, "--help").value.empty());
  const CommandDoc& list = command_named(program.tree, "list");
  CHECK(flag_named(list, "--watch").value.empty());
  CHECK(flag_named(list, "--limit").value == "INT");
  CHECK(flag_named(list, "--state").choices.front() == "waiting");
  CHECK(flag_named(list, "--label").repeatable);
  CHECK(flag_named(list, "--state").variable == "DULY_STATE");
  const CommandDoc& get = command_named(program.tree, "get");
  REQUIRE(get.words.size() == 1);
  CHECK((get.words[0].names[0] == "ID" && get.words[0].required));
  CHECK(command_named(command_named(program.tree, "schedules"), "next").words[0].names[0] == "NAME");
}

TEST_CASE("what selects the commands to change is not taken from the environment") {
  const Program program;
  for (const char* verb : {"cancel", "retry"}) {
    const CommandDoc& command = command_named(program.tree, verb);
    for (const char* name : {"--state", "--type", "--queue", "--key", "--label", "--due-before", "--all"})
      CHECK(flag_named(command, name).variable.empty());
    CHECK(flag_named(command, "--dry-run").variable == "DULY_DRY_RUN");
  }
}

TEST_CASE("completion and manual name every command and every flag") {
  const Program program;
  const std::string texts[] = {bash_completion(program.tree), zsh_completion(program.tree)};
  const std::string manual = manual_page(program.tree);
  for (const CommandDoc& command : program.tree.commands) {
    for (const std::string& text : texts) CHECK_THAT(text, Contains("'duly " + command.name + "'"));
    CHECK_THAT(manual, Contains(".SS \"" + command.name + "\""));
    for (const FlagDoc& flag : command.flags) {
      for (const std::string& text : texts) CHECK_THAT(text, Contains(flag.names.back()));
    }
  }
  CHECK_THAT(manual, Contains("\\fB\\-\\-output\\fR \\fBtable\\fR|\\fBjson\\fR"));
  CHECK_THAT(manual, !Contains("\xE2"));
}

TEST_CASE("a wrong argument is answered in one line that says where to look and what was meant") {
  CHECK_THAT(refusal({"list", "--stat", "dead"}),
             Contains("did you mean --state?") && Contains("(duly list --help)"));
  CHECK_THAT(refusal({"lst"}), Contains("did you mean list?"));
  CHECK_THAT(refusal({"list", "--output", "xml"}), Contains("xml") && !Contains("\n"));
  CHECK_THAT(refusal({}), Contains("(duly --help)"));
  CHECK_THAT(refusal({"submit"}), Contains("TYPE is required") && Contains("(duly submit --help)"));
  CHECK_THAT(refusal({"list", "--zzzzzzzzzzzz"}), !Contains("did you mean"));
}

}  // namespace duly::cli
