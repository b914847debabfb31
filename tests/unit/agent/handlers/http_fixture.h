// A server on loopback that answers by a script, for the tests of what sends requests.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/http/http_client.h"

namespace duly::test {

// "HTTP/1.1 STATUS X", these header lines, Content-Length and the body.
std::string http_answer(int status, const std::string& body = "", const std::string& header_lines = "");

// Each connection gets the next answer, byte for byte, after its request was read; then it is closed, and
// kept open and silent when there is no further answer.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::vector<std::string> answers);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  // http://HOST:PORT/PATH
  [[nodiscard]] std::string url(const std::string& path = "/", const std::string& host = "127.0.0.1") const;
  // As they came, head and body.
  [[nodiscard]] std::vector<std::string> requests() const DULY_EXCLUDES(mutex_);

 private:
  using Socket = boost::asio::ip::tcp::socket;
  void serve();
  static std::string read_request(Socket& socket);

  const std::vector<std::string> answers_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::uint16_t port_ = 0;
  mutable Mutex mutex_;
  std::vector<std::string> requests_ DULY_GUARDED_BY(mutex_);
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

// A port of loopback on which nobody listens (any more).
std::uint16_t closed_port();

}  // namespace duly::test
