// One thread's view of time and work.  Everything a core does happens in a task of one Loop.
//
// Contract (tests/contract/loop_contract.h runs it against every implementation):
//  - tasks posted from one thread run in that order, each alone, never inside post() or at();
//  - a task given to at() runs once, not before `when`, and in order of `when`;
//  - after stop() no further task starts.
#pragma once

#include <functional>

#include "common/base/time.h"

namespace duly {

class Loop {
 public:
  using Task = std::function<void()>;

  virtual ~Loop() = default;
  virtual MonoTime now() const = 0;               // for intervals; any thread
  virtual WallTime wall() const = 0;              // for due times; any thread
  virtual void post(Task task) = 0;               // any thread
  virtual void at(MonoTime when, Task task) = 0;  // loop thread only

  Moment moment() const { return Moment{now(), wall()}; }
};

}  // namespace duly
