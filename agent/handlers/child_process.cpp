#include "agent/handlers/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

namespace duly {
namespace {

constexpr unsigned kCloseRangeCloexec = 4;  // CLOSE_RANGE_CLOEXEC; glibc 2.36 has it only in a kernel header

// Everything the child needs after fork(), prepared before it: no allocation is allowed there.
struct Launch {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int input;
  int output;
  int error_output;
  int report;  // errno goes here when the program cannot be started
  pid_t parent;
  int highest_descriptor;
};

[[noreturn]] void give_up(const Launch& launch) {
  const int problem = errno;
  // Nothing is left to do when the parent does not get it: it then reads "ended with 127".
  if (::write(launch.report, &problem, sizeof problem) < 0) ::_exit(126);
  ::_exit(127);
}

void reset_signals() {
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &plain, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

void mark_close_on_exec(int highest) {
  if (::syscall(SYS_close_range, 3U, ~0U, kCloseRangeCloexec) == 0) return;
  for (int number = 3; number <= highest; ++number) ::fcntl(number, F_SETFD, FD_CLOEXEC);
}

// In the child of a multi-threaded process: only async-signal-safe calls from here to execve().
[[noreturn]] void become_program(const Launch& launch) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(launch);
  if (::getppid() != launch.parent) ::_exit(127);  // the parent died before the line above took hold
  if (::setsid() < 0) give_up(launch);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) give_up(launch);
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) give_up(launch);
  if (::chdir("/") != 0) give_up(launch);
  reset_signals();
  if (::dup2(launch.input, 0) < 0 || ::dup2(launch.output, 1) < 0 || ::dup2(launch.error_output, 2) < 0) {
    give_up(launch);
  }
  mark_close_on_exec(launch.highest_descriptor);
  ::execve(launch.program, launch.arguments, launch.environment);
  give_up(launch);
}

// dup2() onto itself would leave close-on-exec set: none of ours may be 0, 1 or 2.
Descriptor above_standard(Descriptor descriptor) {
  if (!descriptor.open() || descriptor.get() > 2) return descriptor;
  return Descriptor(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 3));
}

struct Pipe {
  Descriptor read;
  Descriptor write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return Error{Errc::unavailable, errno_text("pipe", errno)};
  Pipe pipe{above_standard(Descriptor(ends[0])), above_standard(Descriptor(ends[1]))};
  if (!pipe.read.open() || !pipe.write.open()) return Error{Errc::unavailable, errno_text("pipe", errno)};
  return pipe;
}

bool write_all(int to, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(to, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// A file in memory instead of a pipe: nothing to feed while the child runs, and no SIGPIPE when it does not
// read.
Result<Descriptor> make_input(const std::string& input) {
  if (input.empty()) {
    Descriptor nothing = above_standard(Descriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
    if (!nothing.open()) return Error{Errc::unavailable, errno_text("/dev/null", errno)};
    return nothing;
  }
  Descriptor memory = above_standard(Descriptor(::memfd_create("stdin", MFD_CLOEXEC)));
  if (!memory.open() || !write_all(memory.get(), input) || ::lseek(memory.get(), 0, SEEK_SET) != 0) {
    return Error{Errc::unavailable, errno_text("standard input", errno)};
  }
  return memory;
}

std::vector<char*> pointers_to(const std::vector<std::string>& texts, const std::string* first) {
  std::vector<char*> pointers;
  if (first != nullptr) pointers.push_back(const_cast<char*>(first->c_str()));
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// fork(), with every signal blocked in the child until it has reset their handlers: none of ours may run
// there.
pid_t fork_program(const Launch& launch) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become_program(launch);
  const int problem = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = problem;
  return pid;
}

// 0 when the program was started, else the errno of what failed.
int read_report(const Descriptor& report) {
  int problem = 0;
  ssize_t got = 0;
  do {
    got = ::read(report.get(), &problem, sizeof problem);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof problem) ? problem : 0;
}

int wait_for(pid_t pid) {
  int status = 127 << 8;  // "exited with 127", should someone else have reaped it: never a success
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return status;
}

int highest_descriptor() {
  rlimit files{};
  constexpr rlim_t kMost = 65'536;
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > kMost) return static_cast<int>(kMost);
  return static_cast<int>(files.rlim_cur);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    number_ = other.release();
  }
  return *this;
}

int Descriptor::release() { return std::exchange(number_, -1); }

void Descriptor::close() {
  if (number_ >= 0) ::close(std::exchange(number_, -1));
}

std::string errno_text(std::string_view what, int number) {
  return std::string(what) + ": " + std::generic_category().message(number);
}

Result<ChildProcess> ChildProcess::start(const ChildSpec& spec) {
  auto input = make_input(spec.input);
  if (!input) return input.error();
  auto output = make_pipe();
  if (!output) return output.error();
  auto error_output = make_pipe();
  if (!error_output) return error_output.error();
  auto report = make_pipe();
  if (!report) return report.error();

  const std::vector<char*> arguments = pointers_to(spec.arguments, &spec.program);
  const std::vector<char*> environment = pointers_to(spec.environment, nullptr);
  const pid_t pid = fork_program({spec.program.c_str(), arguments.data(), environment.data(), input->get(),
                                  output->write.get(), error_output->write.get(), report->write.get(),
                                  ::getpid(), highest_descriptor()});
  if (pid < 0) return Error{Errc::overloaded, errno_text("fork", errno)};
  report->write.close();
  if (const int problem = read_report(report->read); problem != 0) {
    wait_for(pid);
    return Error{Errc::unavailable, errno_text(spec.program + " cannot be started", problem)};
  }
  Descriptor end(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  ChildProcess child(pid, std::move(end), std::move(output->read), std::move(error_output->read));
  if (child.end_descriptor() < 0) return Error{Errc::unavailable, errno_text("pidfd_open", errno)};
  for (const Descriptor* each : {&child.output_, &child.error_output_}) {
    if (::fcntl(each->get(), F_SETFL, O_NONBLOCK) != 0)
      return Error{Errc::unavailable, errno_text("pipe", errno)};
  }
  return child;
}

ChildProcess::ChildProcess(pid_t pid, Descriptor end, Descriptor output, Descriptor error_output)
    : pid_(pid), end_(std::move(end)), output_(std::move(output)), error_output_(std::move(error_output)) {}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      end_(std::move(other.end_)),
      output_(std::move(other.output_)),
      error_output_(std::move(other.error_output_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) reap();
}

void ChildProcess::signal_group(int signal) const {
  if (pid_ > 0) ::kill(-pid_, signal);
}

bool ChildProcess::ended() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0) return true;
  return info.si_pid != 0;
}

int ChildProcess::reap() {
  signal_group(SIGKILL);
  return wait_for(std::exchange(pid_, -1));
}

}  // namespace duly
