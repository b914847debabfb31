// Crash simulation (contract section 6): named places in the code where this process can be made to die, hang
// or lose its connections.
//
// The code calls pass() at each such place.  With nothing armed that costs one relaxed load.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/wire/messages.h"

namespace duly {

// The places of an agent and of the server, by contract.
const std::vector<std::string>& agent_crash_points();
const std::vector<std::string>& server_crash_points();

// Whether the strike is well formed and names one of `points` or "now".
Status check_strike(const Strike& strike, const std::vector<std::string>& points);

class CrashPoints {
 public:
  using Disconnect = std::function<void(Duration)>;

  // `disconnect` is called, by the thread that passes the point, to drop this process's connections for a
  // time.
  CrashPoints(std::vector<std::string> points, Disconnect disconnect);

  // Strikes at once for the point "now" (a kill does not return, a hang returns after its time); otherwise
  // the `after`-th time the point is passed, once.  Any thread; several may be armed.
  Status arm(const Strike& strike) DULY_EXCLUDES(mutex_);

  // Any thread, without locks held that others need: it may block for the time of a hang.
  void pass(std::string_view point) {
    if (armed_.load(std::memory_order_relaxed) != 0) pass_armed(point);
  }

 private:
  void pass_armed(std::string_view point) DULY_EXCLUDES(mutex_);
  void perform(const Strike& strike) const;

  const std::vector<std::string> points_;
  const Disconnect disconnect_;
  std::atomic<int> armed_{0};
  Mutex mutex_;
  std::vector<Strike> strikes_ DULY_GUARDED_BY(mutex_);  // `after` counts down
};

}  // namespace duly
