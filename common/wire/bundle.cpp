#include "common/wire/bundle.h"

#include "common/base/assert.h"
#include "common/model/limits.h"
#include "common/wire/flat_json.h"
#include "common/wire/frame.h"
#include "common/wire/json_text.h"

namespace duly {
namespace {

constexpr const char* kBundleCount = "duly-bundle";  // the header that says so, and how many
constexpr int kBundleDepth = 3;

void append_member(std::string& out, const HandOutItem& item) {
  JsonObject one(out);
  one.text("id", format_command_id(item.id));
  one.number("attempt", item.attempt);
  one.number("max_attempts", item.max_attempts);
  one.number("token", item.token.value);
  one.number("due_at_ms", item.due_at_ms);
  one.text("type", item.type);
  one.unsigned_number("payload_bytes", item.payload->size());
  if (!item.key.empty()) one.text("key", item.key);
  if (item.trace) one.text("traceparent", item.trace->traceparent());
  if (item.trace && !item.trace->state.empty()) one.text("tracestate", item.trace->state);
  one.end();
}

std::string bundle_header(const std::vector<HandOutItem>& items) {
  std::string header;
  JsonObject object(header);
  object.begin("items");
  header += '[';
  for (const HandOutItem& item : items) {
    if (&item != &items.front()) header += ',';
    append_member(header, item);
  }
  header += ']';
  object.end();
  return header;
}

TracePtr read_member_trace(FlatReader& reader) {
  const std::string parent = reader.text("traceparent", limits::kTraceStateBytes);
  const bool more = reader.has("tracestate");
  return read_trace(parent, more ? reader.text("tracestate", limits::kTraceStateBytes) : "");
}

Execution read_member(FlatReader& reader) {
  Execution one;
  one.id = parse_command_id(reader.text("id", 32)).value_or(CommandId{});
  one.attempt = static_cast<int>(reader.integer("attempt", 1, INT32_MAX));
  one.max_attempts = static_cast<int>(reader.integer("max_attempts", 0, INT32_MAX));
  one.token = Token{static_cast<std::int32_t>(reader.integer("token", 0, INT32_MAX))};
  one.due_at_ms = reader.integer("due_at_ms", INT64_MIN, INT64_MAX);
  one.type = reader.text("type", limits::kTypeBytes);
  if (reader.has("key")) one.key = reader.text("key", limits::kKeyBytes);
  if (reader.has("traceparent")) one.trace = read_member_trace(reader);
  return one;
}

Result<std::vector<Execution>> read_members(const FlatValue& items, std::string_view payloads,
                                            const std::string& queue) {
  std::vector<Execution> executions;
  executions.reserve(items.size());
  for (const FlatValue element : items) {
    FlatReader reader(element);
    Execution one = read_member(reader);
    const auto bytes = static_cast<std::size_t>(
        reader.integer("payload_bytes", 0, static_cast<std::int64_t>(limits::kPayloadBytes)));
    if (!reader.ok()) return invalid("bundle: " + reader.error().what);
    if (one.id == CommandId{}) return invalid("bundle: id is not a command id");
    if (one.type.empty()) return invalid("bundle: type is empty");
    if (bytes > payloads.size()) return invalid("bundle: the payloads are longer than the message");
    one.queue = queue;
    one.payload = make_bytes(std::string(payloads.substr(0, bytes)));
    payloads.remove_prefix(bytes);
    executions.push_back(std::move(one));
  }
  if (!payloads.empty()) return invalid("bundle: the message is longer than its payloads");
  return executions;
}

Result<std::vector<Execution>> read_bundle(const AmqpMessage& message) {
  if (!message.body || message.body->size() < kFrameLengthBytes)
    return invalid("bundle: the body is too short");
  std::string_view rest = *message.body;
  const std::size_t length = read_length(rest);
  rest.remove_prefix(kFrameLengthBytes);
  if (length > rest.size()) return invalid("bundle: its header is longer than the message");
  const auto header = FlatJson::parse(rest.substr(0, length), kBundleDepth);
  if (!header) return invalid("bundle: " + header.error().what);
  FlatReader reader(*header);
  const FlatValue& items = reader.array("items", limits::kBundleCommands);
  if (!reader.ok()) return invalid("bundle: " + reader.error().what);
  if (items.size() == 0) return invalid("bundle: it has no commands");
  const auto queue = message.headers.find("duly-queue");
  const auto* name = queue == message.headers.end() ? nullptr : std::get_if<std::string>(&queue->second);
  return read_members(items, rest.substr(length), name == nullptr ? "" : *name);
}

}  // namespace

AmqpMessage make_bundle(const std::vector<HandOutItem>& items, std::int64_t now_s) {
  DULY_ASSERT(items.size() >= 2 && items.size() <= limits::kBundleCommands);
  const std::string header = bundle_header(items);
  std::string body;
  append_length(body, header.size());
  body += header;
  for (const HandOutItem& item : items) body += *item.payload;
  const HandOutItem& first = items.front();
  AmqpMessage message;
  message.exchange = topology::kExecuteExchange;
  message.routing_key = first.queue;
  message.body = make_bytes(std::move(body));
  message.message_id = format_command_id(first.id) + "." + std::to_string(first.attempt) + "+" +
                       std::to_string(items.size() - 1);
  message.content_type = "application/vnd.duly.bundle";
  message.timestamp_s = now_s;
  message.headers = {{kBundleCount, static_cast<std::int64_t>(items.size())}, {"duly-queue", first.queue}};
  return message;
}

Result<std::vector<Execution>> read_executions(const AmqpMessage& message) {
  if (message.headers.contains(kBundleCount)) return read_bundle(message);
  auto one = read_execution_message(message);
  if (!one) return one.error();
  std::vector<Execution> executions;
  executions.push_back(std::move(*one));
  return executions;
}

}  // namespace duly
