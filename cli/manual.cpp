// The manual page, in the man macros of roff.
#include "cli/documents.h"
#include "common/base/roff.h"

namespace duly::cli {
namespace {

std::string bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

std::string value_text(const FlagDoc& flag) {
  if (flag.choices.empty()) return italic(flag.value);
  std::string text;
  for (const std::string& choice : flag.choices) text += (text.empty() ? "" : "|") + bold(choice);
  return text;
}

std::string flag_text(const FlagDoc& flag) {
  std::string names;
  for (const std::string& name : flag.names) names += (names.empty() ? "" : ", ") + bold(name);
  std::string text = ".TP\n" + names + (flag.value.empty() ? "" : " " + value_text(flag)) + "\n" +
                     roff(flag.help.empty() ? "\xE2\x80\xA6" : flag.help);
  if (!flag.default_text.empty()) text += " (" + roff(flag.default_text) + ")";
  return text + "\n";
}

bool is_help(const FlagDoc& flag) {
  for (const std::string& name : flag.names) {
    if (name == "--help") return true;
  }
  return false;
}

std::string synopsis(const CommandDoc& command, const std::string& place) {
  std::string text = bold(place);
  for (const FlagDoc& word : command.words)
    text += word.required ? " " + italic(word.names[0]) : " [" + italic(word.names[0]) + "]";
  return text;
}

// A command with subcommands of its own is listed when it does something without them, too.
void add_command(std::string& page, const CommandDoc& command, const std::string& place) {
  page += ".SS \"" + roff(place.substr(place.find(' ') + 1)) + "\"\n" + synopsis(command, place) + "\n.PP\n" +
          roff(command.help) + ".\n";
  for (const FlagDoc& word : command.words) {
    if (!word.help.empty()) page += ".TP\n" + italic(word.names[0]) + "\n" + roff(word.help) + "\n";
  }
  for (const FlagDoc& flag : command.flags) {
    if (!is_help(flag)) page += flag_text(flag);
  }
  for (const CommandDoc& each : command.commands) add_command(page, each, place + " " + each.name);
}

constexpr const char* kEnd = R"(.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
refused by the server, or no answer
.TP
.B 2
called the wrong way
.TP
.B 3
there is no such thing
.SH ENVIRONMENT
Every flag \fB\-\-some\-flag\fR can be given as \fBDULY_SOME_FLAG\fR, or as a line \fBsome\-flag = value\fR of the file
that \fB\-\-config\fR or \fBDULY_CONFIG\fR names; a flag beats the environment, the environment the file.
Only what selects the commands to cancel or to retry is taken from flags alone.
\fBDULY_API_KEY\fR is a better place for a key than the command line, which every user of the machine can read.
.TP
.B NO_COLOR
no colours, also on a terminal
.SH EXAMPLES
.nf
duly submit builtin.echo \-\-payload '{"hello": "world"}' \-\-delay\-ms 2000 \-\-wait 10000
duly list \-\-state dead \-\-output json
duly retry \-\-state dead \-\-queue mail
duly load commands.ndjson
duly top
source <(duly completion bash)
.fi
)";

}  // namespace

std::string manual_page(const CommandDoc& tree) {
  std::string page =
      ".\\\" Made by `duly man`.\n.TH DULY 1 \"\" \"duly " DULY_VERSION "\" \"User Commands\"\n";
  page += ".SH NAME\nduly \\- " + roff(tree.help) + "\n.SH SYNOPSIS\n" + bold(tree.name) + " [" +
          italic("flags") + "] " + italic("command") + " [" + italic("arguments") + "]\n";
  page +=
      ".SH DESCRIPTION\nEverything that\n.B duly\ndoes is a request to the HTTP interface of a Duly server. "
      "It prints "
      "tables, or with\n" +
      bold("--output json") +
      " what the server answers.\n.SH OPTIONS\nThese may stand behind any command, too.\n";
  for (const FlagDoc& flag : tree.flags) page += flag_text(flag);
  page += ".SH COMMANDS\n";
  for (const CommandDoc& command : tree.commands) add_command(page, command, tree.name + " " + command.name);
  return page + kEnd;
}

}  // namespace duly::cli
