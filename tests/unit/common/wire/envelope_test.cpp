#include "common/wire/envelope.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "common/model/limits.h"
#include "common/wire/json.h"

namespace duly {
namespace {

HandOutItem an_item() {
  HandOutItem item;
  item.id = *parse_command_id("cmd_1P2Z8M40R8001");
  item.attempt = 2;
  item.max_attempts = 5;
  item.shard = ShardId{4};
  item.epoch = Epoch{9};
  item.token = Token{2};
  item.due_at_ms = 1'795'251'600'000;
  item.type = "send.mail";
  item.queue = "mail";
  item.key = "customer-7";
  item.payload = make_bytes("[1, 2.50, \"\xC3\xBC\"]");
  item.trace = read_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1");
  return item;
}

std::string problem(const AmqpMessage& message) {
  const auto read = read_execution_message(message);
  return read ? "" : read.error().what;
}

}  // namespace

TEST_CASE("an executor reads what the dispatcher wrote") {
  const HandOutItem item = an_item();
  const auto read = read_execution_message(make_execution_message(item, 7));
  REQUIRE(read);
  CHECK(read->id == item.id);
  CHECK(read->attempt == 2);
  CHECK(read->max_attempts == 5);
  CHECK(read->token == item.token);
  CHECK(read->type == item.type);
  CHECK(read->queue == item.queue);
  CHECK(read->key == item.key);
  CHECK(read->due_at_ms == item.due_at_ms);
  CHECK(*read->payload == *item.payload);
  HandOutItem keyless = item;
  keyless.key.clear();
  const AmqpMessage message = make_execution_message(keyless, 7);
  CHECK_FALSE(message.headers.contains("duly-key"));
  CHECK(read_execution_message(message)->key.empty());
}

TEST_CASE("the execution message is the one of the examples") {
  std::ifstream in(DULY_SOURCE_DIR "/proto-schemas/examples/execution-message.json", std::ios::binary);
  const Json wanted = Json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  const AmqpMessage message = make_execution_message(an_item(), wanted.at("properties").at("timestamp"));
  CHECK(message.exchange == wanted.at("exchange"));
  CHECK(message.routing_key == wanted.at("routing_key"));
  CHECK(*message.body == wanted.at("body"));
  const Json& properties = wanted.at("properties");
  CHECK(message.message_id == properties.at("message_id"));
  CHECK(message.correlation_id == properties.at("correlation_id"));
  CHECK(message.type == properties.at("type"));
  CHECK(message.content_type == properties.at("content_type"));
  CHECK(message.timestamp_s == properties.at("timestamp"));
  Json headers = Json::object();
  for (const auto& [name, value] : message.headers) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) headers[name] = *number;
    if (const auto* text = std::get_if<std::string>(&value)) headers[name] = *text;
  }
  CHECK(headers == wanted.at("headers"));
}

TEST_CASE("what is not JSON is sent as what it is") {
  HandOutItem item = an_item();
  CHECK(make_execution_message(item, 7).content_type == "application/json");
  item.content_type = "image/png";
  CHECK(make_execution_message(item, 7).content_type == "image/png");
}

TEST_CASE("a message without a header it needs, or with a wrong one, is refused by the header's name") {
  const AmqpMessage good = make_execution_message(an_item(), 7);
  CHECK(problem(good).empty());
  for (const std::string name : {"duly-id", "duly-attempt", "duly-token"}) {
    AmqpMessage message = good;
    message.headers.erase(name);
    CHECK(problem(message).find(name) != std::string::npos);
    message.headers[name] = std::string("12");
    CHECK(problem(message).find(name) != std::string::npos);
    for (const std::int64_t number : {std::int64_t{-1}, std::int64_t{INT32_MAX} + 1, INT64_MAX, INT64_MIN}) {
      message.headers[name] = number;
      CHECK(problem(message).find(name) != std::string::npos);
    }
  }
  AmqpMessage message = good;
  message.headers["duly-attempt"] = std::int64_t{0};
  CHECK_FALSE(problem(message).empty());
  message = good;
  message.headers["duly-id"] = std::string("cmd_UUUUUUUUUUUUU");
  CHECK_FALSE(problem(message).empty());
}

TEST_CASE("a message without a type, or with a body that is missing or too large, is refused") {
  AmqpMessage message = make_execution_message(an_item(), 7);
  message.type.clear();
  CHECK(problem(message).find("type") != std::string::npos);
  message.type = std::string(limits::kTypeBytes, 't');
  CHECK(problem(message).empty());
  message.type += "t";
  CHECK(problem(message).find("type") != std::string::npos);
  message.type = "t";
  message.body = make_bytes(std::string(limits::kPayloadBytes, ' '));
  CHECK(problem(message).empty());
  message.body = make_bytes(std::string(limits::kPayloadBytes + 1, ' '));
  CHECK(problem(message).find("body") != std::string::npos);
  message.body = nullptr;
  CHECK(problem(message).find("body") != std::string::npos);
}

TEST_CASE("headers for people may be missing or wrong") {
  AmqpMessage message = make_execution_message(an_item(), 7);
  message.headers["duly-max-attempts"] = std::string("many");
  message.headers["duly-due-at"] = std::string("now");
  message.headers["duly-key"] = std::int64_t{1};
  message.headers.erase("duly-queue");
  message.headers.erase("duly-shard");
  message.headers["x-death"] = std::string("anything");
  const auto read = read_execution_message(message);
  REQUIRE(read);
  CHECK(read->max_attempts == 0);
  CHECK(read->key.empty());
}

}  // namespace duly
