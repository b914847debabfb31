#include "common/http/http_url.h"

#include <algorithm>
#include <charconv>

namespace duly {
namespace {

constexpr std::size_t kHostBytes = 253;
constexpr std::size_t kLabelBytes = 63;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char small = lower(c);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// The byte that an escape at the front of `text` stands for, or -1.
int escaped_byte(std::string_view text) {
  if (text.size() < 3 || text[0] != '%') return -1;
  const int high = hex_value(text[1]);
  const int low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// RFC 3986 section 2.3: the same with and without escape.
bool is_unreserved(char c) {
  return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

void append_escape(std::string& out, int byte) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  out += '%';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

const char* wrong_character(std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F) return "has a space or control character";
    if (byte > 0x7F) return "has a character that is not ASCII: encode it";
    if (c == '\\') return "has a backslash";
    if (c == '"' || c == '<' || c == '>') return "has a quote or angle bracket: encode it";
    if (c == '#') return "has a fragment";
  }
  return nullptr;
}

// Numbers at the end are an IPv4 address to some programs, in more spellings than one.
bool ends_in_number(std::string_view host) {
  const std::string_view last = host.substr(host.rfind('.') + 1);
  return std::all_of(last.begin(), last.end(), is_digit) || last.starts_with("0x");
}

Status check_name(std::string_view host) {
  if (host.empty() || host.size() > kHostBytes) return invalid("has no host, or one that is too long");
  std::size_t length = 0;
  for (const char c : host) {
    if (c == '.' && length == 0) return invalid("has a host with an empty label");
    if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && c != '.')
      return invalid("has a host with a character that no host name has");
    length = c == '.' ? 0 : length + 1;
    if (length > kLabelBytes) return invalid("has a host with a label that is too long");
  }
  if (length == 0) return invalid("has a host that ends in a dot");
  if (ends_in_number(host)) return invalid("has a host that is no name and no IPv4 address in full");
  return ok_status();
}

Status read_host(std::string_view text, HttpUrl& url) {
  const bool bracketed = text.starts_with('[');
  if (bracketed != text.ends_with(']')) return invalid("has a host with half a pair of brackets");
  if (bracketed) text = text.substr(1, text.size() - 2);
  url.address = parse_ip(text);
  if (url.address && url.address->v6 == bracketed) {
    url.host = ip_text(*url.address);
    return ok_status();
  }
  if (bracketed) return invalid("has brackets around what is no IPv6 address");
  url.host = lowered(text);
  return check_name(url.host);
}

Status read_port(std::string_view text, HttpUrl& url) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), url.port);
  const bool whole = end == text.data() + text.size() && !text.empty() && is_digit(text[0]);
  if (error != std::errc{} || !whole || url.port == 0) return invalid("has a port that is not 1 to 65535");
  return ok_status();
}

Status read_authority(std::string_view text, HttpUrl& url) {
  if (text.find('@') != std::string_view::npos) return invalid("has user information");
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (auto host = read_host(text.substr(0, colon), url); !host) return host;
  if (colon != std::string_view::npos) return read_port(text.substr(colon + 1), url);
  url.port = url.tls ? 443 : 80;
  return ok_status();
}

// In a path, what an escape may not stand for: it would be another path to whoever decodes it first.
const char* wrong_escape(int byte, std::string_view after) {
  if (byte < 0) return "has a % that begins no escape";
  if (byte < 0x20 || byte == 0x7F) return "has an escaped control character";
  if (byte == '/' || byte == '\\') return "has an escaped slash";
  const bool twice = byte == '%' && (after.starts_with("2e") || after.starts_with("2f") ||
                                     after.starts_with("5c") || after.starts_with("25"));
  return twice ? "has a path that is escaped twice" : nullptr;
}

// "..;x" is ".." to servers that cut parameters off.
bool is_dots(std::string_view segment) {
  segment = segment.substr(0, segment.find(';'));
  return segment == "." || segment == "..";
}

Status check_segments(std::string_view path) {
  for (std::size_t at = 1; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (is_dots(path.substr(at, end - at))) return invalid("has a dot segment in its path");
    at = end + 1;
  }
  return ok_status();
}

Status read_path(std::string_view text, HttpUrl& url) {
  if (text.empty()) text = "/";
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      url.path += text[at];
      continue;
    }
    const int byte = escaped_byte(text.substr(at));
    const std::string after = lowered(text.substr(std::min(at + 3, text.size()), 2));
    if (const char* wrong = wrong_escape(byte, after)) return invalid(wrong);
    at += 2;
    if (is_unreserved(static_cast<char>(byte))) {
      url.path += static_cast<char>(byte);
    } else {
      append_escape(url.path, byte);
    }
  }
  return check_segments(url.path);
}

Status read_query(std::string_view text, HttpUrl& url) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (escaped_byte(text.substr(at)) < 0) return invalid("has a % that begins no escape");
  }
  url.query = text;
  return ok_status();
}

bool below(const std::string& prefix, const std::string& path) {
  if (!path.starts_with(prefix)) return false;
  return path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/';
}

}  // namespace

std::string HttpUrl::origin() const {
  const std::string shown_host = address && address->v6 ? "[" + host + "]" : host;
  return (tls ? "https://" : "http://") + shown_host + ":" + std::to_string(port);
}

std::string HttpUrl::authority() const {
  std::string text = address && address->v6 ? "[" + host + "]" : host;
  if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
  return text;
}

Result<HttpUrl> parse_http_url(std::string_view text) {
  if (text.size() > kUrlBytes) return invalid("is longer than " + std::to_string(kUrlBytes) + " bytes");
  if (const char* wrong = wrong_character(text)) return invalid(wrong);
  const std::size_t mark = text.find("://");
  const std::string scheme = lowered(text.substr(0, mark));
  if (mark == std::string_view::npos || (scheme != "http" && scheme != "https"))
    return invalid("does not begin with http:// or https://");
  HttpUrl url;
  url.tls = scheme == "https";
  text.remove_prefix(mark + 3);
  const std::size_t path = std::min(text.find_first_of("/?"), text.size());
  const std::size_t query = std::min(text.find('?'), text.size());
  if (auto done = read_authority(text.substr(0, path), url); !done) return done.error();
  if (auto done = read_path(text.substr(path, query - path), url); !done) return done.error();
  if (auto done = read_query(text.substr(query), url); !done) return done.error();
  return url;
}

Result<AllowedUrls> AllowedUrls::parse(const std::vector<std::string>& prefixes) {
  AllowedUrls allowed;
  for (const std::string& prefix : prefixes) {
    auto url = parse_http_url(prefix);
    if (!url) return invalid("\"" + prefix + "\" " + url.error().what);
    if (!url->query.empty()) return invalid("\"" + prefix + "\" has a query: only a path can be a prefix");
    allowed.prefixes_.push_back(std::move(*url));
  }
  return allowed;
}

bool AllowedUrls::allow(const HttpUrl& url) const {
  return std::any_of(prefixes_.begin(), prefixes_.end(), [&](const HttpUrl& prefix) {
    return prefix.tls == url.tls && prefix.host == url.host && prefix.port == url.port &&
           below(prefix.path, url.path);
  });
}

}  // namespace duly
