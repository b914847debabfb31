#include "common/wire/json_scan.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "common/wire/flat_json.h"
#include "common/wire/raw_json.h"

namespace duly {
namespace {

constexpr int kDepth = 8;

// What clients send: each must be seen at once, or the quick way is never taken.
const std::vector<std::string> kOrdinary = {
    "0",
    "-0",
    "-1.5e3",
    "12345678901234567890",
    "true",
    "false",
    "null",
    R"("")",
    "[]",
    "{}",
    " \n\t\r[ ] ",
    R"({"type":"mail.send","payload":{"to":"a@example.com","n":[1,2.5,-3e-7],"ok":true},"delay_ms":1000})",
    R"({"":{},"a":[{"a":1},{"a":2}]})",
    R"("\" \\ \/ \b \f \n \r \t \u00e9 \ud83d\ude00")",
    "\"zw\xC3\xB6lf \xF0\x9F\x98\x80\"",
    R"({ "a" : [ 1 , { "b" : null } ] , "c" : "d" })",
    "[[[[[[[[]]]]]]]]"};

// What the parser takes and this one may leave to it, and what neither may take.
const std::vector<std::string> kRest = {R"({"\u0061":1})",
                                        "1e400",
                                        "1e100",
                                        "[[[[[[[[[]]]]]]]]",
                                        "",
                                        " ",
                                        "[",
                                        "]",
                                        "{",
                                        "}",
                                        "[1,]",
                                        "{\"a\":1,}",
                                        "{,}",
                                        "[,1]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{a:1}",
                                        "{1:2}",
                                        "[1 2]",
                                        "[1}",
                                        "{\"a\":1]",
                                        "1 2",
                                        "01",
                                        "-",
                                        "+1",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e+",
                                        "--1",
                                        "0x10",
                                        "tru",
                                        "truee",
                                        "nul",
                                        "True",
                                        "NaN",
                                        "\"",
                                        "\"a",
                                        "\"\\\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\ud800\"",
                                        "\"\\ud800\\n\"",
                                        "\"\\ud800\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\n\"",
                                        std::string("\"\0\"", 3),
                                        std::string("1\0", 2),
                                        "\"\x7F\"",
                                        "\"\x80\"",
                                        "\"\xC0\xAF\"",
                                        "\"\xC3\"",
                                        "\"\xE0\x80\x80\"",
                                        "\"\xED\xA0\x80\"",
                                        "\"\xF4\x90\x80\x80\"",
                                        "\"\xF5\x80\x80\x80\"",
                                        "\"\xE2\x82\"",
                                        "\"\xE2\x82",
                                        R"({"a":1,"a":2})",
                                        R"({"a":{"b":1,"b":2}})",
                                        "\xEF\xBB\xBF{}",
                                        "{}{}",
                                        "[]]",
                                        "/* */ 1",
                                        "'a'"};

using Ordered = nlohmann::ordered_json;  // members as the text has them, as in the flat document

// The same values, whichever way the flat one was read.
bool same(const FlatValue flat, const Ordered& value) {
  const auto inner = [&](const auto& items) {
    auto at = flat.begin();
    for (const auto& item : items.items()) {
      if (!(at != flat.end()) || !same(*at, item.value())) return false;
      if (value.is_object() && (*at).key() != item.key()) return false;
      ++at;
    }
    return at == flat.end() && flat.size() == items.size();
  };
  switch (flat.node().kind) {
    case FieldKind::null: return value.is_null();
    case FieldKind::boolean: return value.is_boolean() && value.get<bool>() == (flat.node().bits == 1);
    case FieldKind::integer:
      return value.type() == Ordered::value_t::number_integer &&
             value.get<std::int64_t>() == static_cast<std::int64_t>(flat.node().bits);
    case FieldKind::unsigned_integer:
      return value.is_number_unsigned() && value.get<std::uint64_t>() == flat.node().bits;
    case FieldKind::real: return value.is_number_float();
    case FieldKind::text: return value.is_string() && value.get_ref<const std::string&>() == flat.text();
    default: return value.is_array() == flat.is(FieldKind::array) && value.is_structured() && inner(value);
  }
}

// Never the one without the other, and each reader sees the same.
void check_sound(const std::string& text) {
  CAPTURE(text);
  const auto whole = parse_json(text, kDepth);
  const auto flat = FlatJson::parse(text, kDepth);
  if (surely_json(text, kDepth)) CHECK(whole.ok());
  REQUIRE(flat.ok() == whole.ok());
  if (flat.ok()) CHECK(same(*flat, Ordered::parse(text, nullptr, false)));
}

}  // namespace

TEST_CASE("what clients send is seen to be JSON without asking the parser") {
  for (const std::string& text : kOrdinary) {
    CAPTURE(text);
    CHECK(surely_json(text, kDepth));
    CHECK(parse_json(text, kDepth).ok());
    check_sound(text);
  }
}

TEST_CASE("nothing is taken for JSON that the parser refuses") {
  for (const std::string& text : kRest) check_sound(text);
  for (const std::string& text : kOrdinary) {
    for (std::size_t cut = 0; cut <= text.size(); ++cut) check_sound(text.substr(0, cut));
  }
}

TEST_CASE("nor is anything of what goes wrong by a byte or two") {
  std::mt19937 draw(20261122);
  const std::string bytes = "{}[]\",:\\ u0123456789eE+-.tfnd8\n\x80\xC3\xED\xA0\xFF";
  std::size_t taken = 0;
  for (int round = 0; round < 40'000; ++round) {
    std::string text = kOrdinary[draw() % kOrdinary.size()];
    for (int i = 0; i < 2; ++i) {
      const std::size_t at = draw() % (text.size() + 1);
      const char byte = bytes[draw() % bytes.size()];
      if (draw() % 2 == 0 && at < text.size())
        text[at] = byte;
      else
        text.insert(at, 1, byte);
    }
    check_sound(text);
    if (surely_json(text, kDepth)) ++taken;
  }
  CHECK(taken > 1000);  // else this says nothing
}

TEST_CASE("a bound of the depth holds, and many members are left to the parser") {
  CHECK(surely_json("[[1]]", 2));
  CHECK_FALSE(surely_json("[[1]]", 1));
  std::string many = "{";
  for (int i = 0; i < 33; ++i)
    many += (i == 0 ? "\"m" : ",\"m") + std::to_string(i) + "\":" + std::to_string(i);
  CHECK_FALSE(surely_json(many + "}", kDepth));
  CHECK(parse_json(many + "}", kDepth).ok());
}

TEST_CASE("a document without one member is the whole one but for that") {
  const std::string text = R"({"a":[1,{"b":2}],"payload":{"deep":["x"]},"c":"d"})";
  auto whole = parse_json(text, kDepth).value();
  const auto sparing = parse_json_without("payload", text, kDepth).value();
  CHECK(sparing["payload"].is_null());
  whole["payload"] = nullptr;
  CHECK(sparing == whole);
  CHECK(raw_member(text, "payload") == R"({"deep":["x"]})");
  CHECK(parse_json_without("payload", "[1]", kDepth).value() == Json::array({1}));
  CHECK(parse_json_without("payload", R"({"pay\u006coad":1})", kDepth).value()["payload"] == 1);
  for (const std::string& bad : kRest) {
    const auto left = parse_json_without("payload", "{\"payload\":" + bad + "}", kDepth);
    const auto right = parse_json("{\"payload\":" + bad + "}", kDepth);
    CAPTURE(bad);
    CHECK(left.ok() == right.ok());
    if (!left.ok() && !right.ok()) CHECK(left.error().what == right.error().what);
  }
}

}  // namespace duly
