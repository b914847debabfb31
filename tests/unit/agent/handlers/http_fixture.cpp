#include "tests/unit/agent/handlers/http_fixture.h"

#include <algorithm>
#include <array>
#include <boost/asio/write.hpp>

namespace duly::test {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

const tcp::endpoint kLoopback(boost::asio::ip::address_v4::loopback(), 0);

std::size_t content_length(const std::string& head) {
  const std::size_t at = head.find("Content-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
}

}  // namespace

std::string http_answer(int status, const std::string& body, const std::string& header_lines) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\n" + header_lines +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

ScriptedServer::ScriptedServer(std::vector<std::string> answers)
    : answers_(std::move(answers)), acceptor_(io_, kLoopback), port_(acceptor_.local_endpoint().port()) {
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  tcp::socket waker(io_);
  error_code ignored;
  waker.connect(acceptor_.local_endpoint(), ignored);
  thread_.join();
}

std::string ScriptedServer::url(const std::string& path, const std::string& host) const {
  return "http://" + host + ":" + std::to_string(port_) + path;
}

std::vector<std::string> ScriptedServer::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

void ScriptedServer::serve() {
  std::vector<Socket> silent;
  std::size_t next = 0;
  while (!stopping_) {
    Socket socket(io_);
    error_code error;
    acceptor_.accept(socket, error);
    if (error || stopping_) continue;
    std::string request = read_request(socket);
    {
      const MutexLock lock(mutex_);
      requests_.push_back(std::move(request));
    }
    if (next < answers_.size()) {
      boost::asio::write(socket, boost::asio::buffer(answers_[next++]), error);
    } else {
      silent.push_back(std::move(socket));
    }
  }
}

std::string ScriptedServer::read_request(Socket& socket) {
  std::string text;
  std::array<char, 65536> piece{};
  for (error_code error; !error;) {
    const std::size_t head = text.find("\r\n\r\n");
    if (head != std::string::npos && text.size() >= head + 4 + content_length(text.substr(0, head))) break;
    text.append(piece.data(), socket.read_some(boost::asio::buffer(piece), error));
  }
  return text;
}

std::uint16_t closed_port() {
  boost::asio::io_context io;
  return tcp::acceptor(io, kLoopback).local_endpoint().port();
}

}  // namespace duly::test
