// Stops the whole process for a while, as SIGSTOP and SIGCONT from outside would.
#pragma once

#include "common/base/time.h"

namespace duly {

// Returns after `length`; until then no thread of the process runs.  Any thread, one at a time.
void freeze_process(Duration length);

// --- the two ways, for the tests
// ------------------------------------------------------------------------------

// A child process sends SIGSTOP and, after `length`, SIGCONT.  False when there could be no child.  Without
// effect (but waiting all the same) on process 1 of a container, which the kernel protects from signals of
// its own.
bool freeze_by_child(Duration length);

// Every thread of the process is made to sleep in a signal handler: for process 1.  A thread that blocks all
// signals goes on.
void freeze_by_handler(Duration length);

}  // namespace duly
