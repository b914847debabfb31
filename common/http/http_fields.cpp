#include "common/http/http_fields.h"

#include <algorithm>
#include <string>

namespace duly {
namespace {

constexpr std::string_view kOurs[] = {
    "host",         "content-length", "transfer-encoding", "connection", "keep-alive",      "te",
    "trailer",      "upgrade",        "proxy-connection",  "expect",     "accept-encoding", "idempotency-key",
    "duly-attempt", "duly-id",        "duly-signature"};

std::string in_lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return result;
}

// RFC 9110 section 5.6.2.
bool is_token_character(char c) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return plain || kMarks.find(c) != std::string_view::npos;
}

bool is_value_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 0x20 && byte != 0x7F) || c == '\t';
}

}  // namespace

Status check_request_field(std::string_view name, std::string_view value) {
  if (name.empty() || name.size() > kFieldNameBytes ||
      !std::all_of(name.begin(), name.end(), is_token_character))
    return invalid("is no name of a header field");
  if (std::find(std::begin(kOurs), std::end(kOurs), in_lower_case(name)) != std::end(kOurs))
    return invalid("may not be given: it is written by Duly");
  if (value.size() > kFieldValueBytes)
    return invalid("has a value of more than " + std::to_string(kFieldValueBytes) + " bytes");
  if (!std::all_of(value.begin(), value.end(), is_value_character))
    return invalid("has a value with a control character");
  return ok_status();
}

}  // namespace duly
