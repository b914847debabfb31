#include "agent/app/agent_spans.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>

#include "tests/sim/base/sim_loop.h"

namespace duly {
namespace {

const std::string kStored = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";

struct SpanWorld {
  sim::SimLoop loop;
  std::vector<Span> spans;
  AgentSpans made{loop, [this](Span span) { spans.push_back(std::move(span)); }, 3};

  static TracePtr stored(const std::string& flags = "1") { return read_trace(kStored + flags, ""); }
  static HandOutItem item(int attempt, const TracePtr& trace) {
    HandOutItem one;
    one.id = CommandId{77};
    one.attempt = attempt;
    one.type = "work";
    one.queue = "q";
    one.payload = make_bytes("{}");
    one.trace = trace;
    return one;
  }
  static Execution execution(int attempt, const TracePtr& trace) {
    Execution one;
    one.id = CommandId{77};
    one.attempt = attempt;
    one.type = "work";
    one.queue = "q";
    one.payload = make_bytes("{}");
    one.trace = trace;
    return one;
  }
};

std::string text_of(const Span& span, std::string_view name) {
  for (const SpanAttribute& one : span.attributes) {
    if (one.name != name) continue;
    const auto* number = std::get_if<std::int64_t>(&one.value);
    return number != nullptr ? std::to_string(*number) : std::get<std::string>(one.value);
  }
  return "(none)";
}

}  // namespace

TEST_CASE("a publish is a span below the command's, until the broker's confirm, and the message names it") {
  SpanWorld world;
  HandOutItem item = SpanWorld::item(1, SpanWorld::stored());
  world.made.publishing(5, item);
  CHECK(world.spans.empty());
  world.loop.run_for(milliseconds{30});
  world.made.settled({{5, PublishOutcome::confirmed, ""}});
  REQUIRE(world.spans.size() == 1);
  const Span& span = world.spans[0];
  CHECK(span.name == "send q");
  CHECK(span.parent == SpanWorld::stored()->span);
  CHECK(*item.trace == *span.self);
  CHECK(item.trace->trace_id() == SpanWorld::stored()->trace_id());
  CHECK(span.ended - span.begun == milliseconds{30});
  CHECK(span.error.empty());
  CHECK(text_of(span, "duly.outcome") == "confirmed");
  CHECK(text_of(span, "messaging.message.id") == format_command_id(CommandId{77}) + ".1");
  world.made.settled({{5, PublishOutcome::confirmed, ""}});
  CHECK(world.spans.size() == 1);
}

TEST_CASE("a publish that was not confirmed is an error, for each command of its message") {
  SpanWorld world;
  HandOutItem one = SpanWorld::item(1, SpanWorld::stored());
  HandOutItem other = SpanWorld::item(2, SpanWorld::stored());
  world.made.publishing(5, one);
  world.made.publishing(5, other);
  world.made.settled({{4, PublishOutcome::confirmed, ""}, {5, PublishOutcome::returned, "no way"}});
  REQUIRE(world.spans.size() == 2);
  CHECK(world.spans[0].error == "no way");
  CHECK(world.spans[0].self->span != world.spans[1].self->span);
}

TEST_CASE("the first attempt runs below what its message names") {
  SpanWorld world;
  Execution run = SpanWorld::execution(1, SpanWorld::stored());
  world.made.begin(run);
  world.made.end({run.id, 1}, {"succeeded", ""});
  REQUIRE(world.spans.size() == 1);
  const Span& span = world.spans[0];
  CHECK(span.name == "process work");
  CHECK(span.kind == SpanKind::consumer);
  CHECK(span.parent == SpanWorld::stored()->span);
  CHECK(span.link == nullptr);
  CHECK(*run.trace == *span.self);  // what the handler is told
  CHECK(span.error.empty());
}

TEST_CASE("a later attempt begins a trace of its own, with a link to what its message names") {
  SpanWorld world;
  Execution run = SpanWorld::execution(2, SpanWorld::stored());
  world.made.begin(run);
  world.made.end({run.id, 2}, {"failed", "boom"});
  REQUIRE(world.spans.size() == 1);
  const Span& span = world.spans[0];
  CHECK(span.parent == 0);
  REQUIRE(span.link);
  CHECK(*span.link == *SpanWorld::stored());
  CHECK(span.self->trace_id() != SpanWorld::stored()->trace_id());
  CHECK(run.trace->sampled());
  CHECK(span.error == "boom");
  CHECK(text_of(span, "duly.attempt") == "2");
  CHECK(text_of(span, "error.type") == "failed");
}

TEST_CASE("what was told to stop has ended by that, whatever its handler says") {
  const std::vector<std::pair<std::string, std::string>> ends = {
      {"timed out", "timed_out"}, {"cancelled", "cancelled"}, {"the agent stops", "handed_back"}};
  for (const auto& [reason, outcome] : ends) {
    SpanWorld world;
    Execution run = SpanWorld::execution(1, SpanWorld::stored());
    world.made.begin(run);
    world.made.stop({run.id, 1}, reason);
    world.made.end({run.id, 1}, {"succeeded", ""});
    REQUIRE(world.spans.size() == 1);
    CHECK(text_of(world.spans[0], "duly.outcome") == outcome);
    CHECK(world.spans[0].error == reason);
  }
}

TEST_CASE("what is not sampled, or has no trace, is left as it is") {
  SpanWorld world;
  for (const TracePtr& trace : {SpanWorld::stored("0"), TracePtr()}) {
    HandOutItem item = SpanWorld::item(1, trace);
    world.made.publishing(5, item);
    CHECK(item.trace == trace);
    Execution run = SpanWorld::execution(1, trace);
    world.made.begin(run);
    CHECK(run.trace == trace);
    world.made.settled({{5, PublishOutcome::confirmed, ""}});
    world.made.end({run.id, 1}, {"succeeded", ""});
  }
  CHECK(world.spans.empty());
}

}  // namespace duly
