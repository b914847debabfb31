// The socket of a link over TCP, and its buffers.
//
// It lives until its last handler has run, which may be after its owner has gone.  Loop thread.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/link/link.h"
#include "common/runtime/asio_loop.h"
#include "common/tls/tls_stream.h"

namespace duly {

class AsioConnection final : public std::enable_shared_from_this<AsioConnection> {
 public:
  AsioConnection(AsioLoop& loop, boost::asio::ip::tcp::socket socket);

  // Both before start(); `done` gets what went wrong, or nothing.
  using Agreed = std::function<void(const std::string& error)>;
  void agree_as_server(const TlsContext& tls, Agreed done);
  void agree_as_client(const TlsContext& tls, const std::string& host, Agreed done);

  void start(Link::Events events);
  void send(const Frame& frame);
  // The owner is gone or wants no more: nothing is told, and what was sent before still goes out.
  void close();

  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] std::vector<std::string> peer_names() const { return socket_.peer_names(); }

 private:
  TlsStream::Agreed told(Agreed done);
  // As by the network: the owner is told once.
  void broke(std::string reason);
  void shut();
  void read();
  void received(std::string_view bytes);
  void write();

  AsioLoop& loop_;
  TlsStream socket_;
  const std::string peer_;
  Link::Events events_;
  FrameDecoder decoder_;
  std::array<char, 65'536> chunk_{};
  std::string waiting_, writing_;
  bool open_ = true, silent_ = false, closing_ = false, flush_posted_ = false;
};

}  // namespace duly
