#include "common/amqp/rabbit_worker.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/amqp/amqp_url.h"
#include "common/base/ids.h"
#include "common/base/log.h"

namespace duly {
namespace {

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{2000};
// The library sends and misses heartbeats only while it is called.
constexpr milliseconds kLongestSleep{1000};
constexpr milliseconds kOrderlyStop{500};

// Where workers begin that were made at different moments.
std::uint64_t draw(const Loop& clock) {
  return mix(static_cast<std::uint64_t>(clock.now().time_since_epoch().count()));
}

}  // namespace

RabbitWorker::RabbitWorker(const RabbitConfig& config, std::string role, const Loop& clock)
    : config_(config),
      role_(std::move(role)),
      clock_(clock),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      ring_(config.urls.size(), draw(clock)),
      last_complaints_(config.urls.size()),
      backoff_(kFirstBackoff) {
  DULY_ASSERT(event_ >= 0);
}

RabbitWorker::~RabbitWorker() {
  stop();
  ::close(event_);
}

void RabbitWorker::start(RabbitHooks hooks) {
  DULY_ASSERT(!thread_.joinable());
  hooks_ = std::move(hooks);
  {
    MutexLock lock(mutex_);
    running_ = true;
  }
  thread_ = std::thread([this] { run(); });
}

void RabbitWorker::wake() {
  if (woken_.exchange(true)) return;
  const std::uint64_t one = 1;
  const auto written = ::write(event_, &one, sizeof one);
  DULY_ASSERT(written == sizeof one);
}

void RabbitWorker::drop(Duration pause) {
  {
    MutexLock lock(mutex_);
    paused_until_ = clock_.now() + pause;
  }
  line_.cut();
  wake();
}

void RabbitWorker::stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  wake();
  {
    MutexLock lock(mutex_);
    const MonoTime deadline = clock_.now() + kOrderlyStop;
    while (running_ && clock_.now() < deadline) ended_.wait_for(mutex_, deadline - clock_.now());
  }
  line_.cut();
  thread_.join();
}

void RabbitWorker::run() {
  while (!stop_) {
    const auto connection = open();
    if (!connection) {
      look_further();
      continue;
    }
    backoff_ = kFirstBackoff;
    serve(*connection);
    ring_.lost();
    if (stop_) connection->close();
    hooks_.lost();
  }
  MutexLock lock(mutex_);
  running_ = false;
  ended_.notify_all();
}

std::unique_ptr<RabbitConnection> RabbitWorker::open() {
  if (!may_connect()) return nullptr;
  const std::string& url = config_.urls[ring_.current()];
  auto connection = RabbitConnection::open({config_, url, role_, line_, clock_});
  if (!connection) {
    complain(connection.error());
    return nullptr;
  }
  if (auto status = hooks_.prepare(**connection); !status) {
    complain(status.error());
    return nullptr;
  }
  log(LogLevel::info, "amqp", "connected", {{"connection", role_}, {"broker", shown_address(url)}});
  last_complaints_.assign(config_.urls.size(), "");
  return std::move(connection).value();
}

void RabbitWorker::serve(RabbitConnection& connection) {
  while (!stop_) {
    const auto next = hooks_.turn(connection);
    if (!may_connect()) return;
    if (!next) return complain(next.error());
    if (!connection.may_have_frames()) wait(next.value(), connection.descriptor());
  }
}

bool RabbitWorker::may_connect() {
  MutexLock lock(mutex_);
  return clock_.now() >= paused_until_;
}

void RabbitWorker::look_further() {
  if (!may_connect() || ring_.failed()) return back_off();
  hooks_.idle();  // the next one may take its time, too
}

// Between half of the backoff and all of it.
void RabbitWorker::back_off() {
  const auto spread = mix(++attempts_ ^ static_cast<std::uint64_t>(clock_.now().time_since_epoch().count()));
  const Duration length =
      backoff_ / 2 + Duration{static_cast<std::int64_t>(spread % 1024) * backoff_.count() / 2048};
  backoff_ = std::min<Duration>(backoff_ * 2, kLongestBackoff);
  const MonoTime until = clock_.now() + length;
  while (!stop_ && clock_.now() < until) wait(std::min(until, hooks_.idle()), -1);
}

void RabbitWorker::complain(const Error& error) {
  std::string& last = last_complaints_[ring_.current()];
  if (stop_ || error.what == last) return;
  last = error.what;
  log(LogLevel::warn, "amqp", "no connection",
      {{"connection", role_},
       {"broker", shown_address(config_.urls[ring_.current()])},
       {"reason", error.what}});
}

void RabbitWorker::wait(MonoTime until, int descriptor) {
  const Duration length = std::clamp<Duration>(until - clock_.now(), Duration{0}, kLongestSleep);
  const timespec limit{length.count() / 1'000'000, (length.count() % 1'000'000) * 1000};
  std::array<pollfd, 2> polled = {pollfd{event_, POLLIN, 0}, pollfd{descriptor, POLLIN, 0}};
  ::ppoll(polled.data(), descriptor < 0 ? 1 : 2, &limit, nullptr);
  if ((polled[0].revents & POLLIN) == 0) return;
  std::uint64_t count = 0;
  [[maybe_unused]] const auto got = ::read(event_, &count, sizeof count);
  woken_ = false;  // before the owner looks: what is asked for from now on wakes again
}

}  // namespace duly
