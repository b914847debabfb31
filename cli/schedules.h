// Parts of `duly schedules` that have a file of their own.
#pragma once

#include "cli/session.h"

namespace duly::cli {

void add_backfill(CLI::App* schedules, Session& session);
void add_versions(CLI::App* schedules, Session& session);  // versions, update, rollback

}  // namespace duly::cli
