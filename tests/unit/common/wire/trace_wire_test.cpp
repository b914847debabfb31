// A command's trace on its way: over the link, in an execution message, in a bundle, to an exchange of
// others.
#include <catch2/catch.hpp>
#include <string>

#include "common/model/message_properties.h"
#include "common/wire/bundle.h"

namespace duly {
namespace {

const std::string kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

HandOutItem traced(int number, const TracePtr& trace) {
  HandOutItem item;
  item.id = CommandId{1000 + number};
  item.attempt = 1;
  item.type = "t";
  item.queue = "q";
  item.payload = make_bytes(std::to_string(number));
  item.trace = trace;
  return item;
}

HandOutItem after_the_link(const HandOutItem& item) {
  const auto back = decode_server_message(encode(ServerMessage(HandOut{{item}})));
  REQUIRE(back);
  return std::get<HandOut>(*back).items.at(0);
}

const MessageHeader* header(const MessageProperties& properties, const std::string& name) {
  const MessageHeader* found = nullptr;
  for (const MessageHeader& one : properties.headers) {
    if (one.name != name) continue;
    CHECK(found == nullptr);  // never twice
    found = &one;
  }
  return found;
}

MessageProperties delivered(HandOutItem item, const MessageProperties& properties) {
  item.deliver = DeliverTarget{"orders", "eu", write_properties(properties)};
  const auto read = read_properties(make_delivery(item).properties);
  REQUIRE(read);
  return *read;
}

}  // namespace

TEST_CASE("a trace goes over the link and in the execution message as it is") {
  for (const std::string state : {"", "a=1,b=2"}) {
    const TracePtr trace = read_trace(kParent, state);
    const HandOutItem item = after_the_link(traced(1, trace));
    REQUIRE(item.trace);
    CHECK(*item.trace == *trace);
    const AmqpMessage message = make_execution_message(item, 7);
    CHECK(std::get<std::string>(message.headers.at("traceparent")) == kParent);
    CHECK(message.headers.contains("tracestate") == !state.empty());
    const auto execution = read_execution_message(message);
    REQUIRE(execution);
    CHECK(*execution->trace == *trace);
  }
}

TEST_CASE("a command without a trace says nothing of one") {
  const HandOutItem item = traced(1, nullptr);
  CHECK(encode(ServerMessage(HandOut{{item}})).header.find("trace") == std::string::npos);
  const AmqpMessage message = make_execution_message(item, 7);
  CHECK_FALSE(message.headers.contains("traceparent"));
  CHECK(read_execution_message(message)->trace == nullptr);
}

TEST_CASE("headers that name no trace do not keep a message from being run") {
  AmqpMessage message = make_execution_message(traced(1, nullptr), 7);
  for (const HeaderValue& wrong : {HeaderValue(std::string("00-zz")), HeaderValue(std::int64_t{5})}) {
    message.headers["traceparent"] = wrong;
    const auto read = read_execution_message(message);
    REQUIRE(read);
    CHECK(read->trace == nullptr);
  }
}

TEST_CASE("each command of a bundle keeps its own trace") {
  const TracePtr one = read_trace(kParent, "a=1");
  const TracePtr other = SpanIds(5).root();
  const auto read = read_executions(make_bundle({traced(1, one), traced(2, nullptr), traced(3, other)}, 7));
  REQUIRE(read);
  REQUIRE(read->size() == 3);
  REQUIRE(((*read)[0].trace && (*read)[2].trace));
  CHECK(*(*read)[0].trace == *one);
  CHECK((*read)[1].trace == nullptr);
  CHECK(*(*read)[2].trace == *other);
}

TEST_CASE("what is delivered tells the trace, unless its publisher has told one") {
  const TracePtr trace = read_trace(kParent, "a=1");
  MessageProperties own;
  own.headers = {MessageHeader::text("x", "1")};
  const MessageProperties added = delivered(traced(1, trace), own);
  CHECK(header(added, "traceparent")->as_text() == kParent);
  CHECK(header(added, "tracestate")->as_text() == "a=1");
  own.headers.push_back(MessageHeader::text("traceparent", "theirs"));
  const MessageProperties kept = delivered(traced(1, trace), own);
  CHECK(header(kept, "traceparent")->as_text() == "theirs");
  CHECK(header(kept, "tracestate") == nullptr);
  own.headers.pop_back();
  CHECK(delivered(traced(1, nullptr), own).headers == own.headers);
}

}  // namespace duly
