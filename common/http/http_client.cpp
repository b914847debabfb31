#include "common/http/http_client.h"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstring>
#include <memory>
#include <optional>

#include "common/runtime/asio_loop.h"

namespace duly {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kInterimAnswers = 8;  // 100 Continue and the like before the answer
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::size_t kPieceBytes = 16U << 10;

HttpOutcome trouble(HttpTrouble kind, std::string error) { return {kind, std::move(error), {}}; }

tcp::endpoint endpoint_of(const IpAddress& address, std::uint16_t port) {
  if (address.v6) return {asio::ip::address_v6(address.bytes), port};
  asio::ip::address_v4::bytes_type bytes{};
  std::copy_n(address.bytes.begin(), bytes.size(), bytes.begin());
  return {asio::ip::address_v4(bytes), port};
}

std::optional<IpAddress> address_of(const addrinfo& info) {
  IpAddress address;
  if (info.ai_family == AF_INET) {
    sockaddr_in raw{};
    std::memcpy(&raw, info.ai_addr, sizeof raw);
    std::memcpy(address.bytes.data(), &raw.sin_addr, sizeof raw.sin_addr);
    return address;
  }
  if (info.ai_family != AF_INET6) return std::nullopt;
  sockaddr_in6 raw{};
  std::memcpy(&raw, info.ai_addr, sizeof raw);
  std::memcpy(address.bytes.data(), &raw.sin6_addr, sizeof raw.sin6_addr);
  address.v6 = true;
  return address;
}

http::request<http::string_body> written(const ClientRequest& request) {
  http::request<http::string_body> out;
  out.version(11);
  out.method_string(request.method);
  out.target(request.url.path + request.url.query);
  out.set(http::field::host, request.url.authority());
  out.set(http::field::connection, "close");
  for (const auto& [name, value] : request.headers) out.insert(name, value);
  out.body() = request.body;
  const bool has_body = !request.body.empty() || (request.method != "GET" && request.method != "HEAD");
  if (has_body) out.content_length(request.body.size());
  return out;
}

using Parser = http::response_parser<http::buffer_body>;

void copy_head(const Parser& parser, ClientAnswer& answer) {
  answer.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get()) {
    std::string name(field.name_string());
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    answer.headers.emplace_back(std::move(name), std::string(field.value()));
  }
}

// One connection to one address, and what is said over it.  Each operation is started and then run to its
// end, or until time is up or `stop` is requested; after that nothing is run any more.
class Exchange {
 public:
  Exchange(const ClientRequest& request, std::size_t body_bytes, MonoTime deadline,
           const std::stop_token& stop)
      : request_(request),
        body_bytes_(body_bytes),
        deadline_(deadline),
        stop_(stop),
        wake_(stop, Wake{&io_}) {}

  error_code connect(const IpAddress& address, MonoTime until) {
    const tcp::endpoint endpoint = endpoint_of(address, request_.url.port);
    return run([&](auto done) { socket_.async_connect(endpoint, done); }, until);
  }

  // The connection is there.
  HttpOutcome talk(asio::ssl::context* tls, MonoTime until) {
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    if (tls == nullptr) return converse(socket_);
    asio::ssl::stream<tcp::socket&> stream(socket_, *tls);
    stream.set_verify_mode(asio::ssl::verify_peer, ignored);
    stream.set_verify_callback(asio::ssl::host_name_verification(request_.url.host), ignored);
    const bool named = request_.url.address.has_value() ||
                       SSL_set_tlsext_host_name(stream.native_handle(), request_.url.host.c_str()) == 1;
    if (!named || ignored) return trouble(HttpTrouble::unreachable, "TLS cannot be set up");
    const error_code agreed =
        run([&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); }, until);
    if (agreed) return failure(HttpTrouble::unreachable, "no TLS", agreed);
    return converse(stream);
  }

  // How an operation failed: by itself, or because it was cut short.
  HttpOutcome failure(HttpTrouble kind, const std::string& what, const error_code& error) const {
    if (stop_.stop_requested()) return trouble(HttpTrouble::stopped, "stopped");
    if (cut_short_) return trouble(HttpTrouble::timed_out, what + ": timed out");
    return trouble(kind, what + ": " + error.message());
  }

 private:
  struct Wake {
    asio::io_context* io;
    void operator()() const { io->stop(); }
  };

  template <class Start>
  error_code run(Start start, MonoTime until) {
    // Shared: what is cut short is destroyed with `io_`, after this frame.
    const auto result = std::make_shared<std::optional<error_code>>();
    start([result](const error_code& error, auto&&...) { *result = error; });
    io_.restart();
    if (stop_.stop_requested()) io_.stop();  // a stop before the restart would be forgotten
    io_.run_for(std::max<Duration>(until - machine_now(), Duration{0}));
    cut_short_ = !result->has_value();
    return result->value_or(asio::error::timed_out);
  }

  template <class Stream>
  HttpOutcome converse(Stream& stream) {
    auto out = written(request_);
    const error_code sent = run([&](auto done) { http::async_write(stream, out, done); }, deadline_);
    if (cut_short_) return failure(HttpTrouble::broken, "sending", sent);
    // Whoever does not want the whole body may have answered before it was sent.
    const HttpOutcome answered = receive(stream);
    return answered.trouble == HttpTrouble::broken && sent ? failure(HttpTrouble::broken, "sending", sent)
                                                           : answered;
  }

  template <class Stream>
  HttpOutcome receive(Stream& stream) {
    for (int i = 0; i < kInterimAnswers; ++i) {
      Parser parser;
      parser.body_limit(boost::none);  // read_body() stops by itself
      parser.skip(request_.method == "HEAD");
      const error_code error = read_head(stream, parser);
      if (error) return failure(HttpTrouble::broken, "no answer", error);
      if (parser.get().result_int() >= 200) return read_body(stream, parser);
    }
    return trouble(HttpTrouble::broken, "no answer: only interim ones came");
  }

  // Whole before it is parsed: fed line by line, the parser of Boost 1.81 takes heads without end.
  template <class Stream>
  error_code read_head(Stream& stream, Parser& parser) {
    error_code error = run(
        [&](auto done) {
          asio::async_read_until(stream, asio::dynamic_buffer(bytes_, kAnswerHeaderBytes), kHeadEnd, done);
        },
        deadline_);
    if (error) return error;
    const std::size_t size = bytes_.find(kHeadEnd) + kHeadEnd.size();
    parser.header_limit(static_cast<std::uint32_t>(size) + 1);
    parser.put(asio::buffer(bytes_.data(), size), error);
    bytes_.erase(0, size);
    if (!error && !parser.is_header_done()) error = http::error::bad_field;
    return error;
  }

  template <class Stream>
  HttpOutcome read_body(Stream& stream, Parser& parser) {
    HttpOutcome outcome;
    copy_head(parser, outcome.answer);
    std::string& body = outcome.answer.body;
    buffer_.commit(asio::buffer_copy(buffer_.prepare(bytes_.size()), asio::buffer(bytes_)));
    std::array<char, kPieceBytes> piece{};
    while (!parser.is_done() && body.size() <= body_bytes_) {
      parser.get().body().data = piece.data();
      parser.get().body().size = piece.size();
      const error_code error =
          run([&](auto done) { http::async_read(stream, buffer_, parser, done); }, deadline_);
      if (error && error != http::error::need_buffer)
        return failure(HttpTrouble::broken, "the answer's body", error);
      body.append(piece.data(), piece.size() - parser.get().body().size);
    }
    outcome.answer.truncated = body.size() > body_bytes_;
    if (outcome.answer.truncated) body.resize(body_bytes_);
    return outcome;
  }

  const ClientRequest& request_;
  const std::size_t body_bytes_;
  const MonoTime deadline_;
  const std::stop_token stop_;
  asio::io_context io_{1};
  tcp::socket socket_{io_};
  std::string bytes_;  // of the head, and what came with it
  boost::beast::flat_buffer buffer_{kAnswerHeaderBytes + kPieceBytes};
  bool cut_short_ = false;
  std::stop_callback<Wake> wake_;
};

}  // namespace

struct HttpClient::Tls {
  asio::ssl::context context{asio::ssl::context::tls_client};
};

std::string_view ClientAnswer::header(std::string_view name) const {
  const auto found =
      std::find_if(headers.begin(), headers.end(), [&](const auto& field) { return field.first == name; });
  return found == headers.end() ? std::string_view() : std::string_view(found->second);
}

Result<std::vector<IpAddress>> resolve_by_system(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int problem = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (problem != 0) return Error{Errc::unavailable, ::gai_strerror(problem)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, ::freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    if (const auto address = address_of(*each)) addresses.push_back(*address);
  }
  if (addresses.empty()) return Error{Errc::unavailable, "it has no address"};
  return addresses;
}

HttpClient::HttpClient(HttpClientConfig config, std::unique_ptr<Tls> tls)
    : config_(std::move(config)), tls_(std::move(tls)) {}

HttpClient::~HttpClient() = default;

Result<std::shared_ptr<const HttpClient>> HttpClient::make(HttpClientConfig config) {
  auto tls = std::make_unique<Tls>();
  tls->context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                           asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1);
  error_code error;
  if (config.ca_file.empty()) {
    tls->context.set_default_verify_paths(error);
  } else {
    tls->context.load_verify_file(config.ca_file, error);
  }
  if (error) return invalid(config.ca_file + " holds no certificate that can be read: " + error.message());
  return std::shared_ptr<const HttpClient>(new HttpClient(std::move(config), std::move(tls)));
}

Result<std::vector<IpAddress>> HttpClient::addresses_for(const HttpUrl& url, HttpTrouble* kind) const {
  // Whoever asks has compared the URL with what the operator allows: an address in it stands there, too.
  if (url.address) return std::vector<IpAddress>{*url.address};
  *kind = HttpTrouble::unreachable;
  auto addresses = config_.resolver(url.host);
  if (!addresses) return invalid("the name cannot be looked up: " + addresses.error().what);
  for (const IpAddress& address : *addresses) {
    const AddressRange range = range_of(address);
    if (range.reach == Reach::anyone || (range.reach == Reach::internal && config_.inner_networks)) continue;
    *kind = HttpTrouble::refused;
    return invalid("the name leads to an address that is not allowed (" + std::string(range.name) + ")");
  }
  return addresses;
}

HttpOutcome HttpClient::send(const ClientRequest& request, MonoTime deadline, std::stop_token stop) const {
  HttpTrouble kind = HttpTrouble::none;
  const auto addresses = addresses_for(request.url, &kind);
  if (!addresses) return trouble(kind, addresses.error().what);
  if (stop.stop_requested()) return trouble(HttpTrouble::stopped, "stopped");
  const MonoTime until = std::min(deadline, machine_now() + kHttpConnectTime);
  const int count = std::min(static_cast<int>(addresses->size()), kAddressesTried);
  HttpOutcome outcome;
  for (int i = 0; i < count; ++i) {
    const MonoTime now = machine_now();
    Exchange exchange(request, config_.body_bytes, deadline, stop);
    const error_code error =
        exchange.connect((*addresses)[static_cast<std::size_t>(i)], now + (until - now) / (count - i));
    if (!error) return exchange.talk(request.url.tls ? &tls_->context : nullptr, until);
    outcome = exchange.failure(HttpTrouble::unreachable, "cannot connect", error);
    if (outcome.trouble == HttpTrouble::stopped) break;
  }
  return outcome;
}

}  // namespace duly
