#include "common/wire/raw_json.h"

#include <catch2/catch.hpp>

#include "common/wire/json.h"

namespace duly {

TEST_CASE("a member's value is found byte for byte, whatever stands around it") {
  CHECK(raw_member(R"({"a":1,"payload":{"x" : [1, 2.50]},"b":2})", "payload") == R"({"x" : [1, 2.50]})");
  CHECK(raw_member("{ \"payload\" :\n  -1.0e5 \n}", "payload") == "-1.0e5");
  CHECK(raw_member(R"({"payload":"}\"]{\\"})", "payload") == R"("}\"]{\\")");
  CHECK(raw_member(R"({"payload":null})", "payload") == "null");
  CHECK(raw_member(R"({"payload":"zwölf"})", "payload") == "\"zwölf\"");
  CHECK(raw_member("\xEF\xBB\xBF{\"payload\":true}", "payload") == "true");
}

TEST_CASE("only the object's own member counts, however its name is spelled") {
  CHECK(raw_member(R"({"x":{"payload":1},"payload":2})", "payload") == "2");
  CHECK(raw_member(R"({"x":"payload","y":["payload"]})", "payload") == std::nullopt);
  CHECK(raw_member(R"({"pay\u006coad":[3]})", "payload") == "[3]");
  CHECK(raw_member("{}", "payload") == std::nullopt);
  CHECK(raw_member("[1]", "payload") == std::nullopt);
}

TEST_CASE("the items of an array are found in order") {
  const auto items = raw_items(R"( [ {"a":[1,2]} , "x,]" ,3, [ ] ] )");
  REQUIRE(items.size() == 4);
  CHECK(items[0] == R"({"a":[1,2]})");
  CHECK(items[1] == R"("x,]")");
  CHECK(items[2] == "3");
  CHECK(items[3] == "[ ]");
  CHECK(raw_items("[]").empty());
  CHECK(raw_items(" [ \n ] ").empty());
}

TEST_CASE("what is found means what the parser understood") {
  const std::string text = R"({"l":[{"payload":{"k":"\\\"{"}},{"payload":[[],{}]},{"other":0}]})";
  const auto parsed = parse_json(text, 32);
  REQUIRE(parsed.ok());
  const auto items = raw_items(raw_member(text, "l").value());
  REQUIRE(items.size() == 3);
  for (std::size_t i = 0; i < items.size(); ++i) CHECK(parse_json(items[i], 32).value() == (*parsed)["l"][i]);
  CHECK(raw_member(items[1], "payload") == "[[],{}]");
}

}  // namespace duly
