// A TCP connection, in clear text or under TLS: what Asio calls an AsyncReadStream and an AsyncWriteStream,
// for both, at the price of one branch for each operation.
//
// It is in clear text until accept() or connect() has agreed on TLS.  One read and one write at a time; the
// stream outlives them.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/tls/tls_context.h"

namespace duly {

class TlsStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;
  using Agreed = std::function<void(const boost::system::error_code&)>;

  explicit TlsStream(Socket socket) : socket_(std::move(socket)) {}
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Agrees on TLS as the server.  Until `done` only tcp() may be used.
  void accept(const TlsContext& context, Agreed done);
  // As the client of a server whose certificate must be for `host`: a name, or an address.
  void connect(const TlsContext& context, const std::string& host, Agreed done);
  [[nodiscard]] bool secure() const { return tls_ != nullptr; }

  // Why TLS was not agreed on, or the connection ended, for people.
  [[nodiscard]] std::string why(const boost::system::error_code& error) const;
  // Names of agents that the peer's certificate speaks for: its DNS names as they are written, and what
  // follows "urn:duly:agent:" in its URIs.  Empty without TLS, and when the peer was not asked for one.
  [[nodiscard]] std::vector<std::string> peer_names() const;

  Socket& tcp() { return socket_; }
  [[nodiscard]] const Socket& tcp() const { return socket_; }
  executor_type get_executor() { return socket_.get_executor(); }

  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Handler>(handler));
    socket_.async_read_some(buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  void async_write_some(const Buffers& buffers, Handler&& handler) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Handler>(handler));
    socket_.async_write_some(buffers, std::forward<Handler>(handler));
  }
  // A few bytes while nothing else is written: what the kernel does not take at once is lost.
  void write_now(std::string_view bytes);
  // Tells the peer that nothing more comes, so that it can tell the end from a cut; `done` when it has said
  // the same or cannot.  Only under TLS, and while nothing is written.
  void say_end(Agreed done);

 private:
  void begin(const TlsContext& context);

  Socket socket_;
  std::unique_ptr<boost::asio::ssl::stream<Socket&>> tls_;
};

// Whether the peer of accept() spoke HTTP in clear text.
bool is_clear_http(const boost::system::error_code& error);

}  // namespace duly
