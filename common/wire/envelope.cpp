#include "common/wire/envelope.h"

#include <algorithm>

#include "common/model/limits.h"
#include "common/model/message_properties.h"

namespace duly {
namespace {

constexpr const char* kTraceparent = "traceparent";
constexpr const char* kTracestate = "tracestate";

std::optional<std::int64_t> number(const AmqpMessage& message, const char* name) {
  const auto at = message.headers.find(name);
  if (at == message.headers.end() || !std::holds_alternative<std::int64_t>(at->second)) return std::nullopt;
  return std::get<std::int64_t>(at->second);
}

std::optional<std::string> text(const AmqpMessage& message, const char* name) {
  const auto at = message.headers.find(name);
  if (at == message.headers.end() || !std::holds_alternative<std::string>(at->second)) return std::nullopt;
  return std::get<std::string>(at->second);
}

}  // namespace

TracePtr trace_of(const AmqpMessage& message) {
  if (message.headers.empty()) return nullptr;
  const auto parent = text(message, kTraceparent);
  return parent ? read_trace(*parent, text(message, kTracestate).value_or("")) : nullptr;
}

void tell_trace(const TracePtr& trace, AmqpMessage& message) {
  if (!trace) return;
  message.headers.emplace(kTraceparent, trace->traceparent());
  if (!trace->state.empty()) message.headers.emplace(kTracestate, trace->state);
}

AmqpMessage make_execution_message(const HandOutItem& item, std::int64_t now_s) {
  AmqpMessage message;
  const std::string id = format_command_id(item.id);
  message.exchange = topology::kExecuteExchange;
  message.routing_key = item.queue;
  message.body = item.payload;
  message.message_id = id + "." + std::to_string(item.attempt);
  message.correlation_id = id;
  message.type = item.type;
  if (!item.content_type.empty()) message.content_type = item.content_type;
  message.timestamp_s = now_s;
  message.headers = {{"duly-id", id},
                     {"duly-attempt", std::int64_t{item.attempt}},
                     {"duly-max-attempts", std::int64_t{item.max_attempts}},
                     {"duly-queue", item.queue},
                     {"duly-shard", std::int64_t{item.shard.value}},
                     {"duly-epoch", item.epoch.value},
                     {"duly-token", std::int64_t{item.token.value}},
                     {"duly-due-at", item.due_at_ms}};
  if (!item.key.empty()) message.headers.emplace("duly-key", item.key);
  tell_trace(item.trace, message);
  return message;
}

namespace {

// True when it has added it.
bool add_trace(const TracePtr& trace, std::vector<MessageHeader>& headers) {
  if (!trace) return false;
  const bool theirs = std::any_of(headers.begin(), headers.end(), [](const MessageHeader& header) {
    return header.name == kTraceparent || header.name == kTracestate;
  });
  if (theirs) return false;
  headers.push_back(MessageHeader::text(kTraceparent, trace->traceparent()));
  if (!trace->state.empty()) headers.push_back(MessageHeader::text(kTracestate, trace->state));
  return true;
}

}  // namespace

// An empty message id asks for ours: who submits over HTTP does not know it yet.
AmqpMessage make_delivery(const HandOutItem& item) {
  DULY_ASSERT(item.deliver);
  AmqpMessage message;
  message.exchange = item.deliver->exchange;
  message.routing_key = item.deliver->routing_key;
  message.body = item.payload;
  message.verbatim = true;
  message.properties = item.deliver->properties;
  auto properties = read_properties(message.properties);
  if (!properties) return message;  // and the broker's side says so
  const bool traced = add_trace(item.trace, properties->headers);
  const bool numbered = properties->message_id == "";
  if (numbered) properties->message_id = format_command_id(item.id);
  message.message_id = properties->message_id.value_or("");
  if (traced || numbered) message.properties = write_properties(*properties);
  return message;
}

Result<Execution> read_execution_message(const AmqpMessage& message) {
  const auto id_text = text(message, "duly-id");
  const auto id = id_text ? parse_command_id(*id_text) : std::nullopt;
  if (!id) return invalid("header duly-id is missing or is not a command id");
  const auto attempt = number(message, "duly-attempt");
  if (!attempt || *attempt < 1 || *attempt > INT32_MAX)
    return invalid("header duly-attempt is missing or wrong");
  const auto token = number(message, "duly-token");
  if (!token || *token < 0 || *token > INT32_MAX) return invalid("header duly-token is missing or wrong");
  if (message.type.empty() || message.type.size() > limits::kTypeBytes) {
    return invalid("property type is missing or too long");
  }
  if (!message.body || message.body->size() > limits::kPayloadBytes) return invalid("the body is too large");
  Execution execution;
  execution.id = *id;
  execution.attempt = static_cast<int>(*attempt);
  execution.token = Token{static_cast<std::int32_t>(*token)};
  execution.type = message.type;
  execution.payload = message.body;
  const std::int64_t max_attempts = number(message, "duly-max-attempts").value_or(0);
  execution.max_attempts = static_cast<int>(std::clamp<std::int64_t>(max_attempts, 0, 1'000'000));
  execution.queue = text(message, "duly-queue").value_or("");
  execution.key = text(message, "duly-key").value_or("");
  execution.due_at_ms = number(message, "duly-due-at").value_or(0);
  execution.trace = trace_of(message);
  return execution;
}

}  // namespace duly
