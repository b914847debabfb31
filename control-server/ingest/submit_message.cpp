#include "control-server/ingest/submit_message.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/planted.h"
#include "common/model/limits.h"
#include "common/model/message_properties.h"
#include "common/wire/envelope.h"
#include "common/wire/json.h"
#include "control-server/api/command_json.h"
#include "control-server/ingest/header_value.h"

namespace duly {
namespace {

constexpr std::string_view kJsonType = "application/json";
constexpr const char* kDeliverType = "deliver";  // of what has no type that could be ours
// RFC 3339 has years of four digits.
constexpr std::int64_t kFirstInstant = -62'135'596'800'000;
constexpr std::int64_t kLastInstant = 253'402'300'799'999;

// What a message carries, and the field of POST /v1/commands that it becomes.
struct Source {
  std::string_view name;  // as complaints call it
  const char* field;
};
constexpr std::array kSources = {
    Source{"property type", "type"},
    Source{"header duly-queue", "queue"},
    Source{"header duly-due-at", "due_at"},
    Source{"header x-delay", "delay_ms"},
    Source{"header duly-key", "key"},
    Source{"header duly-priority", "priority"},
    Source{"header duly-deliver-exchange", "deliver/exchange"},
    Source{"header duly-deliver-routing-key", "deliver/routing_key"},
    Source{"the body", "payload"},
};

bool is_utf8(const std::string& text) {
  const auto again = parse_json(dump_json(Json(text)), 1);
  return again && *again == text;
}

Status not_a_number(std::string_view name) {
  return invalid("header " + std::string(name) + ": must be a whole number of milliseconds");
}

// The plugin takes what is not positive for "now", and turns the sign of what it has delayed: a consumer that
// publishes a delivered message again means "at once".
Status put_delay(const HeaderValue& value, Json& object) {
  const auto ms = whole(value);
  if (!ms) return not_a_number("x-delay");
  object["delay_ms"] = std::max<std::int64_t>(*ms, 0);
  return ok_status();
}

Status put_due_at(const HeaderValue& value, Json& object) {
  const auto ms = whole(value);
  if (!ms) return not_a_number("duly-due-at");
  if (*ms < kFirstInstant || *ms > kLastInstant)
    return invalid("header duly-due-at: is no instant of the years 1 to 9999");
  object["due_at"] = format_instant(*ms);
  return ok_status();
}

Status put_priority(const HeaderValue& value, Json& object) {
  const auto number = whole(value);
  if (!number) return invalid("header duly-priority: must be a whole number");
  object["priority"] = *number;
  return ok_status();
}

Status put_text(const std::string& header, const char* field, const HeaderValue& value, Json& object) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr || !is_utf8(*text)) return invalid("header " + header + ": must be text in UTF-8");
  object[field] = *text;
  return ok_status();
}

// Headers of our own that nobody knows are an error, as unknown fields are; those of others are theirs.
Status put_header(const std::string& name, const HeaderValue& value, Json& object) {
  if (name == "x-delay") return put_delay(value, object);
  // Of a dead letter that somebody sends again: why it was one.
  if (!name.starts_with("duly-") || name == "duly-reason" || name == "duly-routing-key") return ok_status();
  if (name == "duly-due-at") return put_due_at(value, object);
  if (name == "duly-priority") return put_priority(value, object);
  if (name == "duly-queue") return put_text(name, "queue", value, object);
  if (name == "duly-key") return put_text(name, "key", value, object);
  if (name == "duly-deliver-exchange") return put_text(name, "exchange", value, object["deliver"]);
  if (name == "duly-deliver-routing-key") return put_text(name, "routing_key", value, object["deliver"]);
  return invalid("header " + name.substr(0, 64) + ": is not known");
}

// Complaints in the words of who wrote the message.
std::string in_words_of_message(const FieldError& complaint) {
  const std::string_view field = std::string_view(complaint.pointer).substr(1);
  for (const Source& source : kSources) {
    if (field == source.field) return std::string(source.name) + ": " + complaint.detail;
  }
  return std::string(field) + ": " + complaint.detail;
}

// JSON is kept as JSON.  Anything else is kept as bytes, whatever it says that it is.
bool put_json_payload(const AmqpMessage& message, Json& object) {
  auto json = parse_json(*message.body, limits::kJsonDepth - 1);
  if (json) object["payload"] = std::move(*json);
  return json.ok();
}

std::string content_type_of(const AmqpMessage& message, bool opaque) {
  if (!message.content_type.empty())
    return !opaque && message.content_type == kJsonType ? "" : message.content_type;
  return opaque ? "application/octet-stream" : "";
}

// In deliver mode: the way is the message's own unless a header says otherwise, and its type need not be one
// of ours, for nobody here looks for a handler.
Status complete_delivery(const AmqpMessage& message, Json& object) {
  Json& deliver = object["deliver"];
  if (!deliver.contains("routing_key")) {
    if (!is_utf8(message.routing_key)) return invalid("the routing key: must be text in UTF-8");
    deliver["routing_key"] = message.routing_key;
  }
  if (!is_plain_name(message.type, limits::kTypeBytes)) object["type"] = kDeliverType;
  return ok_status();
}

bool is_for_us(const std::string& header) {
  return header == "x-delay" || header == "x-delivery-count" || header.starts_with("duly-");
}

// What the target gets: all that the publisher wrote, but for what was meant for us or counted by the broker
// on the way here, and for the user id, which RabbitMQ takes from nobody but the user himself.
Result<std::string> forwarded_properties(const AmqpMessage& message) {
  if (message.properties.size() > limits::kPropertiesBytes)
    return invalid("the properties: are larger than " + std::to_string(limits::kPropertiesBytes) + " bytes");
  auto properties = read_properties(message.properties);
  if (!properties) return properties.error();
  std::erase_if(properties->headers, [](const MessageHeader& header) { return is_for_us(header.name); });
  properties->delivery_mode = 2;
  properties->user_id.reset();
  return write_properties(*properties);
}

// The meaning of the same fields by HTTP is the same, so one key there and here is one command.
std::uint64_t meaning_of(const Json& object, const CommandSpec& spec) {
  const std::uint64_t meaning = meaning_hash(object);
  if (!spec.opaque && spec.content_type.empty()) return meaning;
  return mix(meaning ^ stable_hash(spec.content_type) ^ mix(stable_hash(*spec.payload)));
}

}  // namespace

Result<NewCommand> read_submit_message(const AmqpMessage& message, std::int64_t now_ms) {
  DULY_ASSERT(message.body);
  if (message.body->size() > limits::kPayloadBytes)
    return invalid("the body: is larger than " + std::to_string(limits::kPayloadBytes) + " bytes");
  if (message.content_type.size() > limits::kContentTypeBytes || !is_utf8(message.content_type))
    return invalid("property content_type: must be text in UTF-8");
  Json object = Json::object();
  if (!message.type.empty()) object["type"] = message.type;
  for (const auto& [name, value] : message.headers) {
    if (auto put = put_header(name, value, object); !put) return put.error();
  }
  if (object.contains("deliver")) {
    if (auto complete = complete_delivery(message, object); !complete) return complete.error();
  }
  const bool opaque = !put_json_payload(message, object);
  CommandSource source{"", "", false, now_ms};
  source.payload = message.body;
  Complaints complaints;
  NewCommand command = read_command(object, source, complaints);
  if (!complaints.empty()) return invalid(in_words_of_message(complaints.items().front()));
  command.spec.opaque = opaque;
  command.spec.payload = message.body;
  command.spec.content_type = content_type_of(message, opaque);
  command.spec.trace = trace_of(message);
  if (command.spec.deliver) {
    auto properties = forwarded_properties(message);
    if (!properties) return properties.error();
    command.spec.deliver->properties = std::move(*properties);
  }
  if (message.message_id.empty() || DULY_PLANTED("submit.message-id")) return command;
  command.idempotency_key = message.message_id;
  command.body_hash = meaning_of(object, command.spec);
  return command;
}

}  // namespace duly
