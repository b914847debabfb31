// duly schedules import: a crontab's entries as schedules of the server.
#pragma once

#include "cli/session.h"

namespace duly::cli {

// Adds `import` to `schedules`.
void add_import(CLI::App* schedules, Session& session);

}  // namespace duly::cli
