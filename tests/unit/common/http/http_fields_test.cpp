#include "common/http/http_fields.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace duly {

static std::string wrong_field(std::string_view name, std::string_view value) {
  const Status checked = check_request_field(name, value);
  return checked ? "" : checked.error().what;
}

TEST_CASE("an ordinary header field may come from outside") {
  CHECK(wrong_field("Authorization", "Bearer abc") == "");
  CHECK(wrong_field("X-Thing_1.2", "") == "");
  CHECK(wrong_field("accept", "text/html,\tapplication/xml;q=0.9") == "");
  CHECK(wrong_field("X-Name", "\xC3\xBC") == "");
  CHECK(wrong_field(std::string(kFieldNameBytes, 'x'), std::string(kFieldValueBytes, 'y')) == "");
}

TEST_CASE("a field that could end itself or begin another one is refused") {
  using Catch::Matchers::Contains;
  for (const std::string& value :
       std::vector<std::string>{"a\r\nHost: b", "a\nb", "a\rb", std::string("a\0b", 3), std::string("\x7F")})
    CHECK_THAT(wrong_field("X-A", value), Contains("control"));
  for (const std::string& name : std::vector<std::string>{"", "a b", "a:b", "a\r\nb", "a\tb", "\xC3\xBC",
                                                          "a(b)", std::string("a\0b", 3)})
    CHECK_THAT(wrong_field(name, "x"), Contains("name"));
  CHECK_THAT(wrong_field(std::string(kFieldNameBytes + 1, 'x'), ""), Contains("name"));
  CHECK_THAT(wrong_field("X", std::string(kFieldValueBytes + 1, 'x')), Contains("bytes"));
}

TEST_CASE("what says where the request goes and which one it is, is not for outsiders") {
  for (const char* name :
       {"Host", "HOST", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer",
        "Upgrade", "Proxy-Connection", "Expect", "Accept-Encoding", "Idempotency-Key", "duly-attempt"})
    CHECK_THAT(wrong_field(name, "x"), Catch::Contains("written by Duly"));
}

}  // namespace duly
