// "HOST:PORT", with IPv6 addresses in brackets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace duly {

struct HostPort {
  std::string host;  // without brackets
  std::uint16_t port = 0;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// Port 0 is allowed: "any free one" to a listener.
Result<HostPort> parse_host_port(std::string_view text);
// As parse_host_port takes it.
std::string format_host_port(const HostPort& address);

// Whether only this machine can reach it: localhost, 127.0.0.0/8, ::1 (also as ::ffff:127.x).  A name other
// than localhost is not: what it resolves to may change.
bool is_loopback(std::string_view host);

}  // namespace duly
