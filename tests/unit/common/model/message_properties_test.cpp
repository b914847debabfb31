#include "common/model/message_properties.h"

#include <catch2/catch.hpp>
#include <limits>
#include <map>
#include <string>

namespace duly {
namespace {

// One of each kind that RabbitMQ and its clients know.
std::vector<MessageHeader> every_kind() {
  using std::string;
  return {{"flag", 't', string("\1", 1)},
          {"i8", 'b', "\xFD"},
          {"u8", 'B', "\xFD"},
          {"i16", 's', "\xFF\xFE"},
          {"u16", 'u', "\xFF\xFE"},
          {"i32", 'I', "\xFF\xFF\xFF\xFC"},
          {"u32", 'i', "\xFF\xFF\xFF\xFC"},
          {"i64", 'l', string("\x80\0\0\0\0\0\0\0", 8)},
          {"u64", 'L', "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"},
          {"f32", 'f', string("\x3F\0\0\0", 4)},
          {"f64", 'd', string("\x3F\xE0\0\0\0\0\0\0", 8)},
          {"decimal", 'D', string("\2\0\0\0\7", 5)},
          {"text", 'S', string("\0\0\0\2ab", 6)},
          {"bytes", 'x', string("\0\0\0\2\0\xFF", 6)},
          {"list", 'A', string("\0\0\0\2t\1", 6)},
          {"table", 'F', string("\0\0\0\4\1kt\1", 8)},
          {"time", 'T', string("\0\0\0\0\0\0\0\7", 8)},
          {"nothing", 'V', ""}};
}

MessageProperties everything() {
  MessageProperties all;
  all.content_type = "image/png";
  all.content_encoding = "gzip";
  all.headers = every_kind();
  all.delivery_mode = 2;
  all.priority = 0;
  all.correlation_id = "c";
  all.reply_to = "r";
  all.expiration = "60000";
  all.message_id = "";
  all.timestamp_s = 1'767'225'600;
  all.type = std::string(255, 't');
  all.user_id = "guest";
  all.app_id = "app";
  all.cluster_id = "x";
  return all;
}

}  // namespace

TEST_CASE("properties are read as they were written, with headers of every kind, or none at all") {
  const std::string text = write_properties(everything());
  const auto read = read_properties(text);
  REQUIRE(read);
  CHECK(*read == everything());
  CHECK(write_properties(*read) == text);
  CHECK(write_properties({}) == std::string("\0\0", 2));
  CHECK(*read_properties(std::string("\0\0", 2)) == MessageProperties{});
}

TEST_CASE("the bytes are those of AMQP 0-9-1") {
  MessageProperties properties;
  properties.headers = {MessageHeader::text("a", "xy"), MessageHeader::number("n", -2)};
  properties.delivery_mode = 2;
  CHECK(write_properties(properties) ==
        std::string("\x30\0\0\0\0\x14\1aS\0\0\0\2xy\1nl\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE\2", 27));
}

TEST_CASE("whatever is cut off or does not belong there is an error") {
  const std::string text = write_properties(everything());
  for (std::size_t length = 0; length < text.size(); ++length)
    CHECK_FALSE(read_properties(text.substr(0, length)));
  CHECK_FALSE(read_properties(text + "x"));
  CHECK_FALSE(read_properties(std::string("\0\1", 2)));  // more flags, which nobody has defined
  CHECK_FALSE(read_properties(std::string("\x20\0\0\0\0\3\1k?", 9)));
  CHECK_FALSE(read_properties(std::string("\x20\0\0\0\0\7\1kS\xFF\xFF\xFF\xFF", 13)));
}

TEST_CASE("any byte may be wrong: it is read as something else, or refused") {
  const std::string text = write_properties(everything());
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const int change : {1, 0x80, 0xFF}) {
      std::string broken = text;
      broken[at] = static_cast<char>(broken[at] ^ change);
      const auto read = read_properties(broken);
      if (read && !read->headers.empty()) CHECK(read_properties(write_properties(*read)));
    }
  }
}

TEST_CASE("a value says what it is, if there is a word for it") {
  std::map<std::string, MessageHeader> by_name;
  for (const MessageHeader& header : every_kind()) by_name.emplace(header.name, header);
  CHECK(by_name.at("flag").as_flag() == true);
  CHECK(by_name.at("text").as_text() == "ab");
  CHECK(by_name.at("f32").as_real() == 0.5);
  CHECK(by_name.at("f64").as_real() == 0.5);
  const std::pair<const char*, std::int64_t> numbers[] = {
      {"i8", -3},  {"u8", 253},         {"i16", -2}, {"u16", 65534},
      {"i32", -4}, {"u32", 4294967292}, {"time", 7}, {"i64", std::numeric_limits<std::int64_t>::min()}};
  for (const auto& [name, number] : numbers) CHECK(by_name.at(name).as_number() == number);
  CHECK_FALSE(by_name.at("u64").as_number());
  for (const char* name : {"decimal", "bytes", "list", "table", "nothing"}) {
    const MessageHeader& header = by_name.at(name);
    CHECK_FALSE((header.as_text() || header.as_number() || header.as_real() || header.as_flag()));
  }
}

}  // namespace duly
