#include "tests/bench/load/http_line.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>

namespace duly::bench {
namespace {

constexpr std::string_view kLength = "\r\nContent-Length: ";  // as Duly writes it
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kStatusAt = 9;  // in "HTTP/1.1 201 Created"

}  // namespace

HttpLine::~HttpLine() {
  if (socket_ >= 0) ::close(socket_);
}

bool HttpLine::open(int port) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(port));
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (socket_ < 0 || ::connect(socket_, reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
    return false;
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ::fcntl(socket_, F_SETFL, O_NONBLOCK) == 0;
}

void HttpLine::ask(std::string_view request) {
  unsent_ = request;
  state_ = State::waiting;
  write();
}

void HttpLine::go_on() {
  if (!unsent_.empty()) write();
  if (state_ == State::waiting || state_ == State::idle) read();
}

void HttpLine::release() {
  in_.clear();
  head_size_ = body_size_ = 0;
  state_ = State::idle;
}

void HttpLine::write() {
  while (!unsent_.empty()) {
    const ssize_t sent = ::send(socket_, unsent_.data(), unsent_.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      unsent_.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      state_ = State::lost;
      return;
    }
  }
}

// One read is nearly always the whole answer: no second one is made only to hear that there is nothing more.
void HttpLine::read() {
  std::array<char, 65536> buffer;
  const ssize_t got = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0 || state_ == State::idle) {
    state_ = State::lost;
    return;
  }
  in_.append(buffer.data(), static_cast<std::size_t>(got));
  if (head_size_ == 0 && !parse_head()) return;
  if (in_.size() >= head_size_ + body_size_) state_ = State::answered;
}

bool HttpLine::parse_head() {
  const std::size_t end = in_.find(kHeadEnd);
  if (end == std::string::npos) return false;
  const std::string_view head = std::string_view(in_).substr(0, end);
  const std::size_t length = head.find(kLength);
  const auto number = [&](std::size_t at, auto& value) {
    return at < head.size() &&
           std::from_chars(head.data() + at, head.data() + head.size(), value).ec == std::errc{};
  };
  if (length == std::string_view::npos || !number(length + kLength.size(), body_size_) ||
      !number(kStatusAt, status_)) {
    state_ = State::lost;
    return false;
  }
  head_size_ = end + kHeadEnd.size();
  return true;
}

}  // namespace duly::bench
