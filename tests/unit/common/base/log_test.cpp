#include "common/base/log.h"

#include <catch2/catch.hpp>
#include <string>

#include "common/wire/json.h"

namespace duly {

// The object that a reader of the log sees, or a discarded value when the line is not one.
static Json read(const std::string& line) { return Json::parse("{" + line + "}", nullptr, false); }

TEST_CASE("a log line is one line of valid JSON, whatever bytes are in its fields") {
  std::string every_byte;
  for (int c = 0; c < 256; ++c) every_byte += static_cast<char>(c);
  const std::string hostile[] = {
      every_byte,     "\n{\"level\":\"error\"}", "\",\"admin\":true,\"x\":\"", "\\", "{}%s%n{0}",
      "\xF0\x9F\x98", std::string(100'000, '"')};
  for (const std::string& text : hostile) {
    const std::string line = format_log_line(LogFormat::json, LogLevel::warn, text, text,
                                             {{"plain", text}, {text, "value"}, {"number", -7}});
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.find('\r') == std::string::npos);
    CHECK(line.size() < 20'000);
    const auto object = read(line);
    REQUIRE(object.is_object());
    CHECK(object.at("level") == "warn");
    CHECK(object.at("number") == -7);
    CHECK_FALSE(object.contains("admin"));
  }
}

TEST_CASE("fields of a text line cannot make a second line") {
  const std::string line = format_log_line(LogFormat::text, LogLevel::error, "engine", "agent gone",
                                           {{"reason", "a\nerror engine: forged\r\x1b[2J"}});
  CHECK(line == "error engine: agent gone reason=\"a\\u000aerror engine: forged\\u000d\\u001b[2J\"");
}

TEST_CASE("a field that is too long is cut, and it shows") {
  const std::string line =
      format_log_line(LogFormat::json, LogLevel::info, "c", "m", {{"big", std::string(5000, 'x')}});
  const auto object = read(line);
  REQUIRE(object.is_object());
  CHECK(object.at("big") == std::string(512, 'x') + "\xE2\x80\xA6");
}

TEST_CASE("identities are logged as they are shown elsewhere") {
  const std::string line =
      format_log_line(LogFormat::json, LogLevel::debug, "core", "lost",
                      {{"command", CommandId{1}}, {"shard", ShardId{3}}, {"epoch", Epoch{9}}});
  const auto object = read(line);
  CHECK(object.at("command") == "cmd_0000000000001");
  CHECK(object.at("shard") == 3);
  CHECK(object.at("epoch") == 9);
  CHECK(object.at("msg") == "lost");
}

TEST_CASE("levels below the least are not written") {
  configure_log(LogFormat::text, LogLevel::warn);
  CHECK_FALSE(log_enabled(LogLevel::debug));
  CHECK_FALSE(log_enabled(LogLevel::info));
  CHECK(log_enabled(LogLevel::warn));
  CHECK(log_enabled(LogLevel::error));
}

}  // namespace duly
