#include "common/http/http_url.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

std::string normal(const std::string& text) {
  const auto url = parse_http_url(text);
  INFO(text << ": " << (url ? "" : url.error().what));
  REQUIRE(url);
  return url->origin() + url->path + url->query;
}

std::string wrong(const std::string& text) {
  const auto url = parse_http_url(text);
  return url ? "accepted " + url->origin() + url->path : url.error().what;
}

bool allowed(const std::string& prefix, const std::string& text) {
  const auto list = AllowedUrls::parse({"https://other.example/", prefix});
  const auto url = parse_http_url(text);
  INFO(prefix << " " << text << ": " << (url ? "" : url.error().what));
  REQUIRE(list);
  REQUIRE(url);
  return list->allow(*url);
}

}  // namespace

TEST_CASE("two spellings of one URL become the same") {
  CHECK(normal("http://example.com") == "http://example.com:80/");
  CHECK(normal("HTTPS://EXAMPLE.com:443/") == "https://example.com:443/");
  CHECK(normal("https://example.com/%7euser/%61%2Dz") == "https://example.com:443/~user/a-z");
  CHECK(normal("https://example.com/a%c3%bcb%20c") == "https://example.com:443/a%C3%BCb%20c");
  CHECK(normal("https://example.com?a=b/../c?d") == "https://example.com:443/?a=b/../c?d");
  CHECK(normal("http://example.com:08080/x//y/") == "http://example.com:8080/x//y/");
  CHECK(normal("http://127.0.0.1:9000/") == "http://127.0.0.1:9000/");
  CHECK(normal("http://[2001:DB8:0::1]/") == "http://[2001:db8::1]:80/");
  CHECK(normal("http://a_b-c.1d/") == "http://a_b-c.1d:80/");
  CHECK(normal("http://example.com/a...b/.well-known/..x/...") ==
        "http://example.com:80/a...b/.well-known/..x/...");
}

TEST_CASE("what different programs read differently is no URL") {
  using Catch::Matchers::Contains;
  for (const char* text : {"http://user@example.com/", "http://user:secret@example.com/", "http://a@b@c/"})
    CHECK_THAT(wrong(text), Contains("user information"));
  for (const char* text : {"http://example.com/#x", "http://example.com#", "http://a/?b#c"})
    CHECK_THAT(wrong(text), Contains("fragment"));
  for (const char* text : {"http:\\\\example.com", "http://example.com\\@evil.com/", "http://a/b\\..\\c"})
    CHECK_THAT(wrong(text), Contains("backslash"));
  for (const char* text :
       {"http://a/b c", "http://a/\r\nHost: b", "http://a/\tb", "http://a/\x7F", " http://a/", ""})
    CHECK_THAT(wrong(text), Contains("control") || Contains("begin with"));
  CHECK_THAT(wrong(std::string("http://a/\0b", 11)), Contains("control"));
  CHECK_THAT(wrong("http://ex\xC3\xA4mple.com/"), Contains("ASCII"));
  for (const char* text : {"ftp://a/", "//a/", "a/b", "http:/a", "http:a", "file:///etc/passwd", "httpx://a/",
                           "javascript:alert(1)"})
    CHECK_THAT(wrong(text), Contains("http://"));
}

TEST_CASE("a host is a name or an address in full") {
  using Catch::Matchers::Contains;
  for (const char* host : {"127.1",
                           "2130706433",
                           "0x7f000001",
                           "0x7f.1",
                           "0177.0.0.1",
                           "1.2.3.4.5",
                           "256.0.0.1",
                           "127.0.0.1.",
                           "a.0",
                           "a.0xfe",
                           "",
                           ".a",
                           "a..b",
                           "a.",
                           "a%2eb",
                           "a,b",
                           "a*",
                           "[",
                           "[]",
                           "[::1",
                           "::1",
                           "[127.0.0.1]",
                           "[fe80::1%25eth0]",
                           "a]b"})
    CHECK_THAT(wrong(std::string("http://") + host + "/"),
               Contains("host") || Contains("brackets") || Contains("port"));
  CHECK_THAT(wrong("http://" + std::string(64, 'a') + "/"), Contains("label"));
  std::string labels = "a";
  while (labels.size() < 254) labels += ".a";
  CHECK_THAT(wrong("http://" + labels + "/"), Contains("too long"));
  for (const char* port : {"", "0", "65536", "-1", "+80", "80a", " 80", "80:80", "99999999999"})
    CHECK_THAT(wrong(std::string("http://a:") + port + "/"), Contains("port") || Contains("space"));
  CHECK_THAT(wrong("http://a/" + std::string(kUrlBytes, 'a')), Contains("longer"));
}

TEST_CASE("no path leads upwards, in whatever spelling") {
  using Catch::Matchers::Contains;
  for (const char* path : {"/..", "/../a", "/a/../b", "/a/..", "/.", "/a/./b", "/%2e%2e/a", "/%2E./a",
                           "/.%2e", "/a/%2e", "/..;x/a", "/a/..;/b", "/.;/"})
    CHECK_THAT(wrong(std::string("http://a") + path), Contains("dot segment"));
  for (const char* path : {"/..%2fa", "/a%2Fb", "/a%5cb", "/%5C..%5c"})
    CHECK_THAT(wrong(std::string("http://a") + path), Contains("escaped slash"));
  for (const char* path : {"/%252e%252e/a", "/%252fa", "/%255C", "/%25252e"})
    CHECK_THAT(wrong(std::string("http://a") + path), Contains("escaped twice"));
  for (const char* path : {"/%", "/%4", "/%zz", "/a%2", "/?a=%", "/?%g1"})
    CHECK_THAT(wrong(std::string("http://a") + path), Contains("%"));
  for (const char* path : {"/%00", "/a%0d%0ab", "/%7f"})
    CHECK_THAT(wrong(std::string("http://a") + path), Contains("control"));
  CHECK(normal("http://a/100%25/b") == "http://a:80/100%25/b");
}

TEST_CASE("a prefix allows its path and what lies below it, and nothing beside it") {
  CHECK(allowed("https://a.example/api", "https://a.example/api"));
  CHECK(allowed("https://a.example/api", "https://a.example/api/v1?x=1"));
  CHECK(allowed("https://a.example/api", "https://A.Example:443/%61pi/"));
  CHECK(allowed("https://a.example/api/", "https://a.example/api/v1"));
  CHECK(allowed("https://a.example", "https://a.example/anything"));
  CHECK_FALSE(allowed("https://a.example/api", "https://a.example/apix"));
  CHECK_FALSE(allowed("https://a.example/api", "https://a.example/api;x"));
  CHECK_FALSE(allowed("https://a.example/api", "https://a.example/ap"));
  CHECK_FALSE(allowed("https://a.example/api", "https://a.example/API"));
  CHECK_FALSE(allowed("https://a.example/api/", "https://a.example/api"));
  CHECK_FALSE(allowed("https://a.example/api", "http://a.example/api"));
  CHECK_FALSE(allowed("https://a.example/api", "https://a.example:444/api"));
  CHECK_FALSE(allowed("https://a.example/api", "https://a.example.evil.com/api"));
  CHECK_FALSE(allowed("https://a.example/api", "https://b.example/api"));
  CHECK_FALSE(allowed("https://a.example/api", "https://b.example/https://a.example/api"));
  CHECK_FALSE(AllowedUrls().allow(*parse_http_url("https://a.example/")));
}

TEST_CASE("a prefix that cannot be one is named") {
  using Catch::Matchers::Contains;
  CHECK_THAT(AllowedUrls::parse({"https://a/", "example.com"}).error().what,
             Contains("\"example.com\" does not"));
  CHECK_THAT(AllowedUrls::parse({"https://a/?x"}).error().what, Contains("query"));
  CHECK_THAT(AllowedUrls::parse({""}).error().what, Contains("\"\""));
  CHECK(AllowedUrls::parse({})->none());
}

TEST_CASE("a URL is shown without its query, and its authority without the scheme's own port") {
  const auto url = parse_http_url("https://a.example:443/path?token=secret");
  REQUIRE(url);
  CHECK(url->shown() == "https://a.example:443/path");
  CHECK(url->authority() == "a.example");
  CHECK(parse_http_url("http://a:443/")->authority() == "a:443");
  CHECK(parse_http_url("http://[::1]:80/")->authority() == "[::1]");
  CHECK(parse_http_url("http://[::1]:81/")->authority() == "[::1]:81");
}

}  // namespace duly
