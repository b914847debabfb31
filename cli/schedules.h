// Parts of `duly schedules` that have a file of their own.
#pragma once

#include "cli/session.h"

namespace duly::cli {

void add_backfill(CLI::App* schedules, Session& session);

}  // namespace duly::cli
