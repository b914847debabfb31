#include "common/app/host_port.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

TEST_CASE("HOST:PORT is read, and written back the same") {
  for (const char* text : {"127.0.0.1:8080", "[::1]:0", "example.org:65535", "[2001:db8::7]:443"}) {
    const auto address = parse_host_port(text);
    REQUIRE(address);
    CHECK(format_host_port(*address) == text);
  }
  CHECK(*parse_host_port("[::1]:7070") == HostPort{"::1", 7070});
}

TEST_CASE("what is not HOST:PORT is refused") {
  for (const char* text : {"", "8080", ":8080", "host:", "host:x", "host:65536", "host:-1", "host:80 ",
                           "::1:80", "[::1]", "[]:1", "[nonsense]:1", "[127.0.0.1]:1"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_host_port(text));
  }
}

TEST_CASE("loopback is what only this machine can reach") {
  for (const char* host : {"localhost", "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    CAPTURE(host);
    CHECK(is_loopback(host));
  }
  for (const char* host :
       {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "::ffff:10.0.0.1", "localhost.example", ""}) {
    CAPTURE(host);
    CHECK_FALSE(is_loopback(host));
  }
}

}  // namespace
}  // namespace duly
