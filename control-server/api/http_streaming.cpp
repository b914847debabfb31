// Answers without an end: the connection's part of an HttpStream.
//
// One piece is written at a time, so what is held for a slow reader is one piece; a piece that the kernel
// does not take within HttpConfig::stream_write_time ends the connection; at a stream's end it has
// linger_time.  What the client sends is read and dropped, so that its leaving is noticed.
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/write.hpp>
#include <utility>

#include "common/base/assert.h"
#include "control-server/api/http_connection.h"

namespace duly {
namespace {

using boost::system::error_code;

// A peer that has vanished without a word holds its place no longer than this after something was written.
constexpr unsigned kUnackedMs = 60'000;

}  // namespace

void HttpConnection::begin_stream(HttpResponse response) {
  if (hub_->stopping) return fail(503, "this server is shutting down");
  gone_ = nullptr;
  keep_alive_ = false;
  release_body();
  ::setsockopt(socket_.tcp().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &kUnackedMs, sizeof kUnackedMs);
  phase_ = Phase::streaming;
  ++hub_->counts.answers[response.status];
  stream_ = std::make_shared<HttpStream>();
  stream_->send = [weak = weak_from_this()](std::string piece) {
    const auto self = weak.lock();
    if (!self || self->phase_ != Phase::streaming || self->ending_) return;
    self->out_ = std::move(piece);
    self->write_piece();
  };
  stream_->end = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->end_stream();
  };
  out_ = serialize(response, {request_id_, hub_->date(), false, false, head_.http_1_0, /*endless=*/true,
                              socket_.secure()});
  in_.clear();
  write_piece();
  response.stream(std::shared_ptr<HttpStream>(stream_));
  read();
}

// Asked for by whoever streams and by a server that stops: once is enough.  A piece on its way goes out
// whole.
void HttpConnection::end_stream() {
  if (phase_ != Phase::streaming) return close();
  if (std::exchange(ending_, true)) return;
  deadline_ = std::min(deadline_, hub_->loop.now() + hub_->config.linger_time);
  if (!piece_out_) end_whole_stream();
}

// Under TLS an end that is not said looks like a cut, and clients complain of it.
void HttpConnection::end_whole_stream() {
  if (!socket_.secure()) return close();
  socket_.say_end([self = shared_from_this()](const error_code&) { self->close(); });
}

void HttpConnection::write_piece() {
  DULY_ASSERT(!std::exchange(piece_out_, true));
  deadline_ = hub_->loop.now() + hub_->config.stream_write_time;
  boost::asio::async_write(
      socket_, boost::asio::buffer(out_),
      [self = shared_from_this()](const error_code& error, std::size_t) { self->on_piece_written(error); });
}

void HttpConnection::on_piece_written(const error_code& error) {
  piece_out_ = false;
  if (phase_ == Phase::closed) return;
  if (error) return close();
  if (ending_) return end_whole_stream();
  deadline_ = MonoTime::max();
  const auto stream = stream_;  // `sent` may end it
  if (stream->sent) stream->sent();
}

}  // namespace duly
