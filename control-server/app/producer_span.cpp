#include "control-server/app/producer_span.h"

#include "common/amqp/broker.h"
#include "common/trace/command_span.h"

namespace duly {

Span producer_span(const CommandTraced& traced, WallTime now) {
  Span span = command_span("create", traced.queue,
                           {traced.id, traced.type, traced.queue, topology::kExecuteExchange, traced.queue});
  span.kind = SpanKind::producer;
  span.self = traced.trace;
  span.parent = traced.caller ? traced.caller->span : 0;
  span.begun = traced.begun;
  span.ended = now;
  span.attributes.emplace_back("duly.shard", traced.shard.value);
  span.attributes.emplace_back("messaging.message.body.size", traced.bytes);
  return span;
}

}  // namespace duly
