// Tells systemd how the process is (sd_notify(3), with Type=notify), without its library.
//
// Operation.  When the manager wants to be told that the process is well (WATCHDOG_USEC), a task goes through
// all loops that matter, one after the other, and says so from the last; it goes again after a third of the
// manager's limit.  A loop that hangs holds it up, and the manager starts the program anew.
// Without NOTIFY_SOCKET everything here does nothing.  A manager that does not read is told nothing, and
// holds nobody up for more than a second. Concurrency.  Made in main(); the rest on the thread of `loop`.
#pragma once

#include <string>
#include <vector>

#include "common/app/options.h"
#include "common/base/time.h"
#include "common/runtime/loop.h"

namespace duly {

class ServiceManager {
 public:
  // `own_pid`: what WATCHDOG_PID must name, if it is there.
  ServiceManager(const Environment& environment, int own_pid);
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  // Whether there is one.
  [[nodiscard]] bool there() const { return socket_ >= 0; }
  void ready() const { tell("READY=1", Patience::a_moment); }
  void reloading() const { tell("RELOADING=1", Patience::a_moment); }  // ready() ends it
  void stopping() const { tell("STOPPING=1", Patience::a_moment); }

  // Begins to feed the watchdog, if there is one.  All loops outlive this, and `loop` all tasks of the
  // others.
  void watch(Loop& loop, std::vector<Loop*> others);

 private:
  enum class Patience : bool { none, a_moment };  // with a manager whose queue is full
  void tell(const std::string& state, Patience patience) const;
  void go_round();
  void visit(std::size_t next);

  std::string address_;
  int socket_ = -1;
  Duration limit_{0};  // 0 = no watchdog
  Loop* loop_ = nullptr;
  std::vector<Loop*> others_;
};

// Of this process.
Environment process_environment();

}  // namespace duly
