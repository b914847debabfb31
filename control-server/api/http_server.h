// The HTTP/1.1 edge: takes connections, reads one request at a time from each, and hands it to a handler.
//
// Operation.  Requests of one connection are answered in order (pipelined ones wait).  Every wait has a
// deadline that is set when a phase begins and that no trickle of bytes extends; after any protocol error the
// connection is closed. While an answer is pending the socket is still read, so that a client that leaves is
// noticed. Concurrency.  Everything runs on the thread of the given loop. Limits.  limits::kHttp…; beyond
// `connections` a new one gets 503; beyond `body_bytes` of bodies in all, too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/model/limits.h"
#include "common/runtime/asio_loop.h"
#include "common/tls/tls_context.h"
#include "control-server/api/edge_stats.h"
#include "control-server/api/http_types.h"

namespace duly {

inline constexpr std::size_t kHttpsConnections = 1024;  // under TLS: each has some 80 KiB of it

struct HttpConfig {
  Duration header_time = limits::kHttpHeaderTime;
  Duration body_time = limits::kHttpBodyTime;
  Duration idle_time = limits::kHttpIdleTime;
  Duration write_time = seconds{10};
  Duration stream_write_time = seconds{60};  // for one piece of a stream; between pieces it may be quiet
  Duration answer_time =
      milliseconds{limits::kWaitMs} + seconds{60};  // the handler's own deadlines come first
  // After an error the client may finish sending, so that it can read why; a stream that ends has as long for
  // its last piece.
  Duration linger_time = seconds{2};
  Duration sweep_time = milliseconds{250};  // how exactly deadlines are kept
  std::size_t connections = limits::kHttpConnections;
  std::size_t body_bytes = 256U << 20;  // of all request bodies at once
  std::uint64_t request_id_seed = 0;    // request ids of two servers should not collide
  // Names a Host header may carry, lower case, without port; empty = any.  See loopback_hosts().
  std::vector<std::string> allowed_hosts;
  TlsContext tls;  // null = in clear text
};

// What a server bound to loopback answers for: anything else is a DNS rebinding attempt.
std::vector<std::string> loopback_hosts();

class HttpServer {
 public:
  // Listens at once; `host` is an address or "localhost", port 0 = any free one.
  static Result<std::unique_ptr<HttpServer>> listen(AsioLoop& loop, const std::string& host,
                                                    std::uint16_t port, HttpConfig config,
                                                    HttpHandlers handlers);
  // After the loop has stopped, or on its thread.
  ~HttpServer();

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] std::size_t connection_count() const;
  [[nodiscard]] const HttpCounts& counts() const;
  // For the connections that come from now on; not null, and only of a server that began with TLS.
  void use_tls(TlsContext tls);
  // Takes no more connections, closes idle ones, lets answers in flight finish; `done` is called when none is
  // left.
  void stop(std::function<void()> done);

 private:
  class Impl;
  explicit HttpServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace duly
