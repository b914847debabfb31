#include "common/wire/json.h"

#include <catch2/catch.hpp>
#include <string>

#include "common/wire/flat_json.h"

namespace duly {

static bool parses(const std::string& text, int depth = 32) { return parse_json(text, depth).ok(); }

static std::string nested(int levels, const std::string& open, const std::string& close) {
  std::string text;
  for (int i = 0; i < levels; ++i) text += open;
  for (int i = 0; i < levels; ++i) text += close;
  return text;
}

TEST_CASE("JSON is parsed up to its depth and not beyond") {
  CHECK(parses("1", 0));
  CHECK_FALSE(parses("[]", 0));
  CHECK(parses(nested(32, "[", "]")));
  CHECK_FALSE(parses(nested(33, "[", "]")));
  CHECK(parses("[" + nested(31, "[", "]") + "," + nested(31, "[", "]") + "]"));  // beside is not beneath
  CHECK(parses(R"({"a":{"b":1},"c":{"d":1}})", 2));
  CHECK_FALSE(parses(R"({"a":{"b":{}}})", 2));
}

TEST_CASE("200,000 levels are refused without a deep stack, closed or not") {
  CHECK_FALSE(parses(nested(200'000, "[", "]")));
  CHECK_FALSE(parses(nested(200'000, "{\"a\":", "}")));
  CHECK_FALSE(parses(std::string(200'000, '[')));
  CHECK(parse_json(std::string(200'000, '['), 32).error().what == "nested deeper than 32 levels");
}

TEST_CASE("a key that comes twice in one object is refused, in another object it is not") {
  const auto twice = parse_json(R"({"a":1,"b":{"c":1,"c":2}})", 32);
  REQUIRE_FALSE(twice);
  CHECK(twice.error().what == "duplicate key 'c'");
  CHECK_FALSE(parses(R"({"a":1,"\u0061":2})"));  // the same key, spelled differently
  CHECK(parses(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]})"));
}

TEST_CASE("a key that comes twice is found among many, too, in the object it is in") {
  const auto object = [](int keys, const std::string& last) {
    std::string text = "{";
    for (int i = 0; i < keys; ++i) text += "\"k" + std::to_string(i) + "\":{\"k0\":1},";
    return text + "\"" + last + "\":0}";
  };
  for (const int keys : {1, 23, 24, 25, 26, 100, 20'000}) {
    INFO(keys);
    CHECK(parses(object(keys, "other")));
    CHECK_FALSE(parses(object(keys, "k0")));
    CHECK_FALSE(parses(object(keys, "k" + std::to_string(keys - 1))));
    CHECK(parses("[" + object(keys, "x") + "," + object(keys, "x") + "]"));
    CHECK_FALSE(parses("{\"a\":" + object(keys, "x") + ",\"a\":1}"));
  }
}

TEST_CASE("text that is not UTF-8 or not JSON is refused with the place") {
  for (const char* bad : {"", " ", "{", "[1,]", "{\"a\":1,}", "{'a':1}", "01", "1 2", "nul", "NaN", "[1]x",
                          "\"", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "// c\n1", "1e999"}) {
    INFO(bad);
    CHECK_FALSE(parses(bad));
  }
  for (const char* bad :
       {"\"\xFF\"", "\"\xC3\"", "\"\xC0\xAF\"", "\"\xED\xA0\x80\"", "\"\xF5\x80\x80\x80\""}) {
    CHECK_FALSE(parses(bad));
  }
  CHECK(parses("\"\xC3\xA9 \xF0\x9F\x98\x80\""));
  for (const char* whole : {"-7", "{}", "[1]", "\"a\"", ""}) {
    CHECK_FALSE(parses(std::string(whole) + '\0'));
    CHECK_FALSE(parses(std::string(whole) + '\0' + "x"));
  }
  CHECK(parse_json(std::string_view("[1]\0[2]", 7), 32).error().what == "malformed JSON at byte 4");
  CHECK(parse_json("[1,x]", 32).error().what == "malformed JSON at byte 4");
}

TEST_CASE("dumping never fails: bytes that are not UTF-8 become the replacement character") {
  CHECK(dump_json(Json("a\xFFz")) == "\"a\xEF\xBF\xBDz\"");
  CHECK(dump_json(Json{{"b", 1}, {"a", 2.5}}) == R"({"a":2.5,"b":1})");
}

static constexpr const char* kFields = R"({"n":5,"f":1.5,"t":"text","b":true,"a":[1,2],"neg":-1,
                                         "big":18446744073709551615,"null":null})";

// R reads `object`, which holds kFields.
template <class R, class Object>
static void names_the_first_problem(const Object& object) {
  const auto problem = [&](auto read) {
    R reader(object);
    read(reader);
    return reader.ok() ? std::string() : reader.error().what;
  };
  CHECK(problem([](R& r) { CHECK(r.integer("n", 0, 5) == 5); }).empty());
  CHECK(problem([](R& r) { CHECK(r.integer("n", 6, 9) == 6); }) == "n is out of range");
  CHECK(problem([](R& r) { r.integer("n", 0, 4); }) == "n is out of range");
  CHECK(problem([](R& r) { r.integer("f", 0, 9); }) == "f is not a whole number");
  CHECK(problem([](R& r) { r.integer("big", INT64_MIN, INT64_MAX); }) == "big is out of range");
  CHECK(problem([](R& r) { r.integer("x", 0, 9); }) == "x is missing");
  CHECK(problem([](R& r) { r.integer("null", 0, 9); }) == "null is not a whole number");
  CHECK(problem([](R& r) { CHECK(r.unsigned_integer("big") == UINT64_MAX); }).empty());
  CHECK(problem([](R& r) { CHECK(r.unsigned_integer("neg") == 0); }) == "neg is not a whole number");
  CHECK(problem([](R& r) { CHECK(r.boolean("b")); }).empty());
  CHECK(problem([](R& r) { CHECK_FALSE(r.boolean("n")); }) == "n is not true or false");
  CHECK(problem([](R& r) { CHECK(r.text("t", 4) == "text"); }).empty());
  CHECK(problem([](R& r) { CHECK(r.text("t", 3).empty()); }) == "t is too long");
  CHECK(problem([](R& r) { r.text("b", 9); }) == "b is not a text");
  CHECK(problem([](R& r) { CHECK(r.array("a", 2).size() == 2); }).empty());
  CHECK(problem([](R& r) { CHECK(r.array("a", 1).size() == 0); }) == "a is not an array of the right length");
  CHECK(problem([](R& r) { CHECK(r.array("t", 9).size() == 0); }) == "t is not an array of the right length");
  CHECK(problem([](R& r) {
          r.boolean("n");
          r.text("gone", 1);
          CHECK(r.integer("n", 0, 9) == 0);  // after a problem there are only defaults
        }) == "n is not true or false");
}

TEST_CASE("a field that is missing, of another type or out of range is named, and the first one is told") {
  names_the_first_problem<FieldReader>(Json::parse(kFields));
  names_the_first_problem<FlatReader>(*FlatJson::parse(kFields, 2));
}

TEST_CASE("a flat document has the values of the text, in any order of asking") {
  const auto document = FlatJson::parse(R"({"a":{"x":[1,[2,"b\u00fc"]]},"b":-7,"":true,"c":[],"d":{}})", 4);
  REQUIRE(document);
  FlatReader reader(*document);
  CHECK(reader.boolean(""));
  CHECK(reader.integer("b", -9, 9) == -7);  // before the one that was asked for last
  CHECK(reader.array("c", 0).size() == 0);
  CHECK_FALSE(reader.has("x"));  // it is in another object
  CHECK(reader.has("d"));
  CHECK(reader.has("a"));
  CHECK(reader.ok());
  const FlatValue whole = *document;
  CHECK(whole.size() == 5);
  FlatReader inner(*whole.begin());
  const FlatValue list = inner.array("x", 2);
  REQUIRE(list.size() == 2);
  CHECK((*list.begin()).node().bits == 1);
  const FlatValue second = *++list.begin();
  CHECK((second.is(FieldKind::array) && second.size() == 2));
  CHECK((*++second.begin()).text() == "b\xC3\xBC");
}

TEST_CASE("a flat document is refused for what a document is refused for") {
  for (const char* text :
       {"", "{", "[1,x]", "[[[[1]]]]", "{\"a\":1,\"a\":2}", "[1e400]", "\"\xFF\"", "[1] 2", "nul"}) {
    CAPTURE(text);
    const auto flat = FlatJson::parse(text, 3);
    const auto whole = parse_json(text, 3);
    REQUIRE_FALSE(flat);
    REQUIRE_FALSE(whole);
    CHECK(flat.error().what == whole.error().what);
  }
  CHECK(FlatJson::parse("[[[1]]]", 3));
  CHECK(FlatJson::parse(std::string_view("[1]\0[2]", 7), 3).error().what == "malformed JSON at byte 4");
}

TEST_CASE("what is not an object has no fields") {
  for (const char* text : {"[]", "null", "1", "\"kind\""}) {
    const Json value = Json::parse(text);
    const auto flat = FlatJson::parse(text, 2);
    CHECK(FlatReader(*flat).error().what == "not an object");
    CHECK_FALSE(FlatReader(*flat).has("a"));
    FieldReader reader(value);
    CHECK_FALSE(reader.ok());
    CHECK_FALSE(reader.has("a"));
    CHECK(reader.text("a", 9).empty());
    CHECK(reader.error().what == "not an object");
  }
}

}  // namespace duly
