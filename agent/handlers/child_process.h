// One program, started without a shell in a session and process group of its own.
//
// What the child gets: the arguments as given, the environment as given and nothing else, standard input from
// a file in memory, standard output and error into pipes, no other descriptor, "/" as working directory,
// default signals, no core dumps, no new privileges; and SIGKILL from the kernel when the *thread* that
// started it ends, so that an agent killed by SIGKILL leaves no child behind (its grandchildren it may leave:
// the kernel offers no more without cgroups).  The thread must therefore live at least as long as the child.
//
// One thread at a time.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace duly {

// An open descriptor, closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool open() const { return number_ >= 0; }
  int release();
  void close();

 private:
  int number_ = -1;
};

// "what: No such file or directory" for the current errno.
std::string errno_text(std::string_view what, int number);

struct ChildSpec {
  std::string program;                   // absolute path
  std::vector<std::string> arguments;    // without the program's own name
  std::vector<std::string> environment;  // "NAME=value"
  std::string input;                     // standard input; empty = /dev/null
};

class ChildProcess {
 public:
  // An error when the program could not be started: nothing runs then.
  static Result<ChildProcess> start(const ChildSpec& spec);
  // Kills and reaps what is left.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  // The read ends, non-blocking.
  Descriptor& output() { return output_; }
  Descriptor& error_output() { return error_output_; }
  // Readable once the program itself has ended.
  [[nodiscard]] int end_descriptor() const { return end_.get(); }

  // To the whole group.  Nothing once reaped.
  void signal_group(int signal) const;
  // Whether the program itself has ended.  It stays a zombie, so that its group's number cannot be reused
  // meanwhile.
  [[nodiscard]] bool ended() const;
  // Kills what is left of the group and answers the wait status (see waitpid) of the program.
  int reap();

 private:
  ChildProcess(pid_t pid, Descriptor end, Descriptor output, Descriptor error_output);

  pid_t pid_ = -1;
  Descriptor end_;
  Descriptor output_;
  Descriptor error_output_;
};

}  // namespace duly
