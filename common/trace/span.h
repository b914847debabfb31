// A span as OpenTelemetry knows it: what was done, when, for which trace.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/time.h"
#include "common/model/trace_context.h"

namespace duly {

// The numbers are OTLP's.
enum class SpanKind : std::uint8_t { producer = 4, consumer = 5 };

struct SpanAttribute {
  std::string_view name;  // a constant
  std::variant<std::int64_t, std::string> value;

  SpanAttribute(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  SpanAttribute(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  SpanAttribute(std::string_view n, std::int64_t v) : name(n), value(v) {}
  SpanAttribute(std::string_view n, int v) : name(n), value(std::int64_t{v}) {}
};

struct Span {
  std::string name;
  SpanKind kind = SpanKind::producer;
  TracePtr self;             // its own trace and number; never null
  std::uint64_t parent = 0;  // a span of the same trace; 0 = it is the first
  TracePtr link = nullptr;   // a span elsewhere that it belongs to; null = none
  WallTime begun, ended;
  std::vector<SpanAttribute> attributes;
  std::string error;  // empty = it went well
};

}  // namespace duly
