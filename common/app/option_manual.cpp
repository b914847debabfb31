// The manual page of a program, made of its table of flags, in the man macros of roff.
#include <algorithm>
#include <cctype>

#include "common/app/options.h"
#include "common/base/roff.h"

namespace duly {
namespace {

std::string in_bold(const std::string& text) { return "\\fB" + roff(text) + "\\fR"; }
std::string in_italic(const std::string& text) { return "\\fI" + roff(text) + "\\fR"; }

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string choices_of(const OptionSpec& spec) {
  std::string text;
  for (const std::string& choice : spec.choices) text += (text.empty() ? "" : "|") + in_bold(choice);
  return text;
}

std::string flag_paragraph(const OptionSpec& spec) {
  std::string text = ".TP\n" + in_bold("--" + spec.name);
  const bool one_of = spec.kind == OptionKind::text && !spec.choices.empty();
  if (spec.kind != OptionKind::toggle) text += " " + (one_of ? choices_of(spec) : in_italic(spec.value_name));
  text += "\n" + roff(spec.help);
  if (spec.kind == OptionKind::list) text += " (comma separated)";
  if (spec.kind == OptionKind::repeated) text += " (repeatable)";
  if (!spec.default_text.empty()) text += " [" + roff(spec.default_text) + "]";
  return text + "\n";
}

constexpr const char* kLastSections = R"(.SH ENVIRONMENT
Every flag \fB\-\-some\-flag\fR can be given as \fBDULY_SOME_FLAG\fR, or as a line \fBsome\-flag = value\fR of the file
that \fB\-\-config\fR names; a flag beats the environment, the environment the file.
.TP
.B NOTIFY_SOCKET\fR, \fBWATCHDOG_USEC
of a service manager, see
.BR sd_notify (3):
it is told when the program is ready and when it leaves, and again and again that its loops still turn.
.SH EXIT STATUS
.TP
.B 0
an orderly end
.TP
.B 1
it cannot start as things are (a port is taken, the store is in use), and says why in one line
.TP
.B 2
called the wrong way
.TP
.B 70
the disk can no longer be trusted: start it again
.SH SEE ALSO
.BR duly (1),
.BR duly\-server (1),
.BR duly\-agent (1)
)";

}  // namespace

std::string manual_page(const OptionTable& table) {
  std::string page = ".\\\" Made by `" + table.program + " man`.\n.TH " + roff(upper(table.program)) +
                     " 1 \"\" \"duly " DULY_VERSION "\" \"User Commands\"\n.SH NAME\n" + roff(table.program) +
                     " \\- " + roff(table.summary) + "\n.SH SYNOPSIS\n" + in_bold(table.program) + " [" +
                     in_italic("flags") + "]\n";
  for (const WordHelp& each : table.words)
    page += ".br\n" + in_bold(table.program) + " [" + in_italic("flags") + "] " + roff(each.words) + "\n";
  page += ".SH DESCRIPTION\nRuns until SIGTERM or SIGINT, and leaves in order within\n" +
          in_bold("--drain-ms") + "; a second signal ends it at once.\n";
  for (const WordHelp& each : table.words)
    page += ".TP\n" + in_bold(each.words) + "\n" + roff(each.help) + "\n";
  page += ".SH OPTIONS\n";
  for (const OptionSpec& spec : table.options) page += flag_paragraph(spec);
  page += flag_paragraph({"config", OptionKind::text, "", "read flags from this file", "FILE"});
  page += flag_paragraph({"help", OptionKind::toggle, "", "show the flags and exit"});
  page += flag_paragraph({"version", OptionKind::toggle, "", "show the version and exit"});
  return page + kLastSections;
}

}  // namespace duly
