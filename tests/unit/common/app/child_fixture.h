// A part of a test that runs in a forked process, because it dies, hangs or is killed there.
#pragma once

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <functional>

#include "common/runtime/asio_loop.h"

namespace duly::test {

inline constexpr seconds kPatience{
    20};  // a bound for what should be immediate; never waited out when all is well

class Child {
 public:
  // `body` gets a descriptor to write to; the child exits with what it returns.
  explicit Child(const std::function<int(int)>& body) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[0]);
      ::_exit(body(ends[1]));
    }
    REQUIRE(pid_ > 0);
    ::close(ends[1]);
    read_ = ends[0];
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(read_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }

  // Whether the child wrote something within `limit`; takes one byte of it.
  bool heard_within(Duration limit) {
    pollfd watched{read_, POLLIN, 0};
    if (::poll(&watched, 1, static_cast<int>(to_ms(limit))) != 1) return false;
    char byte = 0;
    return ::read(read_, &byte, 1) == 1;
  }
  // Takes what is in the pipe; answers how much that was.
  std::size_t take_all() {
    std::size_t taken = 0;
    while (heard_within(Duration{0})) ++taken;
    return taken;
  }

  // The wait status; the child is killed when it does not end in time.
  int wait() {
    const MonoTime until = machine_now() + kPatience;
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (machine_now() > until) ::kill(pid_, SIGKILL);
      ::poll(nullptr, 0, 1);
    }
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_ = -1;
  int read_ = -1;
};

}  // namespace duly::test
