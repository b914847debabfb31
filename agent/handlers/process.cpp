#include "agent/handlers/process.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>

#include "common/runtime/asio_loop.h"

namespace duly {
namespace {

constexpr int kReadsPerTurn = 64;  // so that a flood cannot keep us from looking at the stop flag

// Reads what is there; closes `from` at its end.
void drain(Descriptor& from, CapturedOutput& into, std::size_t most) {
  std::array<char, 16'384> buffer;
  for (int turn = 0; turn < kReadsPerTurn && from.open(); ++turn) {
    const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return from.close();
    const auto count = static_cast<std::size_t>(got);
    const std::size_t kept = std::min(count, most - into.text.size());
    into.text.append(buffer.data(), kept);
    if (kept < count) into.truncated = true;
  }
}

class Supervision {
 public:
  Supervision(ChildProcess child, std::size_t most, Descriptor stopped)
      : child_(std::move(child)), most_(most), stopped_(std::move(stopped)) {}

  ProcessEnd run(const std::stop_token& stop) {
    const std::stop_callback wake(stop, [this] {
      const std::uint64_t one = 1;
      // The counter cannot be full: it is written once.
      if (::write(stopped_.get(), &one, sizeof one) < 0) return;
    });
    while (!child_.ended()) {
      const bool stopping = stop.stop_requested();
      if (stopping) press();
      wait_for_something(stopping);
      drain_both();
    }
    end_.status = child_.reap();
    drain_both();  // what it wrote just before it ended
    return std::move(end_);
  }

 private:
  // First asks, then forces.
  void press() {
    const MonoTime now = machine_now();
    if (!kill_at_) {
      end_.stopped = true;
      kill_at_ = now + kExecGrace;
      child_.signal_group(SIGTERM);
    } else if (now >= *kill_at_) {
      child_.signal_group(SIGKILL);
    }
  }

  // The stop flag stays readable for ever, so it is watched only until it was seen.
  void wait_for_something(bool stop_seen) {
    std::array<pollfd, 4> watched{
        pollfd{child_.end_descriptor(), POLLIN, 0}, pollfd{child_.output().get(), POLLIN, 0},
        pollfd{child_.error_output().get(), POLLIN, 0}, pollfd{stop_seen ? -1 : stopped_.get(), POLLIN, 0}};
    // EINTR is one of the reasons to look again.
    ::poll(watched.data(), watched.size(), timeout_ms());
  }

  int timeout_ms() const {
    if (!kill_at_) return -1;
    const std::int64_t left = to_ms(*kill_at_ - machine_now()) + 1;
    return static_cast<int>(std::clamp<std::int64_t>(left, 1, kExecGrace.count()));
  }

  void drain_both() {
    drain(child_.output(), end_.output, most_);
    drain(child_.error_output(), end_.error_output, most_);
  }

  ChildProcess child_;
  std::size_t most_;
  Descriptor stopped_;  // an eventfd: readable once stop is requested
  std::optional<MonoTime> kill_at_;
  ProcessEnd end_;
};

}  // namespace

Result<ProcessEnd> run_process(const ChildSpec& spec, std::size_t most, std::stop_token stop) {
  Descriptor stopped(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stopped.open()) return Error{Errc::overloaded, errno_text("eventfd", errno)};
  auto child = ChildProcess::start(spec);
  if (!child) return child.error();
  return Supervision(std::move(*child), most, std::move(stopped)).run(stop);
}

}  // namespace duly
