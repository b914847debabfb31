// One AMQP connection through rabbitmq-c: opened, read frame by frame without waiting, closed.
//
// Concurrency.  One thread, for the whole life of the object.
// Limits.  Each call ends within kRpcTime or when the line is cut (socket_watchdog.h); opening within
// kConnectTime or kTlsConnectTime, plus kRpcTime.
#pragma once

#include <amqp.h>

#include <cstdint>
#include <memory>
#include <string>

#include "common/amqp/rabbit_config.h"
#include "common/amqp/socket_watchdog.h"
#include "common/base/result.h"

namespace duly {

// While it lives, what is written to the socket leaves in full segments (TCP_CORK, tcp(7)): a segment for
// each message costs the kernel more than the message, here and at the broker.  Not across a call that waits
// for an answer: what is held back may stay for 200 ms.
class GatheredWrites {
 public:
  explicit GatheredWrites(int descriptor) : descriptor_(descriptor) { hold(1); }
  ~GatheredWrites() { hold(0); }
  GatheredWrites(const GatheredWrites&) = delete;
  GatheredWrites& operator=(const GatheredWrites&) = delete;

 private:
  void hold(int on) const;
  const int descriptor_;
};

class RabbitConnection {
 public:
  static constexpr milliseconds kConnectTime{2000};
  static constexpr milliseconds kTlsConnectTime{4000};  // with the handshake
  static constexpr milliseconds kRpcTime{5000};

  // What the connection needs of its surroundings; all outlive it.
  struct Place {
    const RabbitConfig& config;
    const std::string& url;  // of them
    std::string role;        // "publish" or "consume", part of the connection's name
    WatchedLine& line;
    const Loop& clock;
  };

  static Result<std::unique_ptr<RabbitConnection>> open(const Place& place);
  ~RabbitConnection();
  RabbitConnection(const RabbitConnection&) = delete;
  RabbitConnection& operator=(const RabbitConnection&) = delete;

  enum class Read : std::uint8_t { frame, nothing, lost };
  // The next frame that is already here.  It is valid until release_buffers().
  Read read(amqp_frame_t& frame);
  // There may be frames that poll() does not see, in the library's buffers.
  [[nodiscard]] bool may_have_frames() const;
  void release_buffers() { amqp_maybe_release_buffers(state_); }

  Status open_channel(amqp_channel_t channel);
  // After a synchronous call of the library.  not_found and conflict: the broker closed the channel for that
  // reason, and it is open again; anything else: the connection is lost.
  Status reply(amqp_channel_t channel, const char* what);
  // After an asynchronous call of the library.
  Status sent(int status, const char* what) const;
  // Says goodbye, for a short while only.
  void close();

  [[nodiscard]] amqp_connection_state_t state() const { return state_; }
  [[nodiscard]] int descriptor() const { return amqp_get_sockfd(state_); }
  [[nodiscard]] MonoTime now() const { return place_.clock.now(); }
  // In scope around each call of the library: one that only writes or reads, and one that waits for an
  // answer.
  [[nodiscard]] WatchedCall watched() {
    return WatchedCall(place_.line, now() + place_.config.publish_deadline);
  }
  [[nodiscard]] WatchedCall watched_rpc() { return WatchedCall(place_.line, now() + 2 * kRpcTime); }
  [[nodiscard]] const std::string& what_was_lost() const { return lost_; }

 private:
  explicit RabbitConnection(const Place& place);
  Status connect(const std::string& host, int port, bool tls);
  Status login(const std::string& vhost, const std::string& user, const std::string& password);

  const Place place_;
  amqp_connection_state_t state_;
  bool maybe_more_ = true;
  std::string lost_;
};

// The text of a broker's close method, or of the library's error.
std::string describe(const amqp_rpc_reply_t& reply);
std::string describe_close(const amqp_method_t& method);

inline amqp_bytes_t as_bytes(const std::string& text) {
  return {text.size(), const_cast<char*>(text.data())};  // the library only reads it
}
inline std::string to_text(amqp_bytes_t bytes) {
  return bytes.bytes == nullptr ? std::string()
                                : std::string(static_cast<const char*>(bytes.bytes), bytes.len);
}

}  // namespace duly
