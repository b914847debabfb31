#include "common/trace/otlp_json.h"

#include <catch2/catch.hpp>

#include "common/trace/command_span.h"
#include "common/wire/json.h"

namespace duly {
namespace {

const TracePtr kCaller = read_trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1");

Span a_span() {
  Span span =
      command_span("process", "send.mail", {CommandId{5}, "send.mail", "mail", "duly.execute", "mail"});
  span.kind = SpanKind::consumer;
  span.self = kCaller;
  span.begun = WallTime{microseconds{1'795'251'600'000'001}};
  span.ended = WallTime{microseconds{1'795'251'600'000'002}};
  return span;
}

// The spans of what was written, read again.
Json read_spans(const std::vector<Span>& spans) {
  const auto json = parse_json(otlp_json({"duly-agent", "a-1"}, spans), 32);
  REQUIRE(json);
  return (*json)["resourceSpans"][0]["scopeSpans"][0]["spans"];
}

Json attribute(const Json& owner, const std::string& name) {
  for (const Json& one : owner["attributes"]) {
    if (one["key"] == name) return one["value"];
  }
  return nullptr;
}

}  // namespace

TEST_CASE("spans are written as OTLP's JSON, under who made them") {
  const auto json = parse_json(otlp_json({"duly-agent", "a-1"}, {a_span(), a_span()}), 32);
  REQUIRE(json);
  const Json& resource = (*json)["resourceSpans"][0];
  CHECK(attribute(resource["resource"], "service.name")["stringValue"] == "duly-agent");
  CHECK(attribute(resource["resource"], "service.instance.id")["stringValue"] == "a-1");
  CHECK(resource["scopeSpans"][0]["scope"]["name"] == "duly");
  CHECK(resource["scopeSpans"][0]["spans"].size() == 2);
}

TEST_CASE("a span says its place, its time in nanoseconds and what it did") {
  Span span = a_span();
  span.parent = 0xAB;
  const Json json = read_spans({span})[0];
  CHECK(json["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(json["spanId"] == "00f067aa0ba902b7");
  CHECK(json["traceState"] == "a=1");
  CHECK(json["parentSpanId"] == "00000000000000ab");
  CHECK(json["name"] == "process send.mail");
  CHECK(json["kind"] == 5);
  CHECK(json["startTimeUnixNano"] == "1795251600000001000");
  CHECK(json["endTimeUnixNano"] == "1795251600000002000");
  CHECK(json["status"]["code"] == 0);
  CHECK_FALSE(json.contains("links"));
  CHECK(attribute(json, "messaging.system")["stringValue"] == "rabbitmq");
  CHECK(attribute(json, "messaging.operation.type")["stringValue"] == "process");
}

TEST_CASE("the first of a trace has no parent, and a link names where it came from") {
  Span span = a_span();
  span.self = SpanIds(1).root();
  span.link = kCaller;
  const Json json = read_spans({span})[0];
  CHECK_FALSE(json.contains("parentSpanId"));
  REQUIRE(json["links"].size() == 1);
  CHECK(json["links"][0]["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(json["links"][0]["spanId"] == "00f067aa0ba902b7");
}

TEST_CASE("an error is the span's status, cut, whatever bytes it is made of") {
  Span span = a_span();
  note_error(span, "failed", std::string(5000, 'e'));
  const Json json = read_spans({span})[0];
  CHECK(json["status"]["code"] == 2);
  CHECK(json["status"]["message"].get<std::string>().size() == 1024);
  CHECK(attribute(json, "error.type")["stringValue"] == "failed");
  Span wild = a_span();
  note_error(wild, "failed", "\xFF\n\"");
  CHECK(read_spans({wild})[0]["status"]["message"].get<std::string>().find('\n') != std::string::npos);
  Span silent = a_span();
  note_error(silent, "unconfirmed", "");
  CHECK(read_spans({silent})[0]["status"]["message"] == "unconfirmed");
}

TEST_CASE("a span never ends before it has begun, even when the clock was set back") {
  Span span = a_span();
  span.ended = span.begun - seconds{5};
  const Json json = read_spans({span})[0];
  CHECK(json["startTimeUnixNano"] == json["endTimeUnixNano"]);
}

}  // namespace duly
