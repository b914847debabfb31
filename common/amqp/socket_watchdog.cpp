#include "common/amqp/socket_watchdog.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "common/base/assert.h"
#include "common/base/log.h"

namespace duly {

bool WatchedLine::open(int descriptor) {
  MutexLock lock(mutex_);
  DULY_ASSERT(descriptor_ == -1);
  descriptor_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  return descriptor_ >= 0;
}

void WatchedLine::close() {
  MutexLock lock(mutex_);
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void WatchedLine::cut() {
  MutexLock lock(mutex_);
  if (descriptor_ >= 0) ::shutdown(descriptor_, SHUT_RDWR);
}

SocketWatchdog::SocketWatchdog(const Loop& clock, Duration interval, std::vector<WatchedLine*> lines,
                               std::function<void()> also)
    : clock_(clock), interval_(interval), lines_(std::move(lines)), also_(std::move(also)), thread_([this] {
        watch();
      }) {}

SocketWatchdog::~SocketWatchdog() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  thread_.join();
}

void SocketWatchdog::watch() {
  MutexLock lock(mutex_);
  while (!stop_) {
    stopped_.wait_for(mutex_, interval_);
    const MonoTime now = clock_.now();
    for (WatchedLine* line : lines_) {
      if (!line->overdue(now)) continue;
      log(LogLevel::warn, "amqp", "the broker takes nothing: connection cut");
      line->cut();
    }
    also_();
  }
}

}  // namespace duly
