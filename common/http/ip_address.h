// An IP address, and whom it reaches: an address that a name resolves to is looked up here before anything is
// sent to it (SSRF: a name of somebody else's may lead into our own network).
//
// Pure.  Source of the ranges: IANA's special-purpose registries (RFC 6890 and its updates).  Of IPv6 only
// 2000::/3 is given out to the public; everything else is refused without being named one by one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duly {

struct IpAddress {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};  // in network order; an IPv4 address is the first four

  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

// A dotted quad or an IPv6 address without brackets and zone; nothing for every other spelling.
std::optional<IpAddress> parse_ip(std::string_view text);
// As usual: "10.0.0.1", "fe80::1".
std::string ip_text(const IpAddress& address);

enum class Reach : std::uint8_t {
  anyone,    // the public internet
  internal,  // this machine or its own network: an operator may allow it
  never,     // link-local (where clouds keep their credentials), embedded, reserved, many at once
};

struct AddressRange {
  Reach reach = Reach::anyone;
  std::string_view name;  // of the range, for people; empty for anyone
};
AddressRange range_of(const IpAddress& address);

}  // namespace duly
