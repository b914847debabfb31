#include "common/app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstring>
#include <deque>
#include <map>

#include "common/runtime/asio_loop.h"

namespace duly {
namespace {

// The manager's end: a name without a file.
class Listener {
 public:
  Listener() : name_("@duly-service-" + std::to_string(::getpid())) {
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path + 1, name_.data() + 1, name_.size() - 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    REQUIRE(::bind(socket_, reinterpret_cast<const sockaddr*>(&at), size) == 0);
  }
  ~Listener() { ::close(socket_); }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }
  // What has been said so far; a datagram is there when the send has returned.
  std::vector<std::string> heard() {
    std::vector<std::string> words;
    char text[128];
    for (ssize_t size = 0; (size = ::recv(socket_, text, sizeof text, MSG_DONTWAIT)) > 0;)
      words.emplace_back(text, static_cast<std::size_t>(size));
    return words;
  }

 private:
  std::string name_;
  int socket_ = -1;
};

// Runs its tasks when it is told to.
class StepLoop final : public Loop {
 public:
  MonoTime now() const override { return now_; }
  WallTime wall() const override { return {}; }
  void post(Task task) override { tasks_.push_back(std::move(task)); }
  void at(MonoTime when, Task task) override { timers_.emplace(when, std::move(task)); }

  void run_tasks() {
    for (; !tasks_.empty(); tasks_.pop_front()) tasks_.front()();
  }
  void advance(Duration by) {
    now_ += by;
    while (!timers_.empty() && timers_.begin()->first <= now_) {
      post(std::move(timers_.begin()->second));
      timers_.erase(timers_.begin());
    }
  }

 private:
  MonoTime now_{};
  std::deque<Task> tasks_;
  std::multimap<MonoTime, Task> timers_;
};

using Words = std::vector<std::string>;
const std::string kNine = "9000000";  // microseconds

Environment variables(std::map<std::string, std::string> given) {
  return [given = std::move(given)](const std::string& name) -> std::optional<std::string> {
    const auto at = given.find(name);
    return at == given.end() ? std::nullopt : std::optional(at->second);
  };
}

TEST_CASE("without a manager nothing is said and nothing is watched") {
  ServiceManager nobody(variables({}), 1);
  CHECK_FALSE(nobody.there());
  nobody.ready();
  StepLoop loop;
  nobody.watch(loop, {});
  loop.run_tasks();
  CHECK_FALSE(ServiceManager(variables({{"NOTIFY_SOCKET", "relative"}}), 1).there());
  CHECK_FALSE(ServiceManager(variables({{"NOTIFY_SOCKET", "/" + std::string(200, 'x')}}), 1).there());
  ServiceManager(variables({{"NOTIFY_SOCKET", "/nowhere/at/all"}}), 1).ready();  // a warning in the log
}

TEST_CASE("a manager is told what happens") {
  Listener listener;
  const ServiceManager manager(variables({{"NOTIFY_SOCKET", listener.name()}}), 1);
  CHECK(manager.there());
  manager.ready();
  manager.reloading();
  manager.stopping();
  CHECK(listener.heard() == Words{"READY=1", "RELOADING=1", "STOPPING=1"});
}

TEST_CASE("the watchdog is fed every third of its time, and only when every loop has turned") {
  Listener listener;
  ServiceManager manager(variables({{"NOTIFY_SOCKET", listener.name()}, {"WATCHDOG_USEC", kNine}}), 1);
  StepLoop loop, engine;
  manager.watch(loop, {&engine});
  loop.run_tasks();
  loop.run_tasks();
  CHECK(listener.heard().empty());  // the engine has not turned yet
  engine.run_tasks();
  loop.run_tasks();
  CHECK(listener.heard() == Words{"WATCHDOG=1"});
  loop.advance(milliseconds{2999});
  for (int i = 0; i < 3; ++i) {
    loop.run_tasks();
    engine.run_tasks();
  }
  CHECK(listener.heard().empty());
  loop.advance(milliseconds{1});
  loop.run_tasks();
  engine.run_tasks();
  loop.run_tasks();
  CHECK(listener.heard() == Words{"WATCHDOG=1"});
}

TEST_CASE("a manager that does not read holds no loop up") {
  Listener listener;
  ServiceManager manager(variables({{"NOTIFY_SOCKET", listener.name()}, {"WATCHDOG_USEC", kNine}}), 1);
  StepLoop loop;
  manager.watch(loop, {});
  const MonoTime begun = machine_now();
  for (int i = 0; i < 600; ++i) {  // more than a socket keeps
    loop.run_tasks();
    loop.advance(seconds{3});
  }
  CHECK(machine_now() - begun < seconds{20});
}

TEST_CASE("a watchdog that is meant for another process is not fed") {
  Listener listener;
  for (const char* pid : {"2", "0", "x"}) {
    ServiceManager manager(
        variables({{"NOTIFY_SOCKET", listener.name()}, {"WATCHDOG_USEC", kNine}, {"WATCHDOG_PID", pid}}), 1);
    StepLoop loop;
    manager.watch(loop, {});
    loop.run_tasks();
    CHECK(listener.heard().empty());
  }
}

}  // namespace
}  // namespace duly
