#include "agent/app/scrape.h"

#include <algorithm>
#include <optional>

#include "common/metrics/metrics_page.h"

namespace duly {
namespace {

struct ScrapeRequest {
  std::string_view method, path;
  bool http_1_1 = false;
  std::optional<std::string_view> host, authorization;
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_word(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// The text up to the line end, which is taken off with it; nothing when there is none.
std::optional<std::string_view> take_line(std::string_view& text) {
  const std::size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  return line;
}

bool read_request_line(std::string_view line, ScrapeRequest& request) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return false;
  request.method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  request.path = target.substr(0, target.find('?'));
  const std::string_view version = line.substr(last + 1);
  request.http_1_1 = version == "HTTP/1.1";
  return target.starts_with('/') && target.find(' ') == std::string_view::npos &&
         (request.http_1_1 || version == "HTTP/1.0");
}

// A field that may be there once, and is there again.
bool keep_once(std::optional<std::string_view>& field, std::string_view value) {
  if (field) return false;
  field = value;
  return true;
}

std::optional<ScrapeRequest> read_scrape(std::string_view head) {
  ScrapeRequest request;
  const auto first = take_line(head);
  if (!first || !read_request_line(*first, request)) return std::nullopt;
  while (const auto line = take_line(head)) {
    if (line->empty()) return request;
    const std::size_t colon = line->find(':');
    if (colon == 0 || colon == std::string_view::npos) return std::nullopt;
    const std::string_view name = line->substr(0, colon);
    if (name.find_first_of(" \t") != std::string_view::npos) return std::nullopt;
    const std::string_view value = trim(line->substr(colon + 1));
    if (same_word(name, "host") && !keep_once(request.host, value)) return std::nullopt;
    if (same_word(name, "authorization") && !keep_once(request.authorization, value)) return std::nullopt;
  }
  return std::nullopt;
}

bool names_this_machine(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view name = host.substr(0, colon);
  return same_word(name, "localhost") || name == "127.0.0.1" || name == "[::1]";
}

bool has_token(const ScrapeRequest& request, const std::vector<Digest>& tokens) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view field = request.authorization.value_or("");
  const bool bearer = same_word(field.substr(0, kScheme.size()), kScheme);
  const Digest said = sha256(bearer ? trim(field.substr(kScheme.size())) : "");
  bool known = tokens.empty();
  // All of them: no answer comes sooner than another.
  for (const Digest& token : tokens) known = same_digest(token, said) || known;
  return known;
}

std::string_view reason_of(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    default: return "Service Unavailable";
  }
}

std::string answer(int status, std::string_view type, std::string_view body, std::string_view fields = {},
                   bool with_body = true) {
  std::string text =
      "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_of(status)) +
      "\r\nContent-Type: " + std::string(type) + "\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n" +
      std::string(fields) + "\r\n";
  if (with_body) text += body;
  return text;
}

std::string problem(int status, std::string_view fields = {}) {
  const std::string body = R"({"type":"about:blank","title":")" + std::string(reason_of(status)) +
                           R"(","status":)" + std::to_string(status) + "}";
  return answer(status, "application/problem+json", body, fields);
}

}  // namespace

std::string answer_scrape(std::string_view head, const ScrapeDoor& door,
                          const std::function<std::string()>& metrics) {
  const auto request = read_scrape(head);
  if (!request || (request->http_1_1 && !request->host)) return problem(400);
  if (door.loopback_only && request->host && !names_this_machine(*request->host)) return problem(421);
  const bool health = request->path == "/healthz" || request->path == "/livez";
  if (!health && request->path != "/metrics") return problem(404);
  if (request->method != "GET" && request->method != "HEAD") return problem(405, "Allow: GET, HEAD\r\n");
  const bool with_body = request->method == "GET";
  if (health) return answer(200, "application/json", R"({"status":"alive"})", {}, with_body);
  if (!has_token(*request, door.tokens)) return problem(401, "WWW-Authenticate: Bearer\r\n");
  return answer(200, kMetricsContentType, metrics(), {}, with_body);
}

std::string scrape_problem(int status) { return problem(status); }

}  // namespace duly
