#include "control-server/api/http_head.h"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <charconv>

#include "common/base/assert.h"
#include "common/model/limits.h"

namespace duly {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

constexpr std::size_t kLongestLine = kHttpTargetBytes + 32;  // with the method and the version

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

}  // namespace

// Collects the head; a body is not Beast's business.
class HeadCollector final : public http::basic_parser<true> {
 public:
  HeadCollector() {
    header_limit(limits::kHttpHeaderBytes);
    body_limit(boost::none);
    eager(false);
  }
  HttpHead head;

 private:
  using View = boost::beast::string_view;
  using Length = boost::optional<std::uint64_t>;

  void on_request_impl(http::verb, View method, View target, int version, error_code&) override {
    head.method.assign(method.data(), method.size());
    head.target.assign(target.data(), target.size());
    head.http_1_0 = version == 10;
    version_ok = version == 10 || version == 11;
  }
  void on_field_impl(http::field, View name, View value, error_code& error) override {
    if (head.fields.size() == kHttpFields) {
      error = http::error::header_limit;
      return;
    }
    head.fields.push_back({lower({name.data(), name.size()}), std::string(value.data(), value.size())});
  }
  void on_response_impl(int, View, int, error_code&) override {}
  void on_header_impl(error_code&) override {}
  void on_body_init_impl(const Length&, error_code&) override {}
  std::size_t on_body_impl(View, error_code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, View, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, View, error_code&) override { return 0; }
  void on_finish_impl(error_code&) override {}

 public:
  bool version_ok = true;
};

namespace {

const std::string* field_of(const std::vector<HttpField>& fields, std::string_view name) {
  for (const HttpField& f : fields) {
    if (f.name == name) return &f.value;
  }
  return nullptr;
}

std::size_t count_of(const std::vector<HttpField>& fields, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(), [&](const HttpField& f) { return f.name == name; }));
}

constexpr Refusal kNoTransferEncoding{411, "Transfer-Encoding is not accepted; send Content-Length"};

// What went wrong in Beast, in the contract's terms.
Refusal refusal_of(const error_code& error, const HeadCollector& parser, std::string_view bytes) {
  if (error == http::error::bad_transfer_encoding ||
      field_of(parser.head.fields, "transfer-encoding") != nullptr) {
    return kNoTransferEncoding;
  }
  if (error == http::error::header_limit) {
    // Beast has no request line yet: it is the line itself that is too long.
    const bool no_line =
        parser.head.method.empty() && bytes.substr(0, kLongestLine).find('\n') == std::string_view::npos;
    if (no_line && bytes.size() > kLongestLine) return {414, "the request target is longer than 2048 bytes"};
    return {431, "the header is larger than 8192 bytes or has more than 64 fields"};
  }
  if (error == http::error::bad_content_length || error == http::error::multiple_content_length) {
    return {400, "Content-Length is malformed or given more than once"};
  }
  if (error == http::error::bad_version) return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  return {400, "malformed HTTP request"};
}

bool is_folded(std::string_view head) {
  return head.find("\n ") != std::string_view::npos || head.find("\n\t") != std::string_view::npos;
}

bool takes_body(std::string_view method) { return method == "POST" || method == "PUT" || method == "PATCH"; }

std::optional<Refusal> judge_framing(HttpHead& head) {
  if (field_of(head.fields, "transfer-encoding") != nullptr) return kNoTransferEncoding;
  const std::size_t lengths = count_of(head.fields, "content-length");
  if (lengths > 1) return Refusal{400, "Content-Length is given more than once"};
  if (lengths == 1) {
    const std::string& text = *field_of(head.fields, "content-length");
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), head.content_length);
    if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
      return Refusal{400, "Content-Length is malformed"};
    }
  }
  if (takes_body(head.method)) {
    head.length_given = lengths == 1;
  } else if (head.content_length > 0) {
    return Refusal{400, "this method takes no body"};
  }
  const std::string* coding = field_of(head.fields, "content-encoding");
  if (coding != nullptr && lower(*coding) != "identity")
    return Refusal{415, "Content-Encoding is not supported"};
  return std::nullopt;
}

// The host without its port, lower case: "[::1]:8080" → "[::1]".
std::string host_name(std::string_view value) {
  const std::size_t bracket = value.starts_with('[') ? value.find(']') : 0;
  if (bracket == std::string_view::npos) return {};
  const std::size_t colon = value.find(':', bracket);
  if (colon != std::string_view::npos) {
    const auto port = value.substr(colon + 1);
    if (port.size() > 5 || port.find_first_not_of("0123456789") != std::string_view::npos) return {};
  }
  return lower(value.substr(0, colon));
}

std::optional<Refusal> judge_host(const HttpHead& head, const std::vector<std::string>& allowed) {
  const std::size_t hosts = count_of(head.fields, "host");
  if (hosts > 1) return Refusal{400, "Host is given more than once"};
  if (hosts == 0) {
    if (head.http_1_0) return std::nullopt;
    return Refusal{400, "Host is required"};
  }
  const std::string name = host_name(*field_of(head.fields, "host"));
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), name) == allowed.end()) {
    return Refusal{421, "this server does not answer for that Host"};
  }
  return std::nullopt;
}

// A browser tells where a request was made: another site's page may not change anything here.
std::optional<Refusal> judge_origin(const HttpHead& head) {
  if (head.method == "GET" || head.method == "HEAD") return std::nullopt;
  const std::string* origin = field_of(head.fields, "origin");
  if (origin == nullptr) return std::nullopt;
  const std::string* host = field_of(head.fields, "host");
  const std::size_t scheme = origin->find("://");
  if (host == nullptr || scheme == std::string::npos || lower(origin->substr(scheme + 3)) != lower(*host)) {
    return Refusal{403, "cross-origin requests are not accepted"};
  }
  return std::nullopt;
}

std::optional<Refusal> judge_expect(HttpHead& head) {
  const std::string* expect = field_of(head.fields, "expect");
  if (expect == nullptr) return std::nullopt;
  if (lower(*expect) != "100-continue") return Refusal{417, "only Expect: 100-continue is understood"};
  head.expect_continue = !head.http_1_0 && head.content_length > 0;
  return std::nullopt;
}

}  // namespace

struct HeadParser::Impl {
  std::optional<HeadCollector> parser;
  std::size_t taken = 0;  // bytes of the present head already consumed
};

HeadParser::HeadParser() : impl_(std::make_unique<Impl>()) {}
HeadParser::~HeadParser() = default;

HeadParser::Step HeadParser::feed(std::string_view bytes) {
  if (!impl_->parser) {
    impl_->parser.emplace();
    impl_->taken = 0;
  }
  HeadCollector& parser = *impl_->parser;
  error_code error;
  Step step;
  step.consumed = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  impl_->taken += step.consumed;
  // Beast joins a folded line to the one before it, as RFC 9112 allows; others read it otherwise.
  const bool folded = is_folded(bytes.substr(0, step.consumed));
  const bool more = error == http::error::need_more;
  // Beast's own limit counts the request line and the fields apart.
  const std::size_t size = impl_->taken + (more ? bytes.size() - step.consumed : 0);
  if (size > limits::kHttpHeaderBytes && (more || !error)) error = http::error::header_limit;
  if (error && error != http::error::need_more) {
    step.state = State::refused;
    step.refusal = refusal_of(error, parser, bytes);
  } else if (folded) {
    step.state = State::refused;
    step.refusal = {400, "a header line must not be folded"};
  } else if (!more && !parser.version_ok) {
    step.state = State::refused;
    step.refusal = {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  } else if (!more) {
    DULY_ASSERT(parser.is_header_done());
    parser.head.keep_alive = parser.keep_alive();
    step.state = State::done;
  }
  return step;
}

HttpHead HeadParser::take() {
  HttpHead head = std::move(impl_->parser->head);
  impl_->parser.reset();
  return head;
}

std::optional<Refusal> judge_head(HttpHead& head, const std::vector<std::string>& allowed_hosts) {
  if (head.target.size() > kHttpTargetBytes)
    return Refusal{414, "the request target is longer than 2048 bytes"};
  if (auto refusal = judge_framing(head)) return refusal;
  if (auto refusal = judge_host(head, allowed_hosts)) return refusal;
  if (auto refusal = judge_origin(head)) return refusal;
  if (!head.target.starts_with('/')) return Refusal{400, "the request target must be a path"};
  return judge_expect(head);
}

std::string usable_request_id(const std::vector<HttpField>& fields) {
  const std::string* id = field_of(fields, "x-request-id");
  if (id == nullptr || id->empty() || id->size() > 64) return {};
  const bool clean = std::all_of(id->begin(), id->end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return clean ? *id : std::string();
}

}  // namespace duly
