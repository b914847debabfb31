// What a process does on SIGTERM, SIGINT, SIGHUP and SIGPIPE.
//
// The first SIGTERM or SIGINT calls `stop` on the loop.  The second ends the process at once (exit code 128 +
// signal), even when the loop hangs: a thread of its own waits for the signals.  SIGHUP calls `reload` on the
// loop; without one it ends the process as ever.  SIGPIPE is ignored.
//
// Make it in main() before any other thread is started: the signals must be blocked in all of them.  A child
// process inherits that; who starts one has to reset it (agent/handlers/child_process.cpp does).
#pragma once

#include <functional>
#include <thread>

#include "common/base/result.h"
#include "common/runtime/loop.h"

namespace duly {

class Signals {
 public:
  using Callback = std::function<void()>;

  // `loop` must outlive it.
  Signals(Loop& loop, Callback stop, Callback reload = {});
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  void watch();
  void take(int signal);

  Loop& loop_;
  const Callback stop_;
  const Callback reload_;
  int signals_ = -1;  // signalfd
  int quit_ = -1;     // eventfd
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace duly
