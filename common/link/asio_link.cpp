#include "common/link/asio_link.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>

#include "common/base/assert.h"
#include "common/base/log.h"
#include "common/link/asio_connection.h"

namespace duly {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

class AsioLink final : public Link {
 public:
  explicit AsioLink(std::shared_ptr<AsioConnection> connection) : connection_(std::move(connection)) {}
  ~AsioLink() override { connection_->close(); }
  void start(Events events) override { connection_->start(std::move(events)); }
  void send(Frame frame) override { connection_->send(frame); }
  void close(std::string) override { connection_->close(); }
  [[nodiscard]] std::string peer() const override { return connection_->peer(); }
  [[nodiscard]] std::vector<std::string> peer_names() const override { return connection_->peer_names(); }

 private:
  std::shared_ptr<AsioConnection> connection_;
};

// One attempt to connect: the first of all its steps done and the deadline decides.
struct Attempt : std::enable_shared_from_this<Attempt> {
  using Done = std::function<void(std::unique_ptr<Link>, std::string)>;
  Attempt(AsioLoop& l, TlsContext t, Done d)
      : loop(l),
        tls(std::move(t)),
        resolver(l.context()),
        socket(l.context()),
        timer(l.context()),
        done(std::move(d)) {}

  void start(const std::string& name, std::uint16_t port, Duration limit) {
    host = name;
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
                                 if (error) return self->finish(error.message());
                                 self->connected();
                               });
  }
  void connected() {
    if (!done) return;
    connection = std::make_shared<AsioConnection>(loop, std::move(socket));
    if (!tls) return finish("");
    connection->agree_as_client(tls, host, [self = shared_from_this()](const std::string& error) {
      self->finish(error.empty() ? error : "no TLS: " + error);
    });
  }
  void finish(const std::string& error) {
    if (!done) return;
    const Done call = std::exchange(done, nullptr);
    timer.cancel();
    resolver.cancel();
    if (error.empty()) return call(std::make_unique<AsioLink>(std::move(connection)), "");
    error_code ignored;
    socket.close(ignored);
    if (connection) connection->close();
    call(nullptr, error);
  }

  AsioLoop& loop;
  const TlsContext tls;  // null = in clear text
  std::string host;
  std::shared_ptr<AsioConnection> connection;  // once there is one
  tcp::resolver resolver;
  tcp::socket socket;
  boost::asio::steady_timer timer;
  Done done;
};

}  // namespace

LinkConnector asio_connector(AsioLoop& loop, std::vector<std::pair<std::string, std::uint16_t>> addresses,
                             Duration limit, TlsSource tls) {
  auto next = std::make_shared<std::size_t>(0);
  return [&loop, addresses = std::move(addresses), limit, next, tls = std::move(tls)](Attempt::Done done) {
    const auto& [host, port] = addresses[*next % addresses.size()];
    const auto attempt = std::make_shared<Attempt>(
        loop, tls ? tls() : nullptr,
        [next, done = std::move(done)](std::unique_ptr<Link> link, std::string error) {
          if (!link) ++*next;
          done(std::move(link), std::move(error));
        });
    attempt->start(host, port, limit);
  };
}

struct AsioListener::State : std::enable_shared_from_this<State> {
  State(AsioLoop& l, OnLink f, TlsContext t)
      : loop(l),
        acceptor(l.context()),
        timer(l.context()),
        on_link(std::move(f)),
        tls(std::move(t)),
        handshake_timer(l.context()) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (error) return self->accept_later();  // out of file descriptors: do not spin
      self->take(std::make_shared<AsioConnection>(self->loop, std::move(socket)));
      self->accept();
    });
  }
  void accept_later() {
    timer.expires_after(milliseconds{100});
    timer.async_wait([self = shared_from_this()](const error_code& error) {
      if (!error && self->acceptor.is_open()) self->accept();
    });
  }

  void take(std::shared_ptr<AsioConnection> connection) {
    if (!tls) return on_link(std::make_unique<AsioLink>(std::move(connection)));
    if (handshakes.size() >= kTlsHandshakes) give_up("too many others came after it");
    handshakes.push_back({connection, loop.now() + kTlsTime});
    if (handshakes.size() == 1) watch();
    connection->agree_as_server(tls, [self = shared_from_this(), of = connection.get()](
                                         const std::string& error) { self->agreed(of, error); });
  }

  void agreed(const AsioConnection* of, const std::string& error) {
    const auto at = std::find_if(handshakes.begin(), handshakes.end(),
                                 [of](const Handshake& each) { return each.connection.get() == of; });
    if (at == handshakes.end()) return;  // was given up
    std::shared_ptr<AsioConnection> connection = std::move(at->connection);
    handshakes.erase(at);
    if (error.empty()) return on_link(std::make_unique<AsioLink>(std::move(connection)));
    refuse(*connection, error);
  }

  // The oldest one.
  void give_up(const std::string& reason) {
    const std::shared_ptr<AsioConnection> connection = std::move(handshakes.front().connection);
    handshakes.pop_front();
    refuse(*connection, reason);
  }
  static void refuse(AsioConnection& connection, const std::string& reason) {
    log(LogLevel::warn, "link", "connection refused: no TLS",
        {{"peer", connection.peer()}, {"error", reason}});
    connection.close();
  }

  // All have the same time: the first in the row is the first whose time is over.
  void watch() {
    if (handshakes.empty()) return;
    handshake_timer.expires_after(handshakes.front().deadline - loop.now());
    handshake_timer.async_wait([self = shared_from_this()](const error_code& error) {
      if (error) return;
      const MonoTime now = self->loop.now();
      while (!self->handshakes.empty() && self->handshakes.front().deadline <= now)
        self->give_up("not agreed in time");
      self->watch();
    });
  }

  struct Handshake {
    std::shared_ptr<AsioConnection> connection;
    MonoTime deadline;
  };

  AsioLoop& loop;
  tcp::acceptor acceptor;
  boost::asio::steady_timer timer;
  OnLink on_link;
  TlsContext tls;  // null = in clear text
  std::deque<Handshake> handshakes;
  boost::asio::steady_timer handshake_timer;  // runs when there are any
};

AsioListener::AsioListener(std::shared_ptr<State> state) : state_(std::move(state)) {}

AsioListener::~AsioListener() { close(); }

Result<std::unique_ptr<AsioListener>> AsioListener::open(AsioLoop& loop, const std::string& host,
                                                         std::uint16_t port, OnLink on_link, TlsContext tls) {
  auto state = std::make_shared<State>(loop, std::move(on_link), std::move(tls));
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
  state_->handshake_timer.cancel();
  // Each connection holds the state until its handshake has ended.
  for (const auto& handshake : std::exchange(state_->handshakes, {})) handshake.connection->close();
}

void AsioListener::use_tls(TlsContext tls) {
  DULY_ASSERT(state_->tls && tls);
  state_->tls = std::move(tls);
}

}  // namespace duly
