#include "common/app/freeze.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "common/runtime/asio_loop.h"

namespace duly {
namespace {

timespec to_timespec(Duration length) {
  const auto whole = std::chrono::floor<seconds>(length);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(length - whole);
  return {static_cast<time_t>(whole.count()), static_cast<long>(rest.count())};
}

// Async-signal-safe.
void sleep_until(std::int64_t mono_us) {
  const timespec until = to_timespec(Duration{mono_us});
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {}
}

// In the child: only async-signal-safe calls.  It must hold nothing of the parent's open: should the parent
// be killed while it is frozen, its ports have to be free at once.
[[noreturn]] void stop_and_continue(pid_t parent, std::int64_t until_us) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::syscall(SYS_close_range, 0U, ~0U, 0U);
  if (::getppid() != parent) ::_exit(0);
  ::kill(parent, SIGSTOP);
  sleep_until(until_us);
  ::kill(parent, SIGCONT);
  ::_exit(0);
}

// A signal handler cannot be given an argument: the moment until which all threads sleep, in microseconds.
std::atomic<std::int64_t> frozen_until_us{0};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

void sleep_in_handler(int) {
  const int kept = errno;
  sleep_until(frozen_until_us.load());
  errno = kept;
}

void signal_other_threads(int signal) {
  DIR* tasks = ::opendir("/proc/self/task");
  if (tasks == nullptr) return;
  const auto self = static_cast<pid_t>(::syscall(SYS_gettid));
  while (const dirent* entry = ::readdir(tasks)) {
    pid_t thread = 0;
    const char* name = entry->d_name;
    if (std::from_chars(name, name + std::strlen(name), thread).ec != std::errc{} || thread == self) continue;
    ::syscall(SYS_tgkill, ::getpid(), thread, signal);
  }
  ::closedir(tasks);
}

}  // namespace

bool freeze_by_child(Duration length) {
  const std::int64_t until_us = (machine_now() + length).time_since_epoch().count();
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child == 0) stop_and_continue(parent, until_us);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
  return true;
}

void freeze_by_handler(Duration length) {
  frozen_until_us.store((machine_now() + length).time_since_epoch().count());
  const int signal = SIGRTMIN + 5;
  struct sigaction sleeping {};
  sleeping.sa_handler = sleep_in_handler;
  sleeping.sa_flags = SA_RESTART;
  ::sigaction(signal, &sleeping, nullptr);
  signal_other_threads(signal);
  sleep_until(frozen_until_us.load());
}

void freeze_process(Duration length) {
  if (::getpid() == 1 || !freeze_by_child(length)) freeze_by_handler(length);
}

}  // namespace duly
