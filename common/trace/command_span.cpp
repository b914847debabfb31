#include "common/trace/command_span.h"

#include "common/model/limits.h"

namespace duly {

Span command_span(std::string_view operation, const std::string& named_after, const SpanSubject& subject) {
  Span span;
  span.name = std::string(operation) + " " + named_after;
  span.attributes = {{"messaging.system", "rabbitmq"},
                     {"messaging.operation.type", std::string(operation)},
                     {"messaging.operation.name", std::string(operation)},
                     {"messaging.destination.name", subject.exchange},
                     {"messaging.rabbitmq.destination.routing_key", subject.routing_key},
                     {"messaging.message.conversation_id", format_command_id(subject.id)},
                     {"duly.command.id", format_command_id(subject.id)},
                     {"duly.command.type", subject.type},
                     {"duly.queue", subject.queue}};
  return span;
}

void note_error(Span& span, std::string_view type, const std::string& error) {
  span.error = error.substr(0, limits::kSpanErrorBytes);
  if (span.error.empty()) span.error = type;
  span.attributes.emplace_back("error.type", std::string(type));
}

}  // namespace duly
