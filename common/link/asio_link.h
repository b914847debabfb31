// The Link over TCP, in clear text or under TLS: one socket of an AsioLoop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/link/link.h"
#include "common/runtime/asio_loop.h"
#include "common/tls/tls_context.h"

namespace duly {

inline constexpr seconds kTlsTime{5};               // an accepted connection has to agree on TLS
inline constexpr std::size_t kTlsHandshakes = 256;  // under way at once

// What the next connection is made with; not null.
using TlsSource = std::function<TlsContext()>;

// Tries the addresses in turn, at most `limit` for each, TLS included; the next call begins with the one
// after the last success.  Without a source the link is in clear text.
LinkConnector asio_connector(AsioLoop& loop, std::vector<std::pair<std::string, std::uint16_t>> addresses,
                             Duration limit, TlsSource tls = {});

// Accepts links on an address.  Loop thread.
//
// Limits.  A connection that has not agreed on TLS within kTlsTime is closed.  There are at most
// kTlsHandshakes of them: beyond that the oldest goes, so that those who stay silent keep nobody out.
class AsioListener {
 public:
  using OnLink = std::function<void(std::unique_ptr<Link>)>;
  // Errors: the address is taken or is not one of this machine.  Without `tls` links are in clear text.
  static Result<std::unique_ptr<AsioListener>> open(AsioLoop& loop, const std::string& host,
                                                    std::uint16_t port, OnLink on_link,
                                                    TlsContext tls = nullptr);
  ~AsioListener();
  // For the connections that come from now on; not null, and only of one that was opened with TLS.
  void use_tls(TlsContext tls);
  [[nodiscard]] std::uint16_t port() const;
  void close();

 private:
  struct State;
  explicit AsioListener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace duly
