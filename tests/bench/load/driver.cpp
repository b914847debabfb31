#include "tests/bench/load/driver.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "common/runtime/asio_loop.h"

namespace duly::bench {
namespace {

constexpr int kEvents = 256;
constexpr int kTickMs = 100;  // how often the end is looked at when nothing happens
constexpr std::uint64_t kTimer = ~std::uint64_t{0};
constexpr double kFinestTick = 0.0002;  // seconds

Duration from_seconds(double s) { return Duration{static_cast<std::int64_t>(s * 1e6)}; }

}  // namespace

Driver::~Driver() {
  for (const int file : {poll_, timer_}) {
    if (file >= 0) ::close(file);
  }
}

bool Driver::prepare() {
  poll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (poll_ < 0) return false;
  for (int i = 0; i < plan_.connections; ++i) {
    slots_.push_back(std::make_unique<Slot>());
    if (!slots_.back()->line.open(plan_.port)) return false;
    epoll_event event{EPOLLIN, {.u64 = static_cast<std::uint64_t>(i)}};
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, slots_.back()->line.socket(), &event) != 0) return false;
    free_.push_back(static_cast<std::size_t>(i));
  }
  if (plan_.rate <= 0) return true;
  // The kernel wakes us at the rate itself: epoll's own time-out is in milliseconds.
  timer_ = ::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  const auto every = static_cast<long>(std::max(1 / plan_.rate, kFinestTick) * 1e9);
  const timespec tick{every / 1'000'000'000, every % 1'000'000'000};
  const itimerspec timer{tick, tick};
  epoll_event event{EPOLLIN, {.u64 = kTimer}};
  return timer_ >= 0 && ::timerfd_settime(timer_, 0, &timer, nullptr) == 0 &&
         ::epoll_ctl(poll_, EPOLL_CTL_ADD, timer_, &event) == 0;
}

// Writing is watched for only while there is something unsent: a socket is nearly always writable.
void Driver::watch(std::size_t index) {
  Slot& slot = *slots_[index];
  const bool writing = slot.line.wants_to_write();
  if (writing == slot.watched_for_writing) return;
  slot.watched_for_writing = writing;
  epoll_event event{writing ? EPOLLIN | EPOLLOUT : EPOLLIN, {.u64 = index}};
  ::epoll_ctl(poll_, EPOLL_CTL_MOD, slot.line.socket(), &event);
}

long Driver::wanted(MonoTime now) const {
  const double elapsed = static_cast<double>((now - begun_).count()) / 1e6;
  const long most = plan_.count > 0 ? plan_.count : std::numeric_limits<long>::max();
  if (plan_.rate <= 0) return plan_.seconds > 0 && elapsed >= plan_.seconds ? asked_ : most;
  const double until = plan_.seconds > 0 ? std::min(elapsed, plan_.seconds) : elapsed;
  return std::min(most, static_cast<long>(until * plan_.rate));
}

void Driver::ask_what_is_due(MonoTime now) {
  const long most = wanted(now);
  while (asked_ < most && !free_.empty() && problem_.empty()) {
    const std::size_t index = free_.front();
    free_.pop_front();
    Slot& slot = *slots_[index];
    const MonoTime sent = machine_now();
    const double place = static_cast<double>(asked_ + 1) / std::max(plan_.rate, 1e-9);
    slot.asked.kind = static_cast<std::size_t>(asked_) % plan_.requests.size();
    slot.asked.sent = sent;
    slot.asked.due = plan_.rate > 0 ? begun_ + from_seconds(place) : sent;
    ++asked_;
    slot.line.ask(plan_.requests[slot.asked.kind]);
    if (slot.line.state() == HttpLine::State::lost) problem_ = "the server broke a connection";
    watch(index);
  }
}

void Driver::on_ready(std::size_t index) {
  Slot& slot = *slots_[index];
  slot.line.go_on();
  if (slot.line.state() == HttpLine::State::lost) {
    problem_ = "the server broke a connection, or its answer cannot be read";
    return;
  }
  watch(index);
  if (slot.line.state() != HttpLine::State::answered) return;
  slot.asked.done = last_answer_ = machine_now();
  slot.asked.status = slot.line.status();
  slot.asked.body = slot.line.body();
  plan_.answered(slot.asked);
  slot.line.release();
  free_.push_back(index);
  ++answered_;
  // With a free hand the next goes out before another connection is read: nobody waits for a whole round.
  if (plan_.rate <= 0) ask_what_is_due(last_answer_);
}

bool Driver::over(MonoTime now) const {
  const double elapsed = static_cast<double>((now - begun_).count()) / 1e6;
  const bool all_asked =
      (plan_.count > 0 && asked_ >= plan_.count) || (plan_.seconds > 0 && elapsed >= plan_.seconds);
  const bool late = plan_.rate > 0 && plan_.seconds > 0 && asked_ < wanted(now);
  if (all_asked && !late && answered_ == asked_) return true;
  const double expected = plan_.seconds > 0 ? plan_.seconds
                          : plan_.rate > 0  ? static_cast<double>(plan_.count) / plan_.rate
                                            : 0;
  if (elapsed < expected) return false;
  return elapsed - expected > plan_.patience;
}

Outcome Driver::run() {
  if (plan_.requests.empty() || (plan_.count <= 0 && plan_.seconds <= 0)) return {0, 0, 0, "nothing to ask"};
  if (!prepare()) return {0, 0, 0, "the server does not answer on its port"};
  begun_ = last_answer_ = machine_now();
  std::array<epoll_event, kEvents> events{};
  while (problem_.empty() && !over(machine_now())) {
    ask_what_is_due(machine_now());
    const int ready = ::epoll_wait(poll_, events.data(), kEvents, kTickMs);
    for (int i = 0; i < ready && problem_.empty(); ++i) {
      const std::uint64_t who = events[static_cast<std::size_t>(i)].data.u64;
      std::uint64_t ticks = 0;
      if (who != kTimer) {
        on_ready(static_cast<std::size_t>(who));
      } else if (::read(timer_, &ticks, sizeof ticks) < 0) {
        continue;
      }
    }
  }
  const double took = static_cast<double>((last_answer_ - begun_).count()) / 1e6;
  return {asked_, asked_ - answered_, took, problem_};
}

}  // namespace duly::bench
