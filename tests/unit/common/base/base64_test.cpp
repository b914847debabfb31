#include "common/base/base64.h"

#include <catch2/catch.hpp>

namespace duly {

TEST_CASE("base64 is that of RFC 4648, section 10") {
  CHECK(to_base64("").empty());
  CHECK(to_base64("f") == "Zg==");
  CHECK(to_base64("fo") == "Zm8=");
  CHECK(to_base64("foo") == "Zm9v");
  CHECK(to_base64("foob") == "Zm9vYg==");
  CHECK(to_base64("fooba") == "Zm9vYmE=");
  CHECK(to_base64("foobar") == "Zm9vYmFy");
}

TEST_CASE("every byte has its place in base64") {
  CHECK(to_base64(std::string_view("\0\xFF\xFE", 3)) == "AP/+");
  CHECK(to_base64(std::string_view("\x80", 1)) == "gA==");
}

}  // namespace duly
