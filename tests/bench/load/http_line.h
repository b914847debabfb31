// One keep-alive HTTP/1.1 connection to a server on loopback that asks one thing at a time, without ever
// blocking.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace duly::bench {

class HttpLine {
 public:
  enum class State : std::uint8_t { idle, waiting, answered, lost };

  HttpLine() = default;
  ~HttpLine();
  HttpLine(const HttpLine&) = delete;
  HttpLine& operator=(const HttpLine&) = delete;

  // Connects, blocking; false when nobody listens.
  bool open(int port);
  // Asks; `request` is whole and outlives the answer.  Only when idle.
  void ask(std::string_view request);
  // After the socket became readable or writable.
  void go_on();
  // What was answered is no longer needed; idle again.
  void release();

  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] bool wants_to_write() const { return !unsent_.empty(); }
  [[nodiscard]] int socket() const { return socket_; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] std::string_view body() const { return std::string_view(in_).substr(head_size_); }

 private:
  void write();
  void read();
  // The head is whole: the status and how long the body is.
  bool parse_head();

  int socket_ = -1;
  State state_ = State::idle;
  std::string_view unsent_;
  std::string in_;
  std::size_t head_size_ = 0, body_size_ = 0;
  int status_ = 0;
};

}  // namespace duly::bench
