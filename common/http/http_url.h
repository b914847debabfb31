// An absolute http or https URL in one normal form, so that two spellings of one place compare equal and a
// spelling that different programs read differently is no URL at all.
//
// Refused: user information, fragments, backslashes, control and non-ASCII characters, numbers that only look
// like an IPv4 address (127.1, 0x7f000001), dot segments in every spelling, encoded slashes.  Normalised:
// scheme and host in lower case, the port explicit, escapes in upper case, what need not be escaped
// unescaped.  Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/http/ip_address.h"

namespace duly {

inline constexpr std::size_t kUrlBytes = 8192;

struct HttpUrl {
  bool tls = false;
  std::string host;                  // lower case, an IPv6 address without its brackets
  std::optional<IpAddress> address;  // when the host is one
  std::uint16_t port = 0;
  std::string path;   // begins with "/"
  std::string query;  // begins with "?", or empty

  // "https://host:443": what a circuit breaker counts for.
  [[nodiscard]] std::string origin() const;
  // What goes into the Host header: without the port where it is the scheme's own.
  [[nodiscard]] std::string authority() const;
  // Without the query, which may hold a secret: for errors and logs.
  [[nodiscard]] std::string shown() const { return origin() + path; }
};

// An error says what is wrong, without the URL.
Result<HttpUrl> parse_http_url(std::string_view text);

// The URLs that an operator allows, as prefixes: same scheme, host and port, and a path that is the prefix's
// or lies below it.
class AllowedUrls {
 public:
  // An error names the prefix that cannot be used.
  static Result<AllowedUrls> parse(const std::vector<std::string>& prefixes);

  [[nodiscard]] bool none() const { return prefixes_.empty(); }
  [[nodiscard]] bool allow(const HttpUrl& url) const;

 private:
  std::vector<HttpUrl> prefixes_;
};

}  // namespace duly
