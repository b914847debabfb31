#include "common/link/asio_connection.h"

#include <netinet/tcp.h>

#include <boost/asio/write.hpp>
#include <utility>

#include "common/model/limits.h"

namespace duly {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Unacknowledged bytes for this long mean that the peer is gone, whatever TCP would still try.
constexpr int kUserTimeoutMs = 10'000;

void tune(tcp::socket& socket) {
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(boost::asio::socket_base::keep_alive(true), ignored);
  const int timeout = kUserTimeoutMs;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

std::string peer_of(const tcp::socket& socket) {
  error_code error;
  const tcp::endpoint endpoint = socket.remote_endpoint(error);
  return error ? "?" : endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

}  // namespace

AsioConnection::AsioConnection(AsioLoop& loop, tcp::socket socket)
    : loop_(loop), socket_(std::move(socket)), peer_(peer_of(socket_.tcp())) {
  tune(socket_.tcp());
}

void AsioConnection::agree_as_server(const TlsContext& tls, Agreed done) {
  socket_.accept(tls, told(std::move(done)));
}

void AsioConnection::agree_as_client(const TlsContext& tls, const std::string& host, Agreed done) {
  socket_.connect(tls, host, told(std::move(done)));
}

TlsStream::Agreed AsioConnection::told(Agreed done) {
  return [self = shared_from_this(), done = std::move(done)](const error_code& error) {
    done(error ? self->socket_.why(error) : std::string());
  };
}

void AsioConnection::start(Link::Events events) {
  events_ = std::move(events);
  read();
}

void AsioConnection::send(const Frame& frame) {
  if (!open_ || closing_) return;
  if (waiting_.size() + writing_.size() > limits::kLinkSendBytes) return broke("the peer does not read");
  waiting_ += encode_frame(frame);
  // One write for all frames of this turn of the loop.
  if (writing_.empty() && !flush_posted_) {
    flush_posted_ = true;
    loop_.post([self = shared_from_this()] {
      self->flush_posted_ = false;
      self->write();
    });
  }
}

void AsioConnection::close() {
  silent_ = true;
  if (!open_ || (waiting_.empty() && writing_.empty())) return shut();
  closing_ = true;
}

void AsioConnection::broke(std::string reason) {
  if (!open_) return;
  shut();
  loop_.post([self = shared_from_this(), why = std::move(reason)] {
    if (!self->silent_ && self->events_.on_closed) self->events_.on_closed(why);
  });
}

void AsioConnection::shut() {
  open_ = false;
  error_code ignored;
  socket_.tcp().shutdown(tcp::socket::shutdown_both, ignored);
  socket_.tcp().close(ignored);
}

void AsioConnection::read() {
  socket_.async_read_some(boost::asio::buffer(chunk_),
                          [self = shared_from_this()](const error_code& error, std::size_t size) {
                            if (error) return self->broke(self->socket_.why(error));
                            self->received(std::string_view(self->chunk_.data(), size));
                          });
}

void AsioConnection::received(std::string_view bytes) {
  std::vector<Frame> frames;
  const Status fed = decoder_.feed(bytes, frames);
  for (Frame& frame : frames) {
    if (silent_ || !open_) return;
    events_.on_frame(std::move(frame));
  }
  if (!fed) return broke(fed.error().what);
  if (open_) read();
}

void AsioConnection::write() {
  if (!open_ || !writing_.empty()) return;
  if (waiting_.empty()) {
    if (closing_) shut();
    return;
  }
  writing_.swap(waiting_);
  boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                           [self = shared_from_this()](const error_code& error, std::size_t) {
                             self->writing_.clear();
                             if (error) return self->broke(self->socket_.why(error));
                             self->write();
                           });
}

}  // namespace duly
