#include "common/model/trace_context.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "common/model/limits.h"

namespace duly {
namespace {

const std::string kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
const std::string kSpan = "00f067aa0ba902b7";

std::string parent(const std::string& version = "00", const std::string& flags = "01") {
  return version + "-" + kTrace + "-" + kSpan + "-" + flags;
}

std::string state_of(const std::string& tracestate) {
  const TracePtr trace = read_trace(parent(), tracestate);
  REQUIRE(trace);
  return trace->state;
}

}  // namespace

TEST_CASE("a traceparent is read, and written as it was") {
  const TracePtr trace = read_trace(parent(), "");
  REQUIRE(trace);
  CHECK(trace->trace_id() == kTrace);
  CHECK(trace->span_id() == kSpan);
  CHECK(trace->sampled());
  CHECK(trace->traceparent() == parent());
  CHECK(traceparent_of(trace) == parent());
  CHECK(traceparent_of(nullptr).empty());
  CHECK_FALSE(read_trace(parent("00", "00"), "")->sampled());
  CHECK_FALSE(read_trace(parent("00", "02"), "")->sampled());
}

TEST_CASE("a later version is read as far as this one knows it, and goes on as this one") {
  for (const std::string more : {"", "-", "-what-comes-later"}) {
    const TracePtr trace = read_trace(parent("cc") + more, "");
    REQUIRE(trace);
    CHECK(trace->traceparent() == parent());
  }
  CHECK(read_trace(parent("00", "ff"), "")->traceparent() == parent("00", "03"));
}

TEST_CASE("what is not a traceparent is as if there were none") {
  const std::string zeros(32, '0');
  for (const std::string& wrong :
       {std::string(), std::string("00"), parent() + "-more", parent() + "x", parent("cc") + "x",
        parent("ff"), parent("0X"), parent("00", "0"), parent("00", "0g"), parent("00", "0A"), " " + parent(),
        "00-" + zeros + "-" + kSpan + "-01", "00-" + kTrace + "-" + zeros.substr(0, 16) + "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + kSpan + "-01", "00_" + kTrace + "-" + kSpan + "-01",
        "00-" + kTrace + "_" + kSpan + "-01", "00-" + kTrace + "-" + kSpan + "_01", std::string(55, '-'),
        std::string(55, '\0')}) {
    INFO(wrong);
    CHECK(read_trace(wrong, "a=1") == nullptr);
  }
}

TEST_CASE("every change of one character of a traceparent is read as what it says, or not at all") {
  const std::string good = parent();
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int c = 0; c < 256; ++c) {
      std::string text = good;
      text[at] = static_cast<char>(c);
      const TracePtr trace = read_trace(text, "");
      if (!trace) continue;
      CHECK(trace->trace_id() == text.substr(3, 32));
      CHECK(trace->span_id() == text.substr(36, 16));
      CHECK(read_trace(trace->traceparent(), "")->traceparent() == trace->traceparent());
    }
  }
}

TEST_CASE("a tracestate is kept in its order, without spaces and without what is empty") {
  const std::string two = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
  CHECK(state_of(two) == two);
  CHECK(state_of(" a=1 , ,b@c=x y\t,") == "a=1,b@c=x y");
  CHECK(state_of("").empty());
}

TEST_CASE("a tracestate that is none is left out, and does not cost the trace") {
  for (const std::string wrong : {"a", "=1", "a=", "A=1", "a=b=c", "a=\x01", "a=\xC3\xBC", "a b=1"}) {
    INFO(wrong);
    CHECK(state_of(wrong).empty());
  }
  std::string many;
  for (int i = 0; i < 33; ++i) many += "a" + std::to_string(i) + "=1,";
  CHECK(state_of(many).empty());
}

TEST_CASE("of a tracestate that is too long whole members go, from its end") {
  std::string text;
  for (int i = 0; i < 8; ++i) text += "k" + std::to_string(i) + "=" + std::string(97, 'v') + ",";
  const std::string kept = state_of(text);
  CHECK(kept.size() <= limits::kTraceStateBytes);
  CHECK(kept == text.substr(0, 5 * 101 - 1));
}

TEST_CASE("spans of a process have numbers of their own, and a child stays in its parent's trace") {
  SpanIds ids(7);
  const TracePtr root = ids.root();
  CHECK(root->sampled());
  std::set<std::uint64_t> spans = {root->span};
  for (int i = 0; i < 1000; ++i) {
    const TracePtr child = ids.child(*root);
    CHECK(child->trace_id() == root->trace_id());
    CHECK(child->flags == root->flags);
    CHECK(spans.insert(child->span).second);
  }
  const TracePtr stranger = read_trace(parent(), "a=1");
  CHECK(ids.child(*stranger)->state == "a=1");
  CHECK(SpanIds(8).root()->trace_id() != SpanIds(9).root()->trace_id());
}

TEST_CASE("a share of 0 is none, of 1 all, and of a tenth about that") {
  SpanIds ids(3);
  int never = 0, tenth = 0, always = 0;
  for (int i = 0; i < 10'000; ++i) {
    never += ids.chance(0) ? 1 : 0;
    tenth += ids.chance(0.1) ? 1 : 0;
    always += ids.chance(1) ? 1 : 0;
  }
  CHECK(never == 0);
  CHECK(tenth > 850);
  CHECK(tenth < 1150);
  CHECK(always == 10'000);
}

}  // namespace duly
