#include "cli/api.h"

#include <httplib.h>
#include <poll.h>

#include <algorithm>
#include <charconv>

#include "cli/api_tls.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

constexpr int kAnswerDepth = 2 * limits::kJsonDepth;  // a payload inside a command inside a list
constexpr seconds kConnectTime{5};
constexpr seconds kAnswerTime{90};  // longer than the longest wait_ms
constexpr seconds kRateTime{30};    // in all, for a key that asks more often than it may

// cpp-httplib 0.11 writes line ends in header values as they are: such a value could add headers of its own.
bool fits_header(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7F;
  });
}

seconds retry_after(const httplib::Response& response) {
  constexpr int kLongest = 60;
  const std::string text = response.get_header_value("Retry-After");
  int number = 1;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return seconds{std::clamp(number, 1, kLongest)};
}

Error no_answer(const httplib::Client& client, const std::string& server, httplib::Error error) {
  const bool never_sent = error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout ||
                          error == httplib::Error::SSLConnection ||
                          error == httplib::Error::SSLServerVerification ||
                          error == httplib::Error::SSLLoadingCerts || error == httplib::Error::BindIPAddress;
  std::string why = httplib::to_string(error);
  if (error == httplib::Error::SSLServerVerification) why += refused_certificate(client);
  if (never_sent) return {Errc::unavailable, "cannot reach " + server + " (" + why + ")"};
  return {Errc::in_doubt, "no answer from " + server + " (" + why + "); the request may have been applied"};
}

Status begin(const Request& request, httplib::Request& out) {
  out.method = request.method;
  out.path = request.path;
  for (const auto& [name, value] : request.headers) {
    if (!fits_header(value)) return invalid(name + " holds a control character");
    out.set_header(name, value);
  }
  return ok_status();
}

}  // namespace

struct Api::Http {
  explicit Http(const std::string& url) : server(url), client(url) {}
  std::string server;
  httplib::Client client;
};

Api::Api(std::unique_ptr<Http> http) : http_(std::move(http)) {}
Api::Api(Api&&) noexcept = default;
Api::~Api() = default;

Result<Api> Api::connect(const Session& session) {
  const std::string& url = session.server;
  if (url.rfind("http://", 0) != 0 && url.rfind("https://", 0) != 0) {
    return invalid("--server \"" + url + "\" does not begin with http:// or https://");
  }
  if (!fits_header(session.api_key)) return invalid("--api-key holds a control character");
  std::string base = url;
  while (base.back() == '/') base.pop_back();
  try {
    auto http = std::make_unique<Http>(base);
    if (!http->client.is_valid()) return invalid("--server \"" + url + "\" is not a URL of a server");
    if (const Status tls = use_tls(http->client, base, session); !tls) return tls.error();
    http->client.set_connection_timeout(kConnectTime);
    http->client.set_read_timeout(kAnswerTime);
    http->client.set_write_timeout(kAnswerTime);
    http->client.set_keep_alive(true);
    http->client.set_tcp_nodelay(true);
    http->client.set_decompress(false);
    http->client.set_url_encode(false);  // url_encode() has done it
    if (!session.api_key.empty()) http->client.set_bearer_token_auth(session.api_key);
    return Api(std::move(http));
  } catch (const std::exception& thrown) {
    return invalid("--server \"" + url + "\" cannot be used: " + thrown.what());
  }
}

Result<Answer> Api::send(const Request& request) {
  for (seconds left = kRateTime;;) {
    auto answer = send_once(request);
    if (!answer || answer->status != 429 || answer->retry_after > left) return answer;
    left -= answer->retry_after;
    pause_for(answer->retry_after);
  }
}

Result<Answer> Api::send_once(const Request& request) {
  httplib::Request out;
  if (const Status set = begin(request, out); !set) return set.error();
  if (request.method != "GET") {
    out.body = request.body;
    out.set_header("Content-Type", request.content_type);
  }
  const httplib::Result got = http_->client.send(out);
  if (!got) return no_answer(http_->client, http_->server, got.error());
  Answer answer;
  answer.status = got->status;
  answer.text = got->body;
  answer.retry_after = retry_after(*got);
  answer.next_cursor = got->get_header_value("Duly-Next-Cursor");
  if (auto body = parse_json(answer.text, kAnswerDepth)) answer.body = std::move(*body);
  return answer;
}

Result<Answer> Api::stream(const Request& request, const std::function<bool(std::string_view)>& piece) {
  constexpr std::size_t kProblemBytes = 64 * 1024;
  Answer answer;
  bool enough = false;
  httplib::Request out;
  if (const Status set = begin(request, out); !set) return set.error();
  out.response_handler = [&](const httplib::Response& head) {
    answer.status = head.status;
    answer.retry_after = retry_after(head);
    return true;
  };
  out.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (!answer.good()) {
      answer.text.append(data, std::min(size, kProblemBytes - std::min(kProblemBytes, answer.text.size())));
      return true;
    }
    enough = !piece({data, size});
    return !enough;
  };
  const httplib::Result got = http_->client.send(out);
  if (!got && !enough) return no_answer(http_->client, http_->server, got.error());
  if (auto body = parse_json(answer.text, kAnswerDepth)) answer.body = std::move(*body);
  return answer;
}

std::string url_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool letter = (byte | 0x20U) >= 'a' && (byte | 0x20U) <= 'z' && byte < 0x80;
    if (letter || (byte >= '0' && byte <= '9') || kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return encoded;
}

std::string query_of(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string query;
  for (const auto& pair : pairs) {
    if (pair.second.empty()) continue;
    query += (query.empty() ? "?" : "&") + url_encode(pair.first) + "=" + url_encode(pair.second);
  }
  return query;
}

void pause_for(milliseconds length) { ::poll(nullptr, 0, static_cast<int>(length.count())); }

}  // namespace duly::cli
