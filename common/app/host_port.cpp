#include "common/app/host_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>

namespace duly {
namespace {

Error not_host_port(std::string_view text, const char* why) {
  return invalid("\"" + std::string(text) + "\" is not HOST:PORT: " + why);
}

bool is_loopback_v6(const in6_addr& address) {
  if (IN6_IS_ADDR_LOOPBACK(&address)) return true;
  return IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127;
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return not_host_port(text, "there is no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty()) return not_host_port(text, "there is no host");
  if (!bracketed && host.find_first_of(":[]") != std::string_view::npos) {
    return not_host_port(text, "an IPv6 address needs brackets, [::1]:8080");
  }
  in6_addr address{};
  if (bracketed && ::inet_pton(AF_INET6, std::string(host).c_str(), &address) != 1) {
    return not_host_port(text, "what is in the brackets is not an IPv6 address");
  }
  std::uint16_t number = 0;
  const auto [end, problem] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (port.empty() || problem != std::errc{} || end != port.data() + port.size()) {
    return not_host_port(text, "the port is not a number from 0 to 65535");
  }
  return HostPort{std::string(host), number};
}

std::string format_host_port(const HostPort& address) {
  const bool bracketed = address.host.find(':') != std::string::npos;
  return (bracketed ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

bool is_loopback(std::string_view host) {
  const std::string text(host);
  if (text == "localhost") return true;
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return ::inet_pton(AF_INET6, text.c_str(), &v6) == 1 && is_loopback_v6(v6);
}

}  // namespace duly
