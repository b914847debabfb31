// W3C Trace Context: which trace a command belongs to, and by which span it came.
//
// `traceparent` and `tracestate` of others are read as the specification says.  What is not as it says is as
// if it were not there: somebody's tracing that is broken must not cost a command.  Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace duly {

struct TraceContext {
  std::uint64_t trace_high = 0, trace_low = 0;  // never both 0
  std::uint64_t span = 0;                       // never 0
  std::uint8_t flags = 0;                       // of those that are defined
  std::string state;  // `tracestate`, at most limits::kTraceStateBytes; empty = none

  [[nodiscard]] bool sampled() const { return (flags & 1U) != 0; }
  // As the header has it: version 00.
  [[nodiscard]] std::string traceparent() const;
  // In hexadecimal digits: 32, and 16.
  [[nodiscard]] std::string trace_id() const;
  [[nodiscard]] std::string span_id() const;

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// Null = none; then it takes no room anywhere.
using TracePtr = std::shared_ptr<const TraceContext>;

// Null when `traceparent` is none; without it `tracestate` means nothing.  Of a `tracestate` that is too long
// its last members go, which are the oldest.
TracePtr read_trace(std::string_view traceparent, std::string_view tracestate);

// "" for none.
std::string traceparent_of(const TracePtr& trace);

// 16 hexadecimal digits.
std::string format_span_id(std::uint64_t span);

// Numbers for traces and spans, of one process.  One thread.
class SpanIds {
 public:
  // `seed` is drawn at random: two processes must not have the same.
  explicit SpanIds(std::uint64_t seed) : state_(seed) {}

  // A span within the trace of `parent`.
  TracePtr child(const TraceContext& parent);
  // The first span of a new trace, sampled.
  TracePtr root();
  // True once in a while: for `ratio` of the questions, 0 to 1.
  bool chance(double ratio);

 private:
  std::uint64_t next();

  std::uint64_t state_;
};

}  // namespace duly
