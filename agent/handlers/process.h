// A program run to its end: its output captured up to a cap, its whole group killed when it must stop.
//
// The rest of its output is read and thrown away, so a flood neither blocks it nor fills memory.  When `stop`
// is requested the group gets SIGTERM, a grace of kExecGrace, then SIGKILL.  When the program itself has
// ended, what is left of its group is killed too: nothing of an attempt runs on after its result. Blocks the
// calling thread, which must live as long as the program (child_process.h).
#pragma once

#include <stop_token>

#include "agent/handlers/child_process.h"
#include "common/base/time.h"

namespace duly {

inline constexpr milliseconds kExecGrace{1000};

struct CapturedOutput {
  std::string text;  // bytes as they came
  bool truncated = false;
};

struct ProcessEnd {
  int status = 0;  // as of waitpid
  bool stopped = false;
  CapturedOutput output;
  CapturedOutput error_output;
};

// Captures at most `most` bytes of each of the two outputs.  An error when the program could not be started.
Result<ProcessEnd> run_process(const ChildSpec& spec, std::size_t most, std::stop_token stop);

}  // namespace duly
