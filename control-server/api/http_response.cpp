#include "control-server/api/http_response.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "common/wire/json_text.h"

namespace duly {
namespace {

// A header value never carries control characters, whatever it was made from: no response splitting.
void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '_' : c;
  out += "\r\n";
}

bool has_field(const HttpResponse& response, std::string_view name) {
  return std::any_of(response.fields.begin(), response.fields.end(),
                     [&](const auto& field) { return field.first == name; });
}

}  // namespace

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return status < 400 ? "OK" : "Error";
  }
}

HttpResponse make_problem(int status, std::string_view detail, const std::vector<FieldError>& errors,
                          std::string_view title, int retry_after_s) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  JsonObject object(response.body);
  object.text("type", "about:blank");
  object.text("title", title.empty() ? reason_phrase(status) : title);
  object.number("status", status);
  object.text("detail", detail);
  if (!errors.empty()) {
    std::string list = "[";
    for (const FieldError& error : errors) {
      if (list.size() > 1) list += ',';
      JsonObject item(list);
      item.text("pointer", error.pointer);
      item.text("detail", error.detail);
      item.end();
    }
    object.raw("errors", list + "]");
  }
  object.end();
  if (retry_after_s <= 0 && (status == 429 || status == 503)) retry_after_s = 1;
  if (retry_after_s > 0) response.fields.emplace_back("Retry-After", std::to_string(retry_after_s));
  return response;
}

std::string format_http_date(std::int64_t wall_s) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::sys_seconds at{std::chrono::seconds{wall_s}};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{at - day};
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02u %s %04d %02d:%02d:%02d GMT",
                kDays[std::chrono::weekday{day}.c_encoding()], static_cast<unsigned>(date.day()),
                kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text;
}

std::string serialize(const HttpResponse& response, const Framing& framing) {
  std::string out;
  out.reserve(384 + (framing.head_only ? 0 : response.body.size()));
  out.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ");
  out.append(reason_phrase(response.status)).append("\r\n");
  append_field(out, "Date", framing.date);
  append_field(out, "X-Request-Id", framing.request_id);
  append_field(out, "Content-Type", response.content_type);
  out += "X-Content-Type-Options: nosniff\r\n";
  if (!has_field(response, "Cache-Control")) out += "Cache-Control: no-store\r\n";
  for (const auto& [name, value] : response.fields) append_field(out, name, value);
  // A browser that was here once does not ask in clear text again, whatever link it is shown.
  if (framing.secure) out += "Strict-Transport-Security: max-age=31536000\r\n";
  if (!framing.keep_alive) {
    out += "Connection: close\r\n";
  } else if (framing.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  if (framing.endless) return out + "\r\n";
  // What a 304 would have as its length is that of the 200, which nobody has made.
  if (response.status != 304)
    out.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
  out += "\r\n";
  if (!framing.head_only) out += response.body;
  return out;
}

}  // namespace duly
