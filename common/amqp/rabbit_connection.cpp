#include "common/amqp/rabbit_connection.h"

#include <amqp_tcp_socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <utility>

#include "common/amqp/amqp_url.h"
#include "common/amqp/rabbit_tls.h"

namespace duly {
namespace {

// A broker that is silent for twice this long is gone: a paused node keeps its connections open for ever.
constexpr int kHeartbeatSeconds = 5;
constexpr milliseconds kGoodbyeTime{300};

timeval to_timeval(Duration time) {
  const auto whole = std::chrono::floor<seconds>(time);
  return {static_cast<time_t>(whole.count()), static_cast<suseconds_t>((time - whole).count())};
}

amqp_table_entry_t flag(const char* name) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(name);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = 1;
  return entry;
}

Error lost(std::string what) { return Error{Errc::unavailable, std::move(what)}; }

}  // namespace

// What fails here costs speed only.
void GatheredWrites::hold(int on) const { ::setsockopt(descriptor_, IPPROTO_TCP, TCP_CORK, &on, sizeof on); }

std::string describe_close(const amqp_method_t& method) {
  if (method.id == AMQP_CHANNEL_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_channel_close_t*>(method.decoded);
    return "channel closed: " + to_text(close->reply_text);
  }
  if (method.id == AMQP_CONNECTION_CLOSE_METHOD) {
    const auto* close = static_cast<const amqp_connection_close_t*>(method.decoded);
    return "connection closed: " + to_text(close->reply_text);
  }
  return "unexpected method";
}

std::string describe(const amqp_rpc_reply_t& reply) {
  switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL: return "ok";
    case AMQP_RESPONSE_NONE: return "end of stream";
    case AMQP_RESPONSE_LIBRARY_EXCEPTION: return amqp_error_string2(reply.library_error);
    case AMQP_RESPONSE_SERVER_EXCEPTION: return describe_close(reply.reply);
  }
  return "unknown reply";
}

RabbitConnection::RabbitConnection(const Place& place) : place_(place), state_(amqp_new_connection()) {
  DULY_ASSERT(state_ != nullptr);
}

RabbitConnection::~RabbitConnection() {
  place_.line.close();
  amqp_destroy_connection(state_);
}

Result<std::unique_ptr<RabbitConnection>> RabbitConnection::open(const Place& place) {
  auto url = parse_amqp_url(place.url);
  if (!url) return url.error();
  std::unique_ptr<RabbitConnection> connection(new RabbitConnection(place));
  if (auto status = connection->connect(url->host, url->port, url->tls); !status) return status.error();
  if (auto status = connection->login(url->vhost, url->user, url->password); !status) return status.error();
  return connection;
}

Status RabbitConnection::connect(const std::string& host, int port, bool tls) {
  const auto socket =
      tls ? make_tls_socket(state_, place_.config) : Result<amqp_socket_t*>(amqp_tcp_socket_new(state_));
  if (!socket) return lost(socket.error().what);
  if (*socket == nullptr) return lost("connect: out of memory");
  const timeval limit = to_timeval(tls ? kTlsConnectTime : kConnectTime);
  const int status = amqp_socket_open_noblock(*socket, host.c_str(), port, &limit);
  if (status != AMQP_STATUS_OK) return lost("connect: " + describe_open_failure(status, host));
  if (!place_.line.open(amqp_socket_get_sockfd(*socket))) return lost("connect: out of file descriptors");
  return ok_status();
}

Status RabbitConnection::login(const std::string& vhost, const std::string& user,
                               const std::string& password) {
  std::array flags = {flag("connection.blocked"),         flag("consumer_cancel_notify"),
                      flag("publisher_confirms"),         flag("basic.nack"),
                      flag("exchange_exchange_bindings"), flag("authentication_failure_close")};
  std::array<amqp_table_entry_t, 2> entries{};
  entries[0].key = amqp_cstring_bytes("capabilities");
  entries[0].value.kind = AMQP_FIELD_KIND_TABLE;
  entries[0].value.value.table = {static_cast<int>(flags.size()), flags.data()};
  const std::string name = place_.config.connection_name + " " + place_.role;
  entries[1].key = amqp_cstring_bytes("connection_name");
  entries[1].value.kind = AMQP_FIELD_KIND_UTF8;
  entries[1].value.value.bytes = as_bytes(name);
  const amqp_table_t properties{static_cast<int>(entries.size()), entries.data()};

  const timeval limit = to_timeval(kRpcTime);
  amqp_set_handshake_timeout(state_, &limit);
  amqp_set_rpc_timeout(state_, &limit);
  const auto call = watched_rpc();
  const auto reply =
      amqp_login_with_properties(state_, vhost.c_str(), 0, AMQP_DEFAULT_FRAME_SIZE, kHeartbeatSeconds,
                                 &properties, AMQP_SASL_METHOD_PLAIN, user.c_str(), password.c_str());
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) return lost("login: " + describe(reply));
  return ok_status();
}

RabbitConnection::Read RabbitConnection::read(amqp_frame_t& frame) {
  const timeval no_wait{0, 0};
  const auto call = watched();  // it may have to send a heartbeat
  const int status = amqp_simple_wait_frame_noblock(state_, &frame, &no_wait);
  maybe_more_ = status == AMQP_STATUS_OK;
  if (status == AMQP_STATUS_OK) return Read::frame;
  if (status == AMQP_STATUS_TIMEOUT) return Read::nothing;
  lost_ = std::string("read: ") + amqp_error_string2(status);
  return Read::lost;
}

bool RabbitConnection::may_have_frames() const { return maybe_more_ || amqp_frames_enqueued(state_); }

Status RabbitConnection::open_channel(amqp_channel_t channel) {
  const auto call = watched_rpc();
  amqp_channel_open(state_, channel);
  const auto reply = amqp_get_rpc_reply(state_);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) return lost("open channel: " + describe(reply));
  return ok_status();
}

Status RabbitConnection::reply(amqp_channel_t channel, const char* what) {
  maybe_more_ = true;
  const auto reply = amqp_get_rpc_reply(state_);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return ok_status();
  const std::string text = std::string(what) + ": " + describe(reply);
  if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION || reply.reply.id != AMQP_CHANNEL_CLOSE_METHOD) {
    return lost(text);
  }
  const auto code = static_cast<const amqp_channel_close_t*>(reply.reply.decoded)->reply_code;
  amqp_channel_close_ok_t closed{};
  const int status = amqp_send_method(state_, channel, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed);
  if (status != AMQP_STATUS_OK) return lost(text);
  if (auto open = open_channel(channel); !open) return open;
  if (code == AMQP_NOT_FOUND) return Error{Errc::not_found, text};
  if (code == AMQP_PRECONDITION_FAILED || code == AMQP_ACCESS_REFUSED) return Error{Errc::conflict, text};
  return lost(text);
}

Status RabbitConnection::sent(int status, const char* what) const {
  if (status == AMQP_STATUS_OK) return ok_status();
  return lost(std::string(what) + ": " + amqp_error_string2(status));
}

void RabbitConnection::close() {
  const timeval limit = to_timeval(kGoodbyeTime);
  amqp_set_rpc_timeout(state_, &limit);
  const auto call = watched_rpc();
  amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
}

}  // namespace duly
