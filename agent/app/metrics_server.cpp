#include "agent/app/metrics_server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

namespace duly {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

constexpr int kScrapes = 32;  // connections at once; one more is closed at once
constexpr std::chrono::seconds kScrapeTime{5};
constexpr std::chrono::milliseconds kAcceptPause{100};  // when there are no descriptors left

Result<tcp::endpoint> endpoint_of(const HostPort& address) {
  error_code error;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  const auto parsed = boost::asio::ip::make_address(host, error);
  if (error) return invalid("'" + address.host + "' is not an IP address");
  return tcp::endpoint(parsed, address.port);
}

// One connection: its request, its answer, and the time both have.
class Scrape : public std::enable_shared_from_this<Scrape> {
 public:
  using Answer = std::function<std::string(std::string_view head)>;
  Scrape(tcp::socket socket, Answer answer)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), answer_(std::move(answer)) {}

  void start() {
    timer_.expires_after(kScrapeTime);
    timer_.async_wait([self = shared_from_this()](const error_code& stopped) {
      error_code ignored;
      if (!stopped) self->socket_.close(ignored);
    });
    boost::asio::async_read_until(socket_, boost::asio::dynamic_buffer(head_, kScrapeHeadBytes), "\r\n\r\n",
                                  [self = shared_from_this()](const error_code& error, std::size_t size) {
                                    self->on_head(error, size);
                                  });
  }

 private:
  void on_head(const error_code& error, std::size_t size) {
    if (error == boost::asio::error::not_found) return send(scrape_problem(431));
    if (error) return end();
    send(answer_(std::string_view(head_).substr(0, size)));
  }

  void send(std::string text) {
    text_ = std::move(text);
    boost::asio::async_write(socket_, boost::asio::buffer(text_),
                             [self = shared_from_this()](const error_code&, std::size_t) { self->end(); });
  }

  void end() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    timer_.cancel();
  }

  tcp::socket socket_;
  boost::asio::steady_timer timer_;
  const Answer answer_;
  std::string head_, text_;
};

}  // namespace

class MetricsServer::Impl : public std::enable_shared_from_this<MetricsServer::Impl> {
 public:
  Impl(AsioLoop& loop, ScrapeDoor door, std::function<std::string()> metrics)
      : acceptor_(loop.context()),
        pause_(loop.context()),
        door_(std::move(door)),
        metrics_(std::move(metrics)) {}

  Status open(const tcp::endpoint& endpoint) {
    error_code error;
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(kScrapes, error);
    if (error) return Error{Errc::unavailable, "cannot listen: " + error.message()};
    return ok_status();
  }

  void accept() {
    acceptor_.async_accept([weak = weak_from_this()](const error_code& error, tcp::socket socket) {
      const auto self = weak.lock();
      if (!self || error == boost::asio::error::operation_aborted) return;
      if (error) return self->accept_later();
      self->take(std::move(socket));
      self->accept();
    });
  }

  void close() {
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
  }

  [[nodiscard]] std::uint16_t port() const {
    error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }

 private:
  void accept_later() {
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([weak = weak_from_this()](const error_code& stopped) {
      const auto self = weak.lock();
      if (self && !stopped) self->accept();
    });
  }

  // The answer's function is what counts an open connection: it goes with it.
  void take(tcp::socket socket) {
    if (open_.use_count() > kScrapes) return;
    const auto answer = [weak = weak_from_this(), counted = open_](std::string_view head) {
      const auto self = weak.lock();
      return self ? answer_scrape(head, self->door_, self->metrics_) : scrape_problem(503);
    };
    std::make_shared<Scrape>(std::move(socket), answer)->start();
  }

  tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  const ScrapeDoor door_;
  const std::function<std::string()> metrics_;
  const std::shared_ptr<char> open_ = std::make_shared<char>();
};

MetricsServer::MetricsServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetricsServer::~MetricsServer() { impl_->close(); }

Result<std::unique_ptr<MetricsServer>> MetricsServer::listen(AsioLoop& loop, const HostPort& address,
                                                             ScrapeDoor door,
                                                             std::function<std::string()> metrics) {
  const auto endpoint = endpoint_of(address);
  if (!endpoint) return endpoint.error();
  auto impl = std::make_shared<Impl>(loop, std::move(door), std::move(metrics));
  if (const Status opened = impl->open(*endpoint); !opened) return opened.error();
  impl->accept();
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl)));
}

std::uint16_t MetricsServer::port() const { return impl_->port(); }

}  // namespace duly
