// What the spans of a command have in common: OpenTelemetry's attributes of messaging, and our own.
#pragma once

#include <string>
#include <string_view>

#include "common/base/ids.h"
#include "common/trace/span.h"

namespace duly {

struct SpanSubject {
  CommandId id;
  std::string type, queue;
  std::string exchange, routing_key;  // where its message goes
};

// Named "<operation> <subject>"; `operation` is one of OpenTelemetry's: create, send, process.
Span command_span(std::string_view operation, const std::string& named_after, const SpanSubject& subject);

// `error` is what went wrong, cut; `type` a short name of the kind of it.
void note_error(Span& span, std::string_view type, const std::string& error);

}  // namespace duly
