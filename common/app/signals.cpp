#include "common/app/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <utility>

#include "common/base/assert.h"
#include "common/base/log.h"

namespace duly {

Signals::Signals(Loop& loop, Callback stop, Callback reload)
    : loop_(loop), stop_(std::move(stop)), reload_(std::move(reload)) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t watched;
  ::sigemptyset(&watched);
  ::sigaddset(&watched, SIGTERM);
  ::sigaddset(&watched, SIGINT);
  if (reload_) ::sigaddset(&watched, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &watched, nullptr);
  signals_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
  quit_ = ::eventfd(0, EFD_CLOEXEC);
  DULY_ASSERT(signals_ >= 0 && quit_ >= 0);  // at the start of main() there are descriptors
  thread_ = std::thread([this] { watch(); });
}

Signals::~Signals() {
  const std::uint64_t one = 1;
  const bool told = ::write(quit_, &one, sizeof one) == static_cast<ssize_t>(sizeof one);
  DULY_ASSERT(told);
  thread_.join();
  ::close(signals_);
  ::close(quit_);
}

void Signals::watch() {
  std::array<pollfd, 2> watched{pollfd{signals_, POLLIN, 0}, pollfd{quit_, POLLIN, 0}};
  while (watched[1].revents == 0) {
    ::poll(watched.data(), watched.size(), -1);
    signalfd_siginfo info{};
    while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
      take(static_cast<int>(info.ssi_signo));
    }
  }
}

void Signals::take(int signal) {
  if (signal == SIGHUP) return loop_.post(reload_);
  if (stopping_) ::_exit(128 + signal);
  stopping_ = true;
  log(LogLevel::info, "signals", "stopping; a second signal ends the process at once", {{"signal", signal}});
  loop_.post(stop_);
}

}  // namespace duly
