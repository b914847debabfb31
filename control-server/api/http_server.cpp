#include "control-server/api/http_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/write.hpp>
#include <map>

#include "common/base/assert.h"
#include "common/base/log.h"
#include "control-server/api/http_connection.h"

namespace duly {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr milliseconds kAcceptPause{100};  // out of descriptors: they come back when connections close

bool out_of_resources(const error_code& error) {
  return error == boost::asio::error::no_descriptors ||
         error == boost::system::errc::too_many_files_open_in_system ||
         error == boost::asio::error::no_buffer_space || error == boost::asio::error::no_memory;
}

Result<tcp::endpoint> endpoint_of(const std::string& host, std::uint16_t port) {
  error_code error;
  const auto address = boost::asio::ip::make_address(host == "localhost" ? "127.0.0.1" : host, error);
  if (error) return invalid("'" + host + "' is not an IP address");
  return tcp::endpoint(address, port);
}

Status open_acceptor(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return Error{Errc::unavailable, "cannot listen: " + error.message()};
  return ok_status();
}

}  // namespace

std::vector<std::string> loopback_hosts() { return {"localhost", "127.0.0.1", "[::1]"}; }

class HttpServer::Impl : public std::enable_shared_from_this<HttpServer::Impl> {
 public:
  Impl(AsioLoop& loop, HttpConfig config, HttpHandlers handlers)
      : loop_(loop),
        acceptor_(loop.context()),
        hub_(std::make_shared<HttpHub>(loop, std::move(config), std::move(handlers))) {}

  Status open(const tcp::endpoint& endpoint) { return open_acceptor(acceptor_, endpoint); }

  void start() {
    hub_->closed = [weak = weak_from_this()](HttpConnection* connection) {
      if (const auto self = weak.lock()) self->on_closed(connection);
    };
    error_code ignored;
    port_ = acceptor_.local_endpoint(ignored).port();
    accept();
    schedule_sweep();
  }

  void stop(std::function<void()> done) {
    done_ = std::move(done);
    hub_->stopping = true;
    error_code ignored;
    acceptor_.close(ignored);
    for (const auto& connection : snapshot()) connection->wind_up();
    tell_when_done();
  }

  void use_tls(TlsContext tls) {
    DULY_ASSERT(hub_->tls && tls);
    hub_->tls = std::move(tls);
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }
  [[nodiscard]] const HttpCounts& counts() const { return hub_->counts; }

 private:
  void accept() {
    acceptor_.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      self->on_accept(error, std::move(socket));
    });
  }

  void on_accept(const error_code& error, tcp::socket socket) {
    if (hub_->stopping || error == boost::asio::error::operation_aborted) return;
    if (out_of_resources(error)) {
      log(LogLevel::warn, "http", "cannot accept a connection", {{"error", error.message()}});
      loop_.at(loop_.now() + kAcceptPause, [weak = weak_from_this()] {
        if (const auto self = weak.lock(); self && !self->hub_->stopping) self->accept();
      });
      return;
    }
    if (!error) take(std::move(socket));
    accept();
  }

  void take(tcp::socket socket) {
    if (connections_.size() >= hub_->config.connections) return turn_away(std::move(socket));
    const auto connection = std::make_shared<HttpConnection>(std::move(socket), hub_);
    connections_.emplace(connection.get(), connection);
    connection->start();
  }

  void turn_away(tcp::socket socket) {
    if (hub_->tls) return;  // to agree on TLS first would be what there is no room for
    const HttpResponse response = make_problem(503, "too many connections");
    const std::string id = hub_->next_request_id();
    const std::string bytes = serialize(response, {id, hub_->date(), false, false, false});
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(boost::asio::buffer(bytes), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void schedule_sweep() {
    loop_.at(loop_.now() + hub_->config.sweep_time, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->sweep();
    });
  }

  void sweep() {
    const MonoTime now = loop_.now();
    for (const auto& connection : snapshot()) connection->sweep(now);
    schedule_sweep();
  }

  // A connection may close, and so leave the map, while it is visited.
  std::vector<std::shared_ptr<HttpConnection>> snapshot() const {
    std::vector<std::shared_ptr<HttpConnection>> all;
    all.reserve(connections_.size());
    for (const auto& [key, connection] : connections_) all.push_back(connection);
    return all;
  }

  void on_closed(HttpConnection* connection) {
    connections_.erase(connection);
    tell_when_done();
  }

  void tell_when_done() {
    if (!hub_->stopping || !connections_.empty() || !done_) return;
    loop_.post(std::exchange(done_, nullptr));
  }

  AsioLoop& loop_;
  tcp::acceptor acceptor_;
  std::shared_ptr<HttpHub> hub_;
  std::map<HttpConnection*, std::shared_ptr<HttpConnection>> connections_;
  std::uint16_t port_ = 0;
  std::function<void()> done_;
};

HttpServer::HttpServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { impl_->stop(nullptr); }

Result<std::unique_ptr<HttpServer>> HttpServer::listen(AsioLoop& loop, const std::string& host,
                                                       std::uint16_t port, HttpConfig config,
                                                       HttpHandlers handlers) {
  const auto endpoint = endpoint_of(host, port);
  if (!endpoint) return endpoint.error();
  auto impl = std::make_shared<Impl>(loop, std::move(config), std::move(handlers));
  if (const Status opened = impl->open(*endpoint); !opened) return opened.error();
  impl->start();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

std::uint16_t HttpServer::port() const { return impl_->port(); }
std::size_t HttpServer::connection_count() const { return impl_->connection_count(); }
const HttpCounts& HttpServer::counts() const { return impl_->counts(); }
void HttpServer::use_tls(TlsContext tls) { impl_->use_tls(std::move(tls)); }
void HttpServer::stop(std::function<void()> done) { impl_->stop(std::move(done)); }

}  // namespace duly
