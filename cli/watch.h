// Shows the same thing again and again: --watch of whatever lists something.
#pragma once

#include <functional>

#include "cli/lists.h"

namespace duly::cli {

struct WatchFlags {
  bool watch = false;
  std::int64_t interval_ms = 1000;
};
void add_watch_flags(CLI::App* command, WatchFlags& flags);

// `work` once, or as often as `flags` say: on a terminal each time over the last one, elsewhere one after the
// other. What fails at first ends it; what fails later is shown, and asked again.
int watched(const Session& session, const WatchFlags& flags, const std::function<int()>& work);

// As run_on() of lists.h, with these flags.
void run_watched(CLI::App* command, Session& session, Work work);
// For a command that has subcommands: when none of them is given.
void run_watched_alone(CLI::App* command, Session& session, Work work);

}  // namespace duly::cli
