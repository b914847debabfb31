#include "common/link/asio_link.h"

#include <netinet/tcp.h>

#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

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

// The socket and its buffers; lives until its last handler has run.
class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(AsioLoop& loop, tcp::socket socket)
      : loop_(loop), socket_(std::move(socket)), peer_(peer_of(socket_)) {
    tune(socket_);
  }

  void start(Link::Events events) {
    events_ = std::move(events);
    read();
  }

  void send(const Frame& frame) {
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

  // The owner is gone or wants no more: nothing is told, and what was sent before still goes out.
  void close() {
    silent_ = true;
    if (!open_ || (waiting_.empty() && writing_.empty())) return shut();
    closing_ = true;
  }
  // As by the network: the owner is told once.
  void broke(std::string reason) {
    if (!open_) return;
    shut();
    loop_.post([self = shared_from_this(), why = std::move(reason)] {
      if (!self->silent_ && self->events_.on_closed) self->events_.on_closed(why);
    });
  }
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  void shut() {
    open_ = false;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  void read() {
    socket_.async_read_some(boost::asio::buffer(chunk_),
                            [self = shared_from_this()](const error_code& error, std::size_t size) {
                              if (error) return self->broke(error.message());
                              self->received(std::string_view(self->chunk_.data(), size));
                            });
  }

  void received(std::string_view bytes) {
    std::vector<Frame> frames;
    const Status fed = decoder_.feed(bytes, frames);
    for (Frame& frame : frames) {
      if (silent_ || !open_) return;
      events_.on_frame(std::move(frame));
    }
    if (!fed) return broke(fed.error().what);
    if (open_) read();
  }

  void write() {
    if (!open_ || !writing_.empty()) return;
    if (waiting_.empty()) {
      if (closing_) shut();
      return;
    }
    writing_.swap(waiting_);
    boost::asio::async_write(socket_, boost::asio::buffer(writing_),
                             [self = shared_from_this()](const error_code& error, std::size_t) {
                               self->writing_.clear();
                               if (error) return self->broke(error.message());
                               self->write();
                             });
  }

  AsioLoop& loop_;
  tcp::socket socket_;
  const std::string peer_;
  Link::Events events_;
  FrameDecoder decoder_;
  std::array<char, 65'536> chunk_{};
  std::string waiting_, writing_;
  bool open_ = true, silent_ = false, closing_ = false, flush_posted_ = false;
};

class AsioLink final : public Link {
 public:
  explicit AsioLink(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~AsioLink() override { connection_->close(); }
  void start(Events events) override { connection_->start(std::move(events)); }
  void send(Frame frame) override { connection_->send(frame); }
  void close(std::string) override { connection_->close(); }
  [[nodiscard]] std::string peer() const override { return connection_->peer(); }

 private:
  std::shared_ptr<Connection> connection_;
};

std::unique_ptr<Link> make_link(AsioLoop& loop, tcp::socket socket) {
  return std::make_unique<AsioLink>(std::make_shared<Connection>(loop, std::move(socket)));
}

// One attempt to connect: the first of resolve-and-connect and the deadline decides.
struct Attempt : std::enable_shared_from_this<Attempt> {
  using Done = std::function<void(std::unique_ptr<Link>, std::string)>;
  Attempt(AsioLoop& l, Done d)
      : loop(l), resolver(l.context()), socket(l.context()), timer(l.context()), done(std::move(d)) {}

  void start(const std::string& host, std::uint16_t port, Duration limit) {
    timer.expires_after(limit);
    timer.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error) self->finish("no connection in time");
    });
    resolver.async_resolve(
        host, std::to_string(port),
        [self = shared_from_this()](const error_code& error, const tcp::resolver::results_type& found) {
          if (error) return self->finish(error.message());
          self->connect(found);
        });
  }
  void connect(const tcp::resolver::results_type& found) {
    if (!done) return;
    boost::asio::async_connect(socket, found,
                               [self = shared_from_this()](const error_code& error, const tcp::endpoint&) {
                                 self->finish(error ? error.message() : std::string());
                               });
  }
  void finish(const std::string& error) {
    if (!done) return;
    const Done call = std::exchange(done, nullptr);
    timer.cancel();
    resolver.cancel();
    if (error.empty()) return call(make_link(loop, std::move(socket)), "");
    error_code ignored;
    socket.close(ignored);
    call(nullptr, error);
  }

  AsioLoop& loop;
  tcp::resolver resolver;
  tcp::socket socket;
  boost::asio::steady_timer timer;
  Done done;
};

}  // namespace

LinkConnector asio_connector(AsioLoop& loop, std::vector<std::pair<std::string, std::uint16_t>> addresses,
                             Duration limit) {
  auto next = std::make_shared<std::size_t>(0);
  return [&loop, addresses = std::move(addresses), limit, next](Attempt::Done done) {
    const auto& [host, port] = addresses[*next % addresses.size()];
    const auto attempt = std::make_shared<Attempt>(
        loop, [next, done = std::move(done)](std::unique_ptr<Link> link, std::string error) {
          if (!link) ++*next;
          done(std::move(link), std::move(error));
        });
    attempt->start(host, port, limit);
  };
}

struct AsioListener::State : std::enable_shared_from_this<State> {
  State(AsioLoop& l, OnLink f) : loop(l), acceptor(l.context()), timer(l.context()), on_link(std::move(f)) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (error) return self->accept_later();  // out of file descriptors: do not spin
      self->on_link(make_link(self->loop, std::move(socket)));
      self->accept();
    });
  }
  void accept_later() {
    timer.expires_after(milliseconds{100});
    timer.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->acceptor.is_open()) self->accept();
    });
  }

  AsioLoop& loop;
  tcp::acceptor acceptor;
  boost::asio::steady_timer timer;
  OnLink on_link;
};

AsioListener::AsioListener(std::shared_ptr<State> state) : state_(std::move(state)) {}

AsioListener::~AsioListener() { close(); }

Result<std::unique_ptr<AsioListener>> AsioListener::open(AsioLoop& loop, const std::string& host,
                                                         std::uint16_t port, OnLink on_link) {
  auto state = std::make_shared<State>(loop, std::move(on_link));
  error_code error;
  tcp::resolver resolver(loop.context());
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error || found.empty()) return invalid(host + " is not an address of this machine");
  const tcp::endpoint endpoint = found.begin()->endpoint();
  state->acceptor.open(endpoint.protocol(), error);
  if (!error) state->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) state->acceptor.bind(endpoint, error);
  if (!error) state->acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (error)
    return Error{Errc::conflict,
                 "cannot listen on " + host + ":" + std::to_string(port) + ": " + error.message()};
  state->accept();
  return std::unique_ptr<AsioListener>(new AsioListener(std::move(state)));
}

std::uint16_t AsioListener::port() const {
  error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

void AsioListener::close() {
  error_code ignored;
  state_->acceptor.close(ignored);
  state_->timer.cancel();
}

}  // namespace duly
