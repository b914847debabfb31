#include "common/wire/bundle.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "common/model/limits.h"
#include "common/wire/json.h"

namespace duly {
namespace {

HandOutItem member(std::int64_t id, const std::string& payload) {
  HandOutItem item;
  item.id = CommandId{id};
  item.attempt = 2;
  item.max_attempts = 5;
  item.token = Token{3};
  item.due_at_ms = 1'795'251'600'000;
  item.type = "send.mail";
  item.queue = "mail";
  item.payload = make_bytes(payload);
  item.bundle = 10;
  return item;
}

std::vector<HandOutItem> two() {
  std::vector<HandOutItem> items{member(101'000'000'000'000'000, "[1, 2.50]"),
                                 member(101'000'000'000'000'001, std::string("\0\xFF", 2))};
  items[1].key = "customer-7";
  return items;
}

std::string complaint(const AmqpMessage& message) {
  const auto read = read_executions(message);
  return read ? "" : read.error().what;
}

// The bundle of two() with another header; its payloads are 11 bytes.
AmqpMessage with_header(const std::string& header) {
  AmqpMessage message = make_bundle(two(), 7);
  const std::string length{0, 0, static_cast<char>(header.size() >> 8),
                           static_cast<char>(header.size() & 0xFF)};
  message.body = make_bytes(length + header + "[1, 2.50]" + std::string("\0\xFF", 2));
  return message;
}

std::string one(const std::string& change_from = "", const std::string& change_to = "") {
  std::string text =
      R"({"items":[{"id":"cmd_02SPJYW151000","attempt":1,"max_attempts":3,"token":0,"due_at_ms":5,)"
      R"("type":"t","payload_bytes":11}]})";
  if (!change_from.empty()) text.replace(text.find(change_from), change_from.size(), change_to);
  return text;
}

}  // namespace

TEST_CASE("every command of a bundle is read as it was written, and so is one that travels alone") {
  const auto items = two();
  const auto read = read_executions(make_bundle(items, 7));
  REQUIRE(read);
  REQUIRE(read->size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const Execution& execution = (*read)[i];
    CHECK((execution.id == items[i].id && execution.attempt == 2 && execution.max_attempts == 5));
    CHECK((execution.token == Token{3} && execution.due_at_ms == items[i].due_at_ms));
    CHECK((execution.type == "send.mail" && execution.queue == "mail" && execution.key == items[i].key));
    CHECK(*execution.payload == *items[i].payload);
  }
  const auto alone = read_executions(make_execution_message(items[1], 7));
  REQUIRE((alone && alone->size() == 1));
  CHECK(alone->front().id == items[1].id);
}

TEST_CASE("the bundle is the one of the examples") {
  std::ifstream in(DULY_SOURCE_DIR "/proto-schemas/examples/bundle-message.json", std::ios::binary);
  const Json wanted = Json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  auto items = two();
  items[1].payload = make_bytes("\"\xC3\xBC\"");
  items[1].trace = read_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "");
  const AmqpMessage message = make_bundle(items, 1'795'251'600);
  CHECK(message.exchange == wanted.at("exchange"));
  CHECK(message.routing_key == wanted.at("routing_key"));
  const Json& properties = wanted.at("properties");
  CHECK(message.message_id == properties.at("message_id"));
  CHECK(message.content_type == properties.at("content_type"));
  CHECK(message.timestamp_s == properties.at("timestamp"));
  CHECK(std::get<std::int64_t>(message.headers.at("duly-bundle")) == wanted.at("headers").at("duly-bundle"));
  CHECK(std::get<std::string>(message.headers.at("duly-queue")) == wanted.at("headers").at("duly-queue"));
  CHECK(message.headers.size() == wanted.at("headers").size());
  const std::string header = wanted.at("body").at("header").get<std::string>();
  std::string body{0, 0, static_cast<char>(header.size() >> 8), static_cast<char>(header.size() & 0xFF)};
  body += header;
  for (const Json& payload : wanted.at("body").at("payloads")) body += payload.get<std::string>();
  CHECK(*message.body == body);
}

TEST_CASE("a bundle that is not one is refused whole, with the reason") {
  CHECK(complaint(with_header(one())).empty());
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {one("\"payload_bytes\":11", "\"payload_bytes\":12"), "longer than the message"},
      {one("\"payload_bytes\":11", "\"payload_bytes\":10"), "longer than its payloads"},
      {one("\"payload_bytes\":11", "\"payload_bytes\":-1"), "payload_bytes"},
      {one("cmd_02SPJYW151000", "cmd_"), "id is not a command id"},
      {one("\"attempt\":1", "\"attempt\":0"), "attempt"},
      {one("\"token\":0", "\"token\":-1"), "token"},
      {one("\"type\":\"t\"", "\"type\":\"\""), "type"},
      {one("\"due_at_ms\":5", "\"due_at_ms\":\"5\""), "due_at_ms"},
      {R"({"items":[]})", "no commands"},
      {R"({"items":7})", "items"},
      {R"({"items":[7]})", ""},
      {"[]", ""},
      {"{", ""}};
  for (const auto& [header, reason] : wrong) {
    CAPTURE(header);
    const std::string found = complaint(with_header(header));
    CHECK_FALSE(found.empty());
    CHECK(found.find(reason) != std::string::npos);
  }
}

TEST_CASE("lengths beyond the message are refused") {
  AmqpMessage message = make_bundle(two(), 7);
  message.body = make_bytes("\xFF\xFF\xFF\xFF{}");
  CHECK(complaint(message).find("longer than the message") != std::string::npos);
  message.body = make_bytes("abc");
  CHECK(complaint(message).find("too short") != std::string::npos);
  message.body = nullptr;
  CHECK(complaint(message).find("too short") != std::string::npos);
}

TEST_CASE("a bundle of more than there may be is refused") {
  std::string header = R"({"items":[)";
  for (std::size_t i = 0; i <= limits::kBundleCommands; ++i) header += i == 0 ? "{}" : ",{}";
  CHECK(complaint(with_header(header + "]}")).find("items") != std::string::npos);
}

}  // namespace duly
