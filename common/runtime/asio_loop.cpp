#include "common/runtime/asio_loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <utility>

namespace duly {

MonoTime machine_now() {
  return MonoTime{std::chrono::floor<microseconds>(std::chrono::steady_clock::now().time_since_epoch())};
}

WallTime machine_wall() {
  return WallTime{std::chrono::floor<microseconds>(std::chrono::system_clock::now().time_since_epoch())};
}

AsioLoop::AsioLoop() : context_(1) {}

void AsioLoop::post(Task task) { boost::asio::post(context_, std::move(task)); }

void AsioLoop::at(MonoTime when, Task task) {
  auto timer = std::make_shared<boost::asio::steady_timer>(context_);
  timer->expires_at(std::chrono::steady_clock::time_point{when.time_since_epoch()});
  timer->async_wait([timer, work = std::move(task)](const boost::system::error_code& error) {
    if (!error) work();
  });
}

void AsioLoop::run() {
  const auto guard = boost::asio::make_work_guard(context_);
  context_.run();
}

void AsioLoop::stop() { context_.stop(); }

}  // namespace duly
