// A client that sends exactly the bytes it is told to, and an edge with a fake handler for it to attack.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "control-server/api/http_server.h"

namespace duly::testing {

class RawClient {
 public:
  explicit RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{5, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~RawClient() { close(); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // False when the server has closed the connection.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // One answer: its head, and as much body as Content-Length says (none after HEAD).
  std::string receive(bool head_only = false) {
    while (rest_.find("\r\n\r\n") == std::string::npos) {
      if (!fill()) return std::exchange(rest_, {});
    }
    std::size_t end = rest_.find("\r\n\r\n") + 4;
    const std::size_t at = rest_.find("Content-Length: ");
    if (!head_only && at < end) end += std::strtoul(rest_.c_str() + at + 16, nullptr, 10);
    while (rest_.size() < end && fill()) continue;
    std::string answer = rest_.substr(0, end);
    rest_.erase(0, answer.size());
    return answer;
  }
  // Everything up to and with the first `mark`; less when the connection ends before it.
  std::string until(std::string_view mark) {
    std::size_t at = rest_.find(mark);
    while (at == std::string::npos && fill()) at = rest_.find(mark);
    if (at == std::string::npos) return std::exchange(rest_, {});
    std::string text = rest_.substr(0, at + mark.size());
    rest_.erase(0, text.size());
    return text;
  }
  // True when the server closes; what it says before that is dropped.
  bool closed() {
    char scrap[4096];
    ssize_t got = 1;
    while (got > 0) got = ::recv(fd_, scrap, sizeof scrap, 0);
    return got == 0 || errno == ECONNRESET;
  }
  std::string ask(std::string_view bytes) {
    send(bytes);
    return receive();
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  bool fill() {
    char part[65'536];
    const ssize_t got = ::recv(fd_, part, sizeof part, 0);
    if (got > 0) rest_.append(part, static_cast<std::size_t>(got));
    return got > 0;
  }

  int fd_;
  std::string rest_;
};

inline int status_of(const std::string& answer) {
  int status = 0;
  if (answer.starts_with("HTTP/1.1 "))
    std::from_chars(answer.data() + 9, answer.data() + answer.size(), status);
  return status;
}
inline std::string body_of(const std::string& answer) {
  const std::size_t at = answer.find("\r\n\r\n");
  return at == std::string::npos ? std::string() : answer.substr(at + 4);
}

// A server on a free loopback port whose loop runs on a thread of its own.
class Edge {
 public:
  Edge(HttpConfig config, std::function<void(HttpRequest, Respond)> handle, std::size_t max_body = 1024)
      : Edge(std::move(config),
             HttpHandlers{std::move(handle), [max_body](auto, auto) { return max_body; }}) {}
  Edge(HttpConfig config, HttpHandlers handlers) {
    config.sweep_time = milliseconds{10};
    auto listening = HttpServer::listen(loop_, "127.0.0.1", 0, std::move(config), std::move(handlers));
    REQUIRE(listening.ok());
    server_ = std::move(listening).value();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Edge() {
    loop_.stop();
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  AsioLoop& loop() { return loop_; }
  HttpServer& server() { return *server_; }

 private:
  AsioLoop loop_;
  std::unique_ptr<HttpServer> server_;
  std::thread thread_;
};

}  // namespace duly::testing
