#include "common/app/crash.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/app/freeze.h"

namespace duly {
namespace {

constexpr std::size_t kArmedAtOnce = 64;
constexpr std::int64_t kLongestMs = 24LL * 3'600'000;
constexpr std::int64_t kMostPasses = 1'000'000'000;
constexpr int kKilledExit = 128 + SIGKILL;

[[noreturn]] void die() {
  ::kill(::getpid(), SIGKILL);
  // Process 1 of a container is protected from its own SIGKILL.
  ::_exit(kKilledExit);
}

bool contains(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

const std::vector<std::string>& agent_crash_points() {
  static const std::vector<std::string> kPoints = {
      "dispatch.after-poll",    "dispatch.before-publish", "dispatch.after-publish", "dispatch.after-confirm",
      "execute.after-delivery", "execute.after-begin",     "execute.after-handler",  "execute.after-finish"};
  return kPoints;
}

const std::vector<std::string>& server_crash_points() {
  static const std::vector<std::string> kPoints = {"store.before-commit", "store.after-commit",
                                                   "link.before-reply", "api.before-reply"};
  return kPoints;
}

Status check_strike(const Strike& strike, const std::vector<std::string>& points) {
  if (!contains({"kill", "hang", "disconnect"}, strike.mode)) {
    return invalid("mode is not kill, hang or disconnect");
  }
  if (strike.point != "now" && !contains(points, strike.point)) {
    return invalid("point is neither now nor a place of this process: " + strike.point);
  }
  if (strike.after < 1 || strike.after > kMostPasses) return invalid("after is out of range");
  if (strike.duration_ms < 0 || strike.duration_ms > kLongestMs)
    return invalid("duration_ms is out of range");
  return ok_status();
}

CrashPoints::CrashPoints(std::vector<std::string> points, Disconnect disconnect)
    : points_(std::move(points)), disconnect_(std::move(disconnect)) {
  DULY_ASSERT(disconnect_);
}

Status CrashPoints::arm(const Strike& strike) {
  if (auto checked = check_strike(strike, points_); !checked) return checked;
  if (strike.point == "now") {
    perform(strike);
    return ok_status();
  }
  const MutexLock lock(mutex_);
  if (strikes_.size() >= kArmedAtOnce) return Error{Errc::overloaded, "too many strikes are armed"};
  strikes_.push_back(strike);
  armed_.fetch_add(1);
  return ok_status();
}

void CrashPoints::pass_armed(std::string_view point) {
  std::vector<Strike> due;
  {
    const MutexLock lock(mutex_);
    for (Strike& strike : strikes_) {
      if (strike.point == point && --strike.after == 0) due.push_back(strike);
    }
    std::erase_if(strikes_, [](const Strike& strike) { return strike.after == 0; });
    armed_.store(static_cast<int>(strikes_.size()));
  }
  for (const Strike& strike : due) perform(strike);
}

void CrashPoints::perform(const Strike& strike) const {
  const Duration length = milliseconds{strike.duration_ms};
  if (strike.mode == "kill") die();
  if (strike.mode == "hang") return freeze_process(length);
  disconnect_(length);
}

}  // namespace duly
