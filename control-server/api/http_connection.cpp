#include "control-server/api/http_connection.h"

#include <algorithm>
#include <boost/asio/write.hpp>
#include <cstring>

#include "common/base/assert.h"
#include "common/base/ids.h"
#include "common/base/log.h"
#include "control-server/api/http_log.h"

namespace duly {
namespace {

using boost::system::error_code;

constexpr std::size_t kLingerBytes = 16U << 20;
constexpr std::size_t kIdleBufferBytes = 4U << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string peer_of(const boost::asio::ip::tcp::socket& socket) {
  error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? "unknown" : endpoint.address().to_string();
}

}  // namespace

std::string_view HttpHub::date() {
  const std::int64_t now_s = to_ms(loop.wall()) / 1000;
  if (now_s != date_s_) {
    date_s_ = now_s;
    date_ = format_http_date(now_s);
  }
  return date_;
}

std::string HttpHub::next_request_id() {
  static constexpr char kHex[] = "0123456789abcdef";
  std::uint64_t id = mix(config.request_id_seed + ++id_count_);
  std::string text(16, '0');
  for (char& c : text) {
    c = kHex[id & 15U];
    id >>= 4;
  }
  return text;
}

boost::asio::mutable_buffer ReadBuffer::room() {
  DULY_ASSERT(!full());
  if (begin_ == end_) begin_ = end_ = 0;
  const auto tight = [this] { return bytes_.size() - end_ < kLeastRoom; };
  if (tight() && begin_ != 0) {
    std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  // Half of what is wanted is enough for a head that is still coming in.
  if (filled_ || bytes_.size() - end_ < kLeastRoom / 2) {
    bytes_.resize(std::min(kMostBytes, std::max(bytes_.size() * 2, end_ + kLeastRoom)));
  }
  return {bytes_.data() + end_, bytes_.size() - end_};
}

void ReadBuffer::commit(std::size_t count) {
  end_ += count;
  filled_ = end_ == bytes_.size();
}

void ReadBuffer::shrink() {
  if (begin_ != end_ || bytes_.size() <= kIdleBufferBytes) return;
  std::vector<char>().swap(bytes_);
  begin_ = end_ = 0;
  filled_ = false;
}

void ReadBuffer::consume(std::size_t count) {
  DULY_ASSERT(count <= end_ - begin_);
  begin_ += count;
}

HttpConnection::HttpConnection(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpHub> hub)
    : socket_(std::move(socket)), hub_(std::move(hub)), peer_(peer_of(socket_.tcp())) {}

void HttpConnection::start() {
  error_code ignored;
  socket_.tcp().set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  enter(Phase::idle, hub_->config.header_time);  // a client that has connected is expected to speak
  if (!hub_->tls) return read();
  phase_ = Phase::handshake;  // within the same time
  socket_.accept(hub_->tls, [self = shared_from_this()](const error_code& error) { self->agreed(error); });
}

void HttpConnection::agreed(const error_code& error) {
  if (phase_ == Phase::closed) return;
  if (!error) {
    phase_ = Phase::idle;
    return read();
  }
  log(LogLevel::debug, "http", "no TLS", {{"peer", peer_}, {"error", socket_.why(error)}});
  if (is_clear_http(error)) {
    request_id_ = hub_->next_request_id();
    out_ = serialize(make_problem(400, "this port speaks HTTPS, not HTTP"),
                     {request_id_, hub_->date(), false, false, false});
    error_code ignored;
    socket_.tcp().non_blocking(true, ignored);
    socket_.tcp().write_some(boost::asio::buffer(out_), ignored);
  }
  close();
}

void HttpConnection::enter(Phase phase, Duration limit) {
  phase_ = phase;
  deadline_ = hub_->loop.now() + limit;
}

// ---- reading
// -------------------------------------------------------------------------------------------------

void HttpConnection::read() {
  if (reading_ || phase_ == Phase::closed) return;
  if (eof_) {
    // Nothing more can come; what waits for an answer still gets it.
    if (phase_ != Phase::answering && phase_ != Phase::writing) close();
    return;
  }
  if (in_.full()) return;  // pipelined requests ahead of the answer: read on when there is room
  reading_ = true;
  socket_.async_read_some(in_.room(),
                          [self = shared_from_this()](const error_code& error, std::size_t count) {
                            self->on_read(error, count);
                          });
}

void HttpConnection::on_read(const error_code& error, std::size_t count) {
  reading_ = false;
  if (phase_ == Phase::closed) return;
  if (error) return on_read_end(error);
  in_.commit(count);
  switch (phase_) {
    case Phase::streaming:
    case Phase::lingering:
      in_.clear();
      discarded_ += count;
      return discarded_ > kLingerBytes ? close() : read();
    case Phase::answering:
    case Phase::writing: return read();
    default: return advance();
  }
}

void HttpConnection::on_read_end(const error_code& error) {
  const bool orderly = error == boost::asio::error::eof;
  if (!orderly || (phase_ != Phase::answering && phase_ != Phase::writing)) return close();
  eof_ = true;
  if (phase_ == Phase::answering && gone_) close();
}

// Takes the request as far as the received bytes go.
void HttpConnection::advance() {
  bool more = true;
  while (more) {
    switch (phase_) {
      case Phase::idle:
        if (in_.view().empty()) return read();
        enter(Phase::head, hub_->config.header_time);
        break;
      case Phase::head: more = advance_head(); break;
      case Phase::body: more = advance_body(); break;
      default: return;
    }
  }
}

bool HttpConnection::advance_head() {
  const HeadParser::Step step = parser_.feed(in_.view());
  in_.consume(step.consumed);
  if (step.state == HeadParser::State::need_more) {
    read();
    return false;
  }
  if (step.state == HeadParser::State::refused) {
    fail(step.refusal.status, step.refusal.detail);
    return false;
  }
  head_ = parser_.take();
  keep_alive_ = head_.keep_alive;
  request_id_ = usable_request_id(head_.fields);
  if (const auto refusal = judge_head(head_, hub_->config.allowed_hosts)) {
    fail(refusal->status, refusal->detail);
    return false;
  }
  begin_body();
  return phase_ == Phase::body;
}

void HttpConnection::begin_body() {
  const HttpHandlers& handlers = hub_->handlers;
  if (!head_.length_given && !(handlers.body_optional && handlers.body_optional(head_.target))) {
    return fail(411, "Content-Length is required");
  }
  let_in_ = head_.content_length > 0 && handlers.refuse_early;
  if (head_.content_length > 0) {
    if (handlers.refuse_early) {
      if (auto refusal = handlers.refuse_early(head_.method, head_.target, head_.fields, peer_))
        return fail(*refusal);
    }
    if (head_.content_length > hub_->handlers.max_body(head_.method, head_.target)) {
      return fail(413, "the request body is too large");
    }
  }
  enter(Phase::body, hub_->config.body_time);
  if (head_.expect_continue && in_.view().size() < head_.content_length) say_continue();
}

void HttpConnection::say_continue() {
  // 25 bytes into an empty send buffer: cannot block, and a failure shows at the next read.
  socket_.write_now(kContinue);
}

// What has come counts, not what was announced: else a few hundred clients that announce much and send
// nothing would keep everybody else's bodies out.
bool HttpConnection::advance_body() {
  const std::string_view received = in_.view();
  const auto whole = static_cast<std::size_t>(head_.content_length);
  const std::size_t part = std::min(whole - body_.size(), received.size());
  if (hub_->body_bytes + part > hub_->config.body_bytes) {
    fail(503, "too many request bodies at once");
    return false;
  }
  hub_->body_bytes += part;
  charged_ += part;
  body_.append(received.data(), part);
  in_.consume(part);
  if (body_.size() < whole) {
    read();
  } else {
    dispatch();
  }
  return false;
}

// ---- answering
// -----------------------------------------------------------------------------------------------

void HttpConnection::dispatch() {
  enter(Phase::answering, hub_->config.answer_time);
  whole_ = true;
  if (request_id_.empty()) request_id_ = hub_->next_request_id();
  log_request(request_id_, head_, peer_);
  HttpRequest request{
      head_.method, std::move(head_.target), std::move(head_.fields), std::move(body_), request_id_, peer_,
      let_in_};
  body_.clear();
  const auto self = shared_from_this();
  const std::uint64_t turn = ++turn_;
  // Only while no read is under way: it writes to where the bytes were when it began.
  if (!reading_) in_.shrink();
  read();
  hub_->handlers.handle(
      std::move(request),
      Respond([self, turn](HttpResponse response) { self->answer(turn, std::move(response)); },
              [self, turn](Respond::Gone gone) {
                if (self->turn_ != turn || self->phase_ != Phase::answering) return;
                self->gone_ = std::move(gone);
              }));
}

void HttpConnection::answer(std::uint64_t turn, HttpResponse response) {
  if (turn != turn_ || phase_ != Phase::answering) return;  // the client has gone, or was told 504
  if (response.stream) return begin_stream(std::move(response));
  after_write_ = std::move(response.after_write);
  write(response);
}

void HttpConnection::fail(int status, std::string_view detail) { fail(make_problem(status, detail)); }

void HttpConnection::fail(const HttpResponse& response) {
  keep_alive_ = false;
  if (request_id_.empty()) request_id_ = hub_->next_request_id();
  write(response);
}

void HttpConnection::write(const HttpResponse& response) {
  gone_ = nullptr;
  if (hub_->stopping) keep_alive_ = false;
  const bool head_only = head_.method == "HEAD";
  out_ = serialize(response, {request_id_, hub_->date(), head_only, keep_alive_, head_.http_1_0,
                              /*endless=*/false, socket_.secure()});
  release_body();
  log_answer(request_id_, response.status);
  count_answer(response.status);
  boost::asio::async_write(
      socket_, boost::asio::buffer(out_),
      [self = shared_from_this()](const error_code& error, std::size_t) { self->on_written(error); });
}

// The deadlines of the two phases tell how long the answer took: no clock is asked for it.  A GET may wait on
// purpose (?wait_ms), and is left out.
void HttpConnection::count_answer(int status) {
  const bool change = phase_ == Phase::answering && head_.method != "GET" && head_.method != "HEAD";
  const MonoTime asked = deadline_ - hub_->config.answer_time;
  enter(Phase::writing, hub_->config.write_time);
  ++hub_->counts.answers[status];
  if (change) hub_->counts.changes.add(deadline_ - hub_->config.write_time - asked);
}

void HttpConnection::on_written(const error_code& error) {
  const auto after = std::exchange(after_write_, nullptr);
  if (after) after();
  if (phase_ == Phase::closed) return;
  if (error) return close();
  request_id_.clear();
  head_ = HttpHead{};  // the next request may be refused before it has one of its own
  if (out_.capacity() > ReadBuffer::kMostBytes) {
    std::string().swap(out_);  // one large answer must not stay in memory with an idle connection
  }
  if (!keep_alive_ || hub_->stopping) return linger();
  whole_ = false;
  enter(Phase::idle, hub_->config.idle_time);
  advance();
}

void HttpConnection::release_body() {
  hub_->body_bytes -= charged_;
  charged_ = 0;
  std::string().swap(body_);
}

// ---- ending
// --------------------------------------------------------------------------------------------------

void HttpConnection::sweep(MonoTime now) {
  if (now < deadline_) return;
  switch (phase_) {
    case Phase::head:
    case Phase::body: return fail(408, "the request did not arrive in time");
    case Phase::answering:
      ++turn_;
      return fail(504, "no answer in time: the outcome of this request is unknown");
    case Phase::handshake:
    case Phase::idle:
    case Phase::writing:
    case Phase::streaming:
    case Phase::lingering: return close();
    case Phase::closed: return;
  }
}

void HttpConnection::wind_up() {
  if (phase_ == Phase::streaming) return end_stream();
  if (phase_ == Phase::handshake || phase_ == Phase::idle || phase_ == Phase::head) close();
}

// A close with unread bytes resets the connection, and the client may never see the answer: let it finish
// first.
void HttpConnection::linger() {
  if (eof_) return close();
  enter(Phase::lingering, hub_->config.linger_time);
  in_.clear();
  if (!socket_.secure()) return end_sending();
  // To OpenSSL what comes after the parting is an error: of a client that may still be sending the end is not
  // said.  It knows from the answer's length where that ends.
  if (whole_) socket_.say_end([self = shared_from_this()](const error_code&) { self->end_sending(); });
  read();
}

void HttpConnection::end_sending() {
  if (phase_ == Phase::closed) return;
  error_code error;
  socket_.tcp().shutdown(boost::asio::ip::tcp::socket::shutdown_send, error);
  if (error) return close();
  read();
}

void HttpConnection::close() {
  if (phase_ == Phase::closed) return;
  const auto self = shared_from_this();
  phase_ = Phase::closed;
  ++turn_;
  error_code ignored;
  socket_.tcp().close(ignored);
  release_body();
  const auto gone = std::exchange(gone_, nullptr);
  const auto stream = std::exchange(stream_, nullptr);
  hub_->closed(this);
  if (gone) gone();
  if (stream && stream->closed) stream->closed();
}

}  // namespace duly
