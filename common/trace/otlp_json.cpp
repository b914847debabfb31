#include "common/trace/otlp_json.h"

#include <algorithm>

#include "common/wire/json_text.h"

namespace duly {
namespace {

constexpr int kStatusOk = 0;  // unset: what OpenTelemetry asks of a library for what went well
constexpr int kStatusError = 2;

// Protobuf's JSON writes whole numbers of 64 bits as texts.
void append_attribute(std::string& out, const SpanAttribute& attribute) {
  JsonObject object(out);
  object.text("key", attribute.name);
  object.begin("value");
  JsonObject value(out);
  if (const auto* number = std::get_if<std::int64_t>(&attribute.value)) {
    value.text("intValue", std::to_string(*number));
  } else {
    value.text("stringValue", std::get<std::string>(attribute.value));
  }
  value.end();
  object.end();
}

void append_attributes(std::string& out, const std::vector<SpanAttribute>& attributes) {
  out += '[';
  for (const SpanAttribute& attribute : attributes) {
    if (&attribute != &attributes.front()) out += ',';
    append_attribute(out, attribute);
  }
  out += ']';
}

void add_context(JsonObject& object, const TraceContext& context) {
  object.text("traceId", context.trace_id());
  object.text("spanId", context.span_id());
  if (!context.state.empty()) object.text("traceState", context.state);
}

std::string nanoseconds(WallTime time) {
  return std::to_string(std::max<std::int64_t>(time.time_since_epoch().count(), 0)) + "000";
}

void append_span(std::string& out, const Span& span) {
  JsonObject object(out);
  add_context(object, *span.self);
  if (span.parent != 0) object.text("parentSpanId", format_span_id(span.parent));
  object.text("name", span.name);
  object.number("kind", static_cast<int>(span.kind));
  object.text("startTimeUnixNano", nanoseconds(span.begun));
  object.text("endTimeUnixNano", nanoseconds(std::max(span.begun, span.ended)));  // the clock may be set back
  object.begin("attributes");
  append_attributes(out, span.attributes);
  if (span.link) {
    object.begin("links");
    out += '[';
    JsonObject link(out);
    add_context(link, *span.link);
    link.end();
    out += ']';
  }
  object.begin("status");
  JsonObject status(out);
  status.number("code", span.error.empty() ? kStatusOk : kStatusError);
  if (!span.error.empty()) status.text("message", span.error);
  status.end();
  object.end();
}

void append_scope_spans(std::string& out, const std::vector<Span>& spans) {
  JsonObject object(out);
  object.begin("scope");
  JsonObject scope(out);
  scope.text("name", "duly");
  scope.text("version", DULY_VERSION);
  scope.end();
  object.begin("spans");
  out += '[';
  for (const Span& span : spans) {
    if (&span != &spans.front()) out += ',';
    append_span(out, span);
  }
  out += ']';
  object.end();
}

}  // namespace

std::string otlp_json(const SpanSource& source, const std::vector<Span>& spans) {
  std::string out = "{\"resourceSpans\":[{\"resource\":{\"attributes\":";
  append_attributes(out, {{"service.name", source.service},
                          {"service.version", DULY_VERSION},
                          {"service.instance.id", source.instance}});
  out += "},\"scopeSpans\":[";
  append_scope_spans(out, spans);
  out += "]}]}";
  return out;
}

}  // namespace duly
