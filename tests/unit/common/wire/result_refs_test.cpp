#include "common/wire/result_refs.h"

#include <catch2/catch.hpp>
#include <map>

#include "common/wire/raw_json.h"

namespace duly {
namespace {

// What is wrong with a payload, as "pointer: detail"; "none" or "some" when nothing is, and it has
// references.
std::string check(const std::string& payload) {
  std::string wrong;
  const bool any = check_result_refs(
      parse_json(payload, 32).value(), "/p",
      [](const std::string& name) { return name == "a" || name == "b"; },
      [&](const std::string& at, const std::string& detail) { wrong += at + ": " + detail + "\n"; });
  return !wrong.empty() ? wrong : any ? "some" : "none";
}

std::string fill(const std::string& payload, std::size_t most = 1000) {
  const std::map<std::string, std::string> results{
      {"a", R"({"total": 12345678901234567890.10, "list":[1,{"x/y~z": "ü"}]})"}, {"b", "null"}};
  const auto filled = fill_in_results(
      payload, most, [&](const std::string& name) -> std::string_view { return results.at(name); });
  return filled ? *filled : "error: " + filled.error().what;
}

}  // namespace

TEST_CASE("references are found at any depth, and what is wrong with them is named") {
  CHECK(check("{}") == "none");
  CHECK(check(R"({"x":"$result"})") == "none");
  CHECK(check(R"({"$result":"a"})") == "some");
  CHECK(check(R"([1,{"y":[{"$result":"b","pointer":"/n/0"}]}])") == "some");
  CHECK(check(R"({"x/y":{"$result":"c"}})") ==
        "/p/x~1y/$result: must be the name of a command in depends_on\n");
  CHECK(check(R"({"$result":7})") == "/p/$result: must be the name of a command in depends_on\n");
  CHECK(check(R"([{"$result":"a","pointer":"total"}])") ==
        "/p/0/pointer: must be a JSON pointer (RFC 6901)\n");
  CHECK(check(R"({"$result":"a","pointer":"/~2"})") == "/p/pointer: must be a JSON pointer (RFC 6901)\n");
  CHECK(check(R"({"$result":"a","also":1})") == "/p/also: has no place beside $result\n");
}

TEST_CASE("a reference is replaced by the result's own bytes, and nothing else is touched") {
  CHECK(fill(R"( {"n" : 1.50} )") == R"( {"n" : 1.50} )");
  CHECK(fill(R"({"n": {"$result":"a","pointer":"/total"} ,"m":1e3})") ==
        R"({"n": 12345678901234567890.10 ,"m":1e3})");
  CHECK(fill(R"([{"$result":"a","pointer":"/list/1/x~1y~0z"}, {"pointer":"","$result":"b"}])") ==
        "[\"ü\", null]");
  CHECK(fill(R"({"$result":"a","pointer":"/list"})") == R"([1,{"x/y~z": "ü"}])");
  CHECK(fill(R"({"$resul\u0074":"b"})") == "null");
}

TEST_CASE("a reference to nothing, and a payload that grows too large, are errors") {
  CHECK(fill(R"({"$result":"a","pointer":"/list/2"})") ==
        "error: the result of 'a' has nothing at '/list/2'");
  CHECK(fill(R"({"$result":"a","pointer":"/list/01"})") ==
        "error: the result of 'a' has nothing at '/list/01'");
  CHECK(fill(R"({"$result":"b","pointer":"/x"})") == "error: the result of 'b' has nothing at '/x'");
  std::string many = "[";
  for (int i = 0; i < 30; ++i) many += R"({"$result":"a"},)";
  many.back() = ']';
  CHECK(fill(many).rfind("error: with the results in it the payload is larger than 1000 bytes", 0) == 0);
  CHECK(fill(R"([{"$result":"b"}])", 6) == "[null]");
  CHECK(fill(R"([{"$result":"b"}])", 5).rfind("error: ", 0) == 0);
}

TEST_CASE("a pointer finds the bytes of a value") {
  const std::string text = R"( {"a":{"":[10, 20]},"b~c":{"d/e":"x"}} )";
  CHECK(raw_at(text, "") == R"({"a":{"":[10, 20]},"b~c":{"d/e":"x"}})");
  CHECK(raw_at(text, "/a//1") == "20");
  CHECK(raw_at(text, "/b~0c/d~1e") == "\"x\"");
  CHECK_FALSE(raw_at(text, "/a//2"));
  CHECK_FALSE(raw_at(text, "/a//-"));
  CHECK_FALSE(raw_at(text, "a"));
  CHECK_FALSE(raw_at(text, "/a//1/0"));
}

}  // namespace duly
