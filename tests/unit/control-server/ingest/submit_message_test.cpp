#include "control-server/ingest/submit_message.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "common/model/limits.h"
#include "common/model/message_properties.h"
#include "common/wire/json.h"
#include "control-server/api/command_json.h"

namespace duly {
namespace {

constexpr std::int64_t kNow = 1'795'251'600'000;

AmqpMessage a_message(std::string body = "{\"a\": 1.50}") {
  AmqpMessage message;
  message.exchange = topology::kSubmitExchange;
  message.routing_key = "orders";
  message.type = "mail.send";
  message.content_type.clear();
  message.body = make_bytes(std::move(body));
  return message;
}

NewCommand taken(const AmqpMessage& message) {
  auto command = read_submit_message(message, kNow);
  INFO((command ? "" : command.error().what));
  REQUIRE(command);
  return *command;
}

std::string problem(const AmqpMessage& message) {
  const auto command = read_submit_message(message, kNow);
  return command ? "" : command.error().what;
}

std::string problem_with(const std::string& header, HeaderValue value) {
  AmqpMessage message = a_message();
  message.headers[header] = std::move(value);
  return problem(message);
}

std::optional<std::int64_t> delay_of(HeaderValue value) {
  AmqpMessage message = a_message();
  message.headers["x-delay"] = std::move(value);
  return taken(message).spec.delay_ms;
}

}  // namespace

TEST_CASE("a message becomes the command that its properties and headers ask for") {
  AmqpMessage message = a_message();
  message.headers = {{"duly-queue", std::string("mail")},
                     {"duly-priority", std::int64_t{9}},
                     {"duly-key", std::string("customer \xC3\xA9")},
                     {"x-delay", std::int64_t{1500}},
                     {"somebodys-own", std::string("x")},
                     {"nested", OtherHeader{'F'}}};
  const CommandSpec spec = taken(message).spec;
  CHECK(spec.type == "mail.send");
  CHECK(spec.queue == "mail");
  CHECK(spec.priority == 9);
  CHECK(spec.key == "customer \xC3\xA9");
  CHECK(spec.delay_ms == 1500);
  CHECK_FALSE(spec.due_at_ms);
  CHECK(*spec.payload == "{\"a\": 1.50}");
  CHECK_FALSE(spec.opaque);
  CHECK(spec.content_type.empty());
}

TEST_CASE("a message's trace is its command's, and no part of what its message id stands for") {
  AmqpMessage message = a_message();
  message.message_id = "m-1";
  const NewCommand plain = taken(message);
  CHECK(plain.spec.trace == nullptr);
  const std::string parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  message.headers["traceparent"] = parent;
  message.headers["tracestate"] = std::string("a=1");
  const NewCommand traced = taken(message);
  REQUIRE(traced.spec.trace);
  CHECK(traced.spec.trace->traceparent() == parent);
  CHECK(traced.spec.trace->state == "a=1");
  CHECK(traced.body_hash == plain.body_hash);
  message.headers["traceparent"] = std::int64_t{1};
  CHECK(taken(message).spec.trace == nullptr);
}

TEST_CASE("the message of the examples is understood") {
  std::ifstream in(DULY_SOURCE_DIR "/proto-schemas/examples/submit-message.json", std::ios::binary);
  const Json example = Json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  const Json& properties = example.at("properties");
  AmqpMessage message = a_message(example.at("body").get<std::string>());
  message.type = properties.at("type").get<std::string>();
  message.message_id = properties.at("message_id").get<std::string>();
  message.content_type = properties.at("content_type").get<std::string>();
  for (const auto& item : example.at("headers").items()) {
    HeaderValue& header = message.headers[item.key()];
    if (item.value().is_string()) {
      header = item.value().get<std::string>();
    } else {
      header = item.value().get<std::int64_t>();
    }
  }
  const NewCommand command = taken(message);
  CHECK(command.spec.type == "send.mail");
  CHECK(command.spec.queue == "mail");
  CHECK(command.spec.key == "customer-7");
  CHECK(command.spec.priority == 9);
  CHECK(command.spec.delay_ms == std::int64_t{50} * 86'400'000);
  CHECK(*command.spec.payload == "[1, 2.50, \"\xC3\xBC\"]");
  CHECK(command.idempotency_key == "order-7");
}

TEST_CASE("what a message leaves out is what HTTP leaves out") {
  const CommandSpec spec = taken(a_message()).spec;
  const CommandSpec wanted;
  CHECK(spec.queue == wanted.queue);
  CHECK(spec.priority == wanted.priority);
  CHECK(spec.retry == wanted.retry);
  CHECK(spec.timeout_ms == wanted.timeout_ms);
  CHECK_FALSE(spec.delay_ms);
  CHECK_FALSE(spec.due_at_ms);
}

TEST_CASE("x-delay is taken as the plugin takes it, and beyond its 49 days") {
  CHECK(delay_of(std::int64_t{5000}) == 5000);
  CHECK(delay_of(std::int64_t{50} * 86'400'000) == std::int64_t{50} * 86'400'000);
  CHECK(delay_of(limits::kDelayMs) == limits::kDelayMs);
  CHECK(delay_of(std::int64_t{0}) == 0);
  CHECK(delay_of(std::int64_t{-5000}) == 0);  // as the plugin marks what it has delayed
  CHECK(delay_of(std::numeric_limits<std::int64_t>::min()) == 0);
  CHECK(delay_of(std::string("5000")) == 5000);
  CHECK(problem_with("x-delay", limits::kDelayMs + 1).starts_with("header x-delay: "));
  CHECK(problem_with("x-delay", std::string("5s")).starts_with("header x-delay: "));
  CHECK(problem_with("x-delay", std::string()).starts_with("header x-delay: "));
  CHECK(problem_with("x-delay", OtherHeader{'d'}).starts_with("header x-delay: "));
}

TEST_CASE("duly-due-at is an instant in milliseconds") {
  AmqpMessage message = a_message();
  message.headers["duly-due-at"] = kNow + 86'400'000;
  CHECK(taken(message).spec.due_at_ms == kNow + 86'400'000);
  CHECK(problem_with("duly-due-at", kNow + 2 * limits::kDelayMs).starts_with("header duly-due-at: "));
  CHECK(problem_with("duly-due-at", std::numeric_limits<std::int64_t>::max())
            .starts_with("header duly-due-at: "));
  CHECK(problem_with("duly-due-at", std::numeric_limits<std::int64_t>::min())
            .starts_with("header duly-due-at: "));
  message.headers["x-delay"] = std::int64_t{1};
  CHECK(problem(message).find("cannot be given together") != std::string::npos);
}

TEST_CASE("what is wrong with a message is told by the name of the header or property") {
  AmqpMessage without_type = a_message();
  without_type.type.clear();
  CHECK(problem(without_type) == "property type: is required");
  AmqpMessage bad_type = a_message();
  bad_type.type = "two words";
  CHECK(problem(bad_type).starts_with("property type: "));
  CHECK(problem_with("duly-queue", std::string("a/b")).starts_with("header duly-queue: "));
  CHECK(problem_with("duly-queue", std::int64_t{1}).starts_with("header duly-queue: "));
  CHECK(problem_with("duly-key", std::string("a\nb")).starts_with("header duly-key: "));
  CHECK(problem_with("duly-key", std::string("\xFF")).starts_with("header duly-key: "));
  CHECK(problem_with("duly-key", std::string(limits::kKeyBytes + 1, 'k')).starts_with("header duly-key: "));
  CHECK(problem_with("duly-priority", std::int64_t{10}).starts_with("header duly-priority: "));
  CHECK(problem_with("duly-priority", std::string("high")).starts_with("header duly-priority: "));
  CHECK(problem_with("duly-id", std::string("x")) == "header duly-id: is not known");
  CHECK(problem_with("duly-deliver-exchange", std::int64_t{1}).starts_with("header duly-deliver-exchange: "));
  CHECK(problem_with("duly-deliver-exchange", std::string("duly.submit")) ==
        "header duly-deliver-exchange: is one of Duly's own");
  CHECK(problem_with("duly-deliver-routing-key", std::string("k")) ==
        "header duly-deliver-exchange: is required");
  AmqpMessage large = a_message(std::string(limits::kPayloadBytes + 1, ' '));
  CHECK(problem(large).starts_with("the body: is larger than"));
  AmqpMessage strange = a_message();
  strange.content_type = "\xC3";
  CHECK(problem(strange).starts_with("property content_type: "));
}

TEST_CASE("a dead letter that is sent again is not refused for what it was refused with") {
  AmqpMessage message = a_message();
  message.headers = {{"duly-reason", std::string("header x-delay: must be a whole number")},
                     {"duly-routing-key", std::string("orders")}};
  CHECK(problem(message).empty());
}

TEST_CASE("a body that is not JSON is kept as bytes, whatever it says that it is") {
  for (const std::string& body : {std::string("\0\xFF\x01", 3), std::string(), std::string("hello"),
                                  std::string("{\"a\":"), std::string(40, '[') + std::string(40, ']')}) {
    AmqpMessage message = a_message(body);
    CommandSpec spec = taken(message).spec;
    CHECK(spec.opaque);
    CHECK(*spec.payload == body);
    CHECK(spec.content_type == "application/octet-stream");
    message.content_type = "application/json";
    spec = taken(message).spec;
    CHECK(spec.opaque);
    CHECK(spec.content_type == "application/json");
  }
  AmqpMessage text = a_message("5");
  text.content_type = "text/plain";
  CHECK_FALSE(taken(text).spec.opaque);
  CHECK(taken(text).spec.content_type == "text/plain");
}

TEST_CASE("the message id is the idempotency key, and the same request by HTTP has the same meaning") {
  CHECK(taken(a_message()).idempotency_key.empty());
  AmqpMessage message = a_message();
  message.message_id = "order-7";
  message.headers["x-delay"] = std::int64_t{1500};
  const NewCommand command = taken(message);
  CHECK(command.idempotency_key == "order-7");
  const auto http = parse_json(R"({"payload": {"a": 1.5}, "type": "mail.send", "delay_ms": 1500})", 8);
  CHECK(command.body_hash == meaning_hash(*http));
  CHECK(taken(message).body_hash == command.body_hash);
  AmqpMessage other = message;
  other.body = make_bytes("{\"a\": 2}");
  CHECK(taken(other).body_hash != command.body_hash);
  AmqpMessage bytes = message;
  bytes.body = make_bytes("\xFF");
  AmqpMessage other_bytes = message;
  other_bytes.body = make_bytes("\xFE");
  CHECK(taken(bytes).body_hash != taken(other_bytes).body_hash);
}

// A message to be delivered, with these properties beside the headers that ask for it.
static AmqpMessage a_delivery(MessageProperties properties = {}) {
  AmqpMessage message = a_message(std::string("\0\xFF", 2));
  message.headers = {{"duly-deliver-exchange", std::string("orders")}, {"x-delay", std::int64_t{1500}}};
  properties.headers.push_back(MessageHeader::text("duly-deliver-exchange", "orders"));
  properties.headers.push_back(MessageHeader::number("x-delay", 1500));
  message.properties = write_properties(properties);
  return message;
}

TEST_CASE("what is delivered is all that the publisher wrote, but for what was meant for us") {
  MessageProperties properties;
  properties.headers = {MessageHeader{"nested", 'F', std::string("\0\0\0\4\1kt\1", 8)},
                        MessageHeader::number("x-delivery-count", 2), MessageHeader{"short", 's', "\1\2"}};
  properties.content_type = "image/png";
  properties.correlation_id = "c";
  properties.priority = 7;
  properties.user_id = "guest";
  properties.type = "no type of ours!";
  AmqpMessage message = a_delivery(properties);
  message.type = *properties.type;
  message.routing_key = "eu.de";
  const CommandSpec spec = taken(message).spec;
  REQUIRE(spec.deliver);
  CHECK(spec.type == "deliver");
  CHECK(spec.delay_ms == 1500);
  CHECK(spec.opaque);
  CHECK(*spec.payload == *message.body);
  CHECK(spec.deliver->exchange == "orders");
  CHECK(spec.deliver->routing_key == "eu.de");  // its own, when no header names another
  MessageProperties wanted = properties;
  wanted.headers.erase(wanted.headers.begin() + 1);
  wanted.user_id.reset();
  wanted.delivery_mode = 2;
  const auto got = read_properties(spec.deliver->properties);
  REQUIRE(got);
  CHECK(*got == wanted);
}

TEST_CASE("a delivery may name another routing key, and keeps a type that could be ours") {
  AmqpMessage message = a_delivery();
  message.headers["duly-deliver-routing-key"] = std::string("other");
  CHECK(taken(message).spec.deliver->routing_key == "other");
  CHECK(taken(message).spec.type == "mail.send");
  message.type.clear();
  CHECK(taken(message).spec.type == "deliver");
}

TEST_CASE("properties that cannot be kept are refused") {
  AmqpMessage message = a_delivery();
  message.properties.pop_back();
  CHECK(problem(message) == "the headers: end in the middle of one");
  MessageProperties large;
  large.headers = {MessageHeader::text("a", std::string(limits::kPropertiesBytes, 'x'))};
  CHECK(problem(a_delivery(large)).starts_with("the properties: are larger than "));
}

}  // namespace duly
