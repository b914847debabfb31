// The bytes of an HTTP answer, and the problem documents (RFC 9457) that every error is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "control-server/api/http_types.h"

namespace duly {

std::string_view reason_phrase(int status);

struct FieldError {
  std::string pointer;  // JSON pointer into the request body; empty = the request itself
  std::string detail;
};

// application/problem+json.  429 and 503 carry Retry-After: 1 unless the caller adds its own.
HttpResponse make_problem(int status, std::string_view detail, const std::vector<FieldError>& errors = {},
                          std::string_view title = {}, int retry_after_s = 0);

// "Sat, 21 Nov 2026 09:00:00 GMT": RFC 9110 section 5.6.7.
std::string format_http_date(std::int64_t wall_s);

struct Framing {
  std::string_view request_id;
  std::string_view date;
  bool head_only = false;  // HEAD: the length of the body without the body
  bool keep_alive = true;
  bool http_1_0 = false;
  bool endless = false;  // the body has no length and ends with the connection
  bool secure = false;   // under TLS
};
// The whole answer as one buffer.
std::string serialize(const HttpResponse& response, const Framing& framing);

}  // namespace duly
