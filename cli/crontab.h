// A crontab as schedules: what each line asks for in Duly's words, and what could not be taken over.
//
// A command runs by `/bin/sh -c` (or the crontab's SHELL), with what the crontab sets in its environment and
// what follows a `%` on its standard input.  As under cron it runs once: it is not tried again when it fails,
// and a day is its time limit, since cron has none.  Its user, mail and home directory are not Duly's to
// give: the agent's user and directory hold, and the result keeps the output.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/wire/json.h"

namespace duly::cli {

struct CrontabEntry {
  int line = 0;
  std::string name;
  Json schedule;  // the body of POST /v1/schedules
};

struct CrontabLeftover {
  int line = 0;
  std::string text;
  std::string reason;
  bool is_entry = false;  // a command that will not run; otherwise a setting without effect
};

struct Crontab {
  std::vector<CrontabEntry> entries;
  std::vector<CrontabLeftover> leftovers;
};

struct CrontabOptions {
  std::string file = "crontab";   // its last part begins the names
  bool system_form = false;       // /etc/crontab, /etc/cron.d: a user stands before the command
  std::string time_zone = "UTC";  // where no CRON_TZ says otherwise
};

Crontab read_crontab(std::string_view text, const CrontabOptions& options);

// A command line as cron takes it apart: `%` ends it and begins its standard input, `\%` is a percent sign.
struct CrontabCommand {
  std::string command;
  std::string input;  // ends with a line feed unless empty
  bool has_input = false;
};
CrontabCommand split_percent(std::string_view text);

}  // namespace duly::cli
