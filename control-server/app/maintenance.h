// What duly-server does beside serving: `backup FILE`, `restore FILE` and `keys new NAME ROLE`.
#pragma once

#include "common/app/options.h"

namespace duly {

// Does what the words that are not flags ask for, backup and restore on the data folder of --data; answers
// the exit code, having told what was done or what was wrong in one line.  The main thread, before anything
// else is started.
int run_maintenance(const Options& options);

}  // namespace duly
