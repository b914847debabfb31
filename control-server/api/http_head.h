// The head of an HTTP request, parsed by Boost.Beast and judged by Duly's stricter rules.
//
// Beast answers what is a well-formed head of at most limits::kHttpHeaderBytes; the rules refuse every way of
// framing a body but exactly one Content-Length (request smuggling), and hosts and origins that are not ours
// (DNS rebinding, cross-site requests).  This is the only place that includes Beast.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control-server/api/http_types.h"

namespace duly {

inline constexpr std::size_t kHttpTargetBytes = 2048;
inline constexpr std::size_t kHttpFields = 64;

struct HttpHead {
  std::string method;
  std::string target;
  std::vector<HttpField> fields;
  std::uint64_t content_length = 0;
  bool length_given = true;  // false: a method that takes a body came without Content-Length
  bool http_1_0 = false;
  bool keep_alive = true;
  bool expect_continue = false;
};

// Why a head is refused; the connection is closed after the answer.
struct Refusal {
  int status = 400;
  std::string_view detail;
};

class HeadParser {
 public:
  HeadParser();
  ~HeadParser();

  enum class State : std::uint8_t { need_more, done, refused };
  struct Step {
    State state = State::need_more;
    std::size_t consumed = 0;
    Refusal refusal;
  };
  // `bytes` is everything received and not yet consumed.
  Step feed(std::string_view bytes);
  // After State::done: the head; the parser is ready for the next one.
  HttpHead take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The rules beyond the grammar.  Fills in `content_length`.  `allowed_hosts` (lower case, without port) empty
// = any.
std::optional<Refusal> judge_head(HttpHead& head, const std::vector<std::string>& allowed_hosts);

// A client's own request id when it is 1 to 64 characters of [A-Za-z0-9._-], else empty.
std::string usable_request_id(const std::vector<HttpField>& fields);

}  // namespace duly
