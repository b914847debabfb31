#include "tests/chaos/agent/ledger.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace duly::chaos {
namespace {

constexpr timeval kLongestWait{10, 0};

// A stopped process that goes on finds its waits on a socket with a time-out interrupted, without any handler
// (signal(7)).  They are to be gone on with: otherwise what was written would be reported as not written.
template <class Call>
ssize_t uninterrupted(const Call& call) {
  ssize_t result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

LedgerConnection::~LedgerConnection() { close(); }

bool LedgerConnection::write(const std::string& line) {
  if (socket_ < 0 && !connect()) return false;
  if (send_all(line + "\n") && acknowledged()) return true;
  close();
  return false;
}

bool LedgerConnection::connect() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.empty() || path_.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path_.c_str(), path_.size());
  socket_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (socket_ < 0) return false;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kLongestWait, sizeof kLongestWait);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kLongestWait, sizeof kLongestWait);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return true;
  close();
  return false;
}

void LedgerConnection::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool LedgerConnection::send_all(const std::string& text) const {
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count =
        uninterrupted([&] { return ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL); });
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

// The answer to each line is one byte.
bool LedgerConnection::acknowledged() const {
  char answer = 0;
  return uninterrupted([&] { return ::recv(socket_, &answer, 1, 0); }) == 1 && answer == '+';
}

}  // namespace duly::chaos
