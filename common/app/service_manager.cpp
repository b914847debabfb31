#include "common/app/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "common/base/log.h"

namespace duly {
namespace {

constexpr timeval kSendTime{1, 0};

// 0 when it is none.
std::int64_t number_in(const std::optional<std::string>& text) {
  std::int64_t number = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

int open_socket() {
  const int opened = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (opened >= 0) ::setsockopt(opened, SOL_SOCKET, SO_SNDTIMEO, &kSendTime, sizeof kSendTime);
  return opened;
}

}  // namespace

ServiceManager::ServiceManager(const Environment& environment, int own_pid) {
  address_ = environment("NOTIFY_SOCKET").value_or("");
  const bool usable = !address_.empty() && (address_[0] == '/' || address_[0] == '@') &&
                      address_.size() < sizeof(sockaddr_un::sun_path);
  if (!usable) return;
  socket_ = open_socket();
  const auto pid = environment("WATCHDOG_PID");
  if (pid && number_in(pid) != own_pid) return;
  limit_ = microseconds{std::max<std::int64_t>(number_in(environment("WATCHDOG_USEC")), 0)};
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::tell(const std::string& state, Patience patience) const {
  if (socket_ < 0) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // a name that is not in the file system
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  const int flags = MSG_NOSIGNAL | (patience == Patience::none ? MSG_DONTWAIT : 0);
  const ssize_t sent =
      ::sendto(socket_, state.data(), state.size(), flags, reinterpret_cast<const sockaddr*>(&to), size);
  if (sent < 0)
    log(LogLevel::warn, "service", "the service manager cannot be told", {{"error", std::strerror(errno)}});
}

void ServiceManager::watch(Loop& loop, std::vector<Loop*> others) {
  if (!there() || limit_ <= Duration{0}) return;
  loop_ = &loop;
  others_ = std::move(others);
  loop.post([this] { go_round(); });
}

void ServiceManager::go_round() {
  const MonoTime next = loop_->now() + limit_ / 3;
  visit(0);
  loop_->at(next, [this] { go_round(); });
}

void ServiceManager::visit(std::size_t next) {
  if (next < others_.size()) {
    others_[next]->post([this, next] { visit(next + 1); });
  } else {
    loop_->post([this] { tell("WATCHDOG=1", Patience::none); });
  }
}

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

}  // namespace duly
