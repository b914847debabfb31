#include "control-server/api/command_json.h"

#include <catch2/catch.hpp>

#include "common/model/limits.h"
#include "common/model/message_properties.h"

namespace duly {
namespace {

constexpr std::int64_t kNowMs = 1'795'251'600'000;  // 2026-11-21T09:00:00Z

NewCommand read(const std::string& text, Complaints& complaints, const std::string& at = "",
                bool in_batch = false) {
  const auto parsed = parse_json(text, limits::kJsonDepth);
  REQUIRE(parsed.ok());
  return read_command(*parsed, {text, at, in_batch, kNowMs}, complaints);
}

struct BadField {
  std::string text;  // one member, next to a good type
  std::string pointer;
  std::string detail;
};

const std::string kDigits256(257, 'k');

const std::vector<BadField> kBadFields = {
    {R"("queue":"a b")", "/queue", "must be 1 to 64 characters of [A-Za-z0-9._-]"},
    {R"("queue":"")", "/queue", "must be 1 to 64 characters of [A-Za-z0-9._-]"},
    {R"("queue":null)", "/queue", "must be 1 to 64 characters of [A-Za-z0-9._-]"},
    {R"("due_at":"tomorrow")", "/due_at", "must be an RFC 3339 instant"},
    {R"("due_at":5)", "/due_at", "must be an RFC 3339 instant"},
    {R"("due_at":"2037-11-21T09:00:00Z")", "/due_at", "must be at most ten years ahead"},
    {R"("delay_ms":-1)", "/delay_ms", "must be a whole number from 0 to 316224000000"},
    {R"("delay_ms":1.5)", "/delay_ms", "must be a whole number from 0 to 316224000000"},
    {R"("delay_ms":18446744073709551615)", "/delay_ms", "must be a whole number from 0 to 316224000000"},
    {R"("priority":10)", "/priority", "must be a whole number from 0 to 9"},
    {R"("priority":-1)", "/priority", "must be a whole number from 0 to 9"},
    {R"("priority":"5")", "/priority", "must be a whole number from 0 to 9"},
    {R"("key":"")", "/key", "must be a string of 1 to 256 bytes without control characters"},
    {R"("key":"a\nb")", "/key", "must be a string of 1 to 256 bytes without control characters"},
    {R"("key":")" + kDigits256 + '"', "/key",
     "must be a string of 1 to 256 bytes without control characters"},
    {R"("retry":3)", "/retry", "must be an object"},
    {R"("retry":{"max_attempts":0})", "/retry/max_attempts", "must be a whole number from 1 to 100"},
    {R"("retry":{"max_attempts":101})", "/retry/max_attempts", "must be a whole number from 1 to 100"},
    {R"("retry":{"multiplier":0.5})", "/retry/multiplier", "must be a number from 1 to 100"},
    {R"("retry":{"multiplier":"2"})", "/retry/multiplier", "must be a number from 1 to 100"},
    {R"("retry":{"jitter":1.1})", "/retry/jitter", "must be a number from 0 to 1"},
    {R"("retry":{"initial_delay_ms":-1})", "/retry/initial_delay_ms",
     "must be a whole number from 0 to 604800000"},
    {R"("retry":{"max_delay_ms":604800001})", "/retry/max_delay_ms",
     "must be a whole number from 0 to 604800000"},
    {R"("retry":{"a/b":1})", "/retry/a~1b", "unknown field"},
    {R"("timeout_ms":0)", "/timeout_ms", "must be a whole number from 1 to 604800000"},
    {R"("expires_at":7)", "/expires_at", "must be an RFC 3339 instant"},
    {R"("due_at":"2026-11-21T09:00:01Z","expires_at":"2026-11-21T09:00:01Z")", "/expires_at",
     "must be after the due time"},
    {R"("labels":[])", "/labels", "must be an object of strings"},
    {R"("labels":{"a":1})", "/labels/a", "must be a string of at most 256 bytes"},
    {R"("labels":{"":"x"})", "/labels/", "must have a name of 1 to 64 bytes"},
    {R"("labels":{"1":"","2":"","3":"","4":"","5":"","6":"","7":"","8":"","9":"","10":"","11":"","12":"","13":"",)"
     R"("14":"","15":"","16":"","17":""})",
     "/labels", "must hold at most 16 pairs"},
    {R"("on_lost":"maybe")", "/on_lost", "must be \"retry\" or \"dead\""},
    {R"("depends_on":["cmd_1"])", "/depends_on/0", "must be the id of a command"},
    {R"("depends_on":["cmd_0000000000001","cmd_0000000000001"])", "/depends_on/1", "is named twice"},
    {R"("depends_on":null)", "/depends_on", "must be an array of at most 1000 command ids"},
    {R"("name":"a")", "/name", "unknown field"},
    {R"("deliver":7)", "/deliver", "must be an object"},
    {R"("deliver":{"exchange":"e"})", "/deliver/routing_key", "is required"},
    {R"("deliver":{"routing_key":"k"})", "/deliver/exchange", "is required"},
    {R"("deliver":{"exchange":7,"routing_key":"k"})", "/deliver/exchange",
     "must be a string of at most 255 bytes"},
    {R"("deliver":{"exchange":"e","routing_key":")" + kDigits256 + "\"}", "/deliver/routing_key",
     "must be a string of at most 255 bytes"},
    {R"("deliver":{"exchange":"a\u0000b","routing_key":"k"})", "/deliver/exchange",
     "must not hold control characters"},
    {R"("deliver":{"exchange":"duly.execute","routing_key":"k"})", "/deliver/exchange",
     "is one of Duly's own"},
    {R"("deliver":{"exchange":"e","routing_key":"k","mandatory":false})", "/deliver/mandatory",
     "unknown field"},
    {R"("deliver":{"exchange":"e","routing_key":"k","headers":[]})", "/deliver/headers", "must be an object"},
    {R"("deliver":{"exchange":"e","routing_key":"k","headers":{"a/b":null}})", "/deliver/headers/a~1b",
     "must be a string, a number of 64 bits, true or false"},
    {R"("deliver":{"exchange":"e","routing_key":"k","headers":{"n":18446744073709551615}})",
     "/deliver/headers/n", "must be a string, a number of 64 bits, true or false"},
    {R"("deliver":{"exchange":"e","routing_key":"k","headers":{"":1}})", "/deliver/headers/",
     "must have a name of 1 to 128 bytes"},
    {R"("deliver":{"exchange":"e","routing_key":"k","headers":{"CC":"x"}})", "/deliver/headers/CC",
     "has a meaning of its own to RabbitMQ"},
    {R"("callback_url":"ftp://x")", "/callback_url", "must be an http or https URL of at most 2048 bytes"},
    {R"("callback_url":7)", "/callback_url", "must be an http or https URL of at most 2048 bytes"},
    {R"("idempotency_key":"k")", "/idempotency_key", "unknown field; use the Idempotency-Key header"},
    {R"("state":"succeeded")", "/state", "unknown field"},
    {R"("a~b":1)", "/a~0b", "unknown field"},
};

}  // namespace

TEST_CASE("each bad field is told with its place and what it must be") {
  for (const BadField& bad : kBadFields) {
    CAPTURE(bad.text);
    Complaints complaints;
    read(R"({"type":"t",)" + bad.text + "}", complaints);
    REQUIRE(complaints.items().size() == 1);
    CHECK(complaints.items()[0].pointer == bad.pointer);
    CHECK(complaints.items()[0].detail == bad.detail);
    CHECK(complaints.response().status == 400);
  }
}

TEST_CASE("a type is required and plain") {
  for (const char* const text : {"{}", R"({"type":""})", R"({"type":"a/b"})", R"({"type":7})"}) {
    Complaints complaints;
    read(text, complaints);
    REQUIRE(complaints.items().size() == 1);
    CHECK(complaints.items()[0].pointer == "/type");
  }
  Complaints complaints;
  read("[]", complaints, "/commands/4");
  REQUIRE(complaints.items().size() == 1);
  CHECK(complaints.items()[0].pointer == "/commands/4");
}

TEST_CASE("all problems of a command are told at once, under the place where it stands") {
  Complaints complaints;
  read(R"({"due_at":"2026-11-21T09:00:00Z","delay_ms":0,"priority":77,"x":1})", complaints, "/commands/3");
  std::vector<std::string> pointers;
  for (const FieldError& error : complaints.items()) pointers.push_back(error.pointer);
  CHECK(pointers == std::vector<std::string>{"/commands/3/priority", "/commands/3/x", "/commands/3/type",
                                             "/commands/3/due_at", "/commands/3/delay_ms"});
}

TEST_CASE("no more than a hundred problems are told") {
  Complaints complaints;
  for (int i = 0; i < 200; ++i) complaints.add("/x", "bad");
  CHECK(complaints.items().size() == 100);
}

TEST_CASE("a whole command is read as it was written, its payload byte for byte") {
  Complaints complaints;
  const NewCommand command = read(
      R"({"type":"mail.send","queue":"q-1","payload": {"a" : 1.50, "b":[ ]} ,"due_at":"2027-01-01T01:00:00+01:00",)"
      R"("priority":9,"key":"k","retry":{"max_attempts":5,"initial_delay_ms":10,"multiplier":1,"max_delay_ms":20,)"
      R"("jitter":0},"timeout_ms":5,"expires_at":"2027-01-02T00:00:00Z","labels":{"team":"x"},"on_lost":"dead",)"
      R"("depends_on":[]})",
      complaints);
  CHECK(complaints.empty());
  CHECK(*command.spec.payload == R"({"a" : 1.50, "b":[ ]})");
  CHECK(command.spec.due_at_ms == 1'798'761'600'000);
  CHECK(command.spec.priority == 9);
  CHECK(command.spec.retry == RetryPolicy{5, 10, 1.0, 20, 0.0});
  CHECK(command.spec.labels == std::map<std::string, std::string>{{"team", "x"}});
  CHECK(command.spec.on_lost == OnLost::dead);
}

TEST_CASE("what is absent has the contract's default, and a past due time is allowed") {
  Complaints complaints;
  const NewCommand command = read(R"({"type":"t","due_at":"2001-01-01T00:00:00Z"})", complaints);
  CHECK(complaints.empty());
  CHECK(command.spec.queue == "default");
  CHECK(*command.spec.payload == "null");
  CHECK(command.spec.priority == 5);
  CHECK(command.spec.retry == RetryPolicy{});
  CHECK(command.spec.timeout_ms == 60'000);
}

TEST_CASE("a payload over one mebibyte is 413") {
  Complaints complaints;
  read(R"({"type":"t","payload":")" + std::string(limits::kPayloadBytes, 'a') + "\"}", complaints);
  REQUIRE(complaints.items().size() == 1);
  CHECK(complaints.items()[0].pointer == "/payload");
  CHECK(complaints.response().status == 413);
  Complaints none;
  read(R"({"type":"t","payload":")" + std::string(limits::kPayloadBytes - 2, 'a') + "\"}", none);
  CHECK(none.empty());
}

TEST_CASE("the meaning of a request does not depend on its spelling or its idempotency key") {
  const auto hash = [](const char* text) { return meaning_hash(parse_json(text, 32).value()); };
  CHECK(hash(R"({"type":"t","payload":1})") == hash(R"({ "payload":1, "type":"t", "idempotency_key":"k"})"));
  CHECK(hash(R"({"type":"t","payload":1})") != hash(R"({"type":"t","payload":2})"));
}

TEST_CASE("a command is shown with every field of the contract") {
  CommandView view;
  view.id = CommandId{1};
  view.spec.type = "t";
  view.spec.payload = make_bytes(R"({ "raw" : 1.0 })");
  view.spec.due_at_ms = kNowMs;
  view.created_at_ms = kNowMs;
  view.error = "it \"broke\"\n";
  view.attempts.push_back({1, "agent", 7, "exec", kNowMs, kNowMs, std::nullopt, AttemptOutcome::failed, ""});
  view.events.push_back({kNowMs, "cancel", "api", "by hand"});
  std::string full;
  append_command_json(full, view, CommandDetail::full);
  CHECK(full.find(R"("payload":{ "raw" : 1.0 },)") != std::string::npos);
  const Json json = parse_json(full, 32).value();
  for (const char* const name :
       {"id",         "type",        "queue",    "payload",  "state",        "due_at",
        "created_at", "finished_at", "priority", "key",      "retry",        "timeout_ms",
        "expires_at", "labels",      "on_lost",  "attempt",  "max_attempts", "shard",
        "result",     "error",       "reason",   "attempts", "events"}) {
    CAPTURE(name);
    CHECK(json.contains(name));
  }
  CHECK(json["due_at"] == "2026-11-21T09:00:00.000Z");
  CHECK(json["error"] == "it \"broke\"\n");
  CHECK(json["key"].is_null());
  CHECK(json["result"].is_null());
  CHECK(json["attempts"][0]["outcome"] == "failed");
  CHECK(json["attempts"][0]["finished_at"].is_null());
  std::string brief;
  append_command_json(brief, view, CommandDetail::brief);
  CHECK(!parse_json(brief, 32)->contains("attempts"));
}

TEST_CASE("a delivery has its headers by their kinds, and the properties of a message of ours") {
  Complaints complaints;
  const NewCommand command =
      read(R"({"type":"order.made","deliver":{"exchange":"orders","routing_key":"eu","headers":)"
           R"({"text":"\u00fc","whole":-5,"real":0.5,"yes":true}}})",
           complaints);
  REQUIRE(complaints.empty());
  REQUIRE(command.spec.deliver);
  CHECK(command.spec.deliver->exchange == "orders");
  CHECK(command.spec.deliver->routing_key == "eu");
  const auto properties = read_properties(command.spec.deliver->properties);
  REQUIRE(properties);
  CHECK(properties->headers ==
        std::vector{MessageHeader::real("real", 0.5), MessageHeader::text("text", "\xC3\xBC"),
                    MessageHeader::number("whole", -5), MessageHeader::flag("yes", true)});
  CHECK(properties->delivery_mode == std::uint8_t{2});
  CHECK(properties->content_type == "application/json");
  CHECK(properties->type == "order.made");
  CHECK(properties->message_id == "");  // filled in when it is published
  CommandView view;
  view.spec = command.spec;
  std::string shown;
  append_command_json(shown, view, CommandDetail::brief);
  const auto json = parse_json(shown, limits::kJsonDepth);
  REQUIRE(json);
  CHECK(json->at("deliver") ==
        Json({{"exchange", "orders"},
              {"routing_key", "eu"},
              {"headers", {{"text", "\xC3\xBC"}, {"whole", -5}, {"real", 0.5}, {"yes", true}}}}));
}

TEST_CASE("headers larger than their limit are too large, and a command without them has no target") {
  Complaints complaints;
  read(R"({"type":"t","deliver":{"exchange":"e","routing_key":"k","headers":{"a":")" +
           std::string(limits::kPropertiesBytes / 2, 'x') + R"("}}})",
       complaints);
  REQUIRE(complaints.items().size() == 1);
  CHECK(complaints.items()[0].pointer == "/deliver/headers");
  CHECK(complaints.response().status == 413);
  Complaints none;
  CHECK_FALSE(read(R"({"type":"t"})", none).spec.deliver);
}

}  // namespace duly
