#include "control-server/api/deliver_json.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <set>

#include "common/model/limits.h"
#include "common/model/message_properties.h"
#include "common/wire/json_text.h"
#include "control-server/api/api_support.h"

namespace duly {
namespace {

constexpr std::uint8_t kPersistent = 2;
constexpr std::string_view kOurExchanges = "duly.";

struct Reading {
  const std::string& at;
  Complaints& complaints;
  void complain(const std::string& field, std::string detail) {
    complaints.add(at + "/deliver" + field, std::move(detail));
  }
};

std::string read_name(Reading& r, const Json& value, const char* field, std::size_t most) {
  const auto member = value.find(field);
  const std::string pointer = std::string("/") + field;
  if (member == value.end()) return r.complain(pointer, "is required"), std::string();
  const bool fits = member->is_string() && member->get_ref<const std::string&>().size() <= most;
  if (!fits) {
    r.complain(pointer, "must be a string of at most " + std::to_string(most) + " bytes");
    return {};
  }
  return member->get<std::string>();
}

// What is published to our own exchanges means something to us.
void check_exchange(Reading& r, const std::string& exchange) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (std::any_of(exchange.begin(), exchange.end(), control))
    r.complain("/exchange", "must not hold control characters");
  if (exchange.starts_with(kOurExchanges)) r.complain("/exchange", "is one of Duly's own");
}

MessageHeader read_header(Reading& r, const std::string& name, const Json& value) {
  const std::string pointer = "/headers/" + pointer_token(name);
  if (name.empty() || name.size() > limits::kHeaderNameBytes)
    r.complain(pointer, "must have a name of 1 to " + std::to_string(limits::kHeaderNameBytes) + " bytes");
  // RabbitMQ takes these for further routing keys, and anything but a list of them for an error.
  if (name == "CC" || name == "BCC") r.complain(pointer, "has a meaning of its own to RabbitMQ");
  if (value.is_string()) return MessageHeader::text(name, value.get_ref<const std::string&>());
  if (value.is_boolean()) return MessageHeader::flag(name, value.get<bool>());
  if (value.is_number_float()) return MessageHeader::real(name, value.get<double>());
  const bool too_large =
      value.is_number_unsigned() &&
      value.get<std::uint64_t>() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (value.is_number_integer() && !too_large) return MessageHeader::number(name, value.get<std::int64_t>());
  r.complain(pointer, "must be a string, a number of 64 bits, true or false");
  return MessageHeader::flag("", false);
}

std::vector<MessageHeader> read_headers(Reading& r, const Json& value) {
  std::vector<MessageHeader> headers;
  if (!value.is_object()) return r.complain("/headers", "must be an object"), headers;
  std::size_t bytes = 0;
  for (const auto& item : value.items()) {
    headers.push_back(read_header(r, item.key(), item.value()));
    bytes += headers.back().name.size() + headers.back().value.size();
  }
  // Half of what the properties may be: the rest of them is short.
  if (bytes > limits::kPropertiesBytes / 2) {
    r.complaints.add_too_large(
        r.at + "/deliver/headers",
        "are larger than " + std::to_string(limits::kPropertiesBytes / 2) + " bytes together");
    headers.clear();
  }
  return headers;
}

DeliverTarget read_address(Reading& r, const Json& value) {
  DeliverTarget target;
  target.exchange = read_name(r, value, "exchange", limits::kExchangeBytes);
  target.routing_key = read_name(r, value, "routing_key", limits::kRoutingKeyBytes);
  check_exchange(r, target.exchange);
  return target;
}

void append_value(std::string& out, const MessageHeader& header) {
  if (const auto text = header.as_text()) return append_json_string(out, *text);
  if (const auto number = header.as_number()) return out.append(std::to_string(*number)), void();
  if (const auto flag = header.as_flag()) return out.append(*flag ? "true" : "false"), void();
  if (const auto real = header.as_real(); real && std::isfinite(*real))
    return out.append(dump_json(Json(*real))), void();
  if (header.kind == 'V') return out.append("null"), void();
  JsonObject object(out);
  object.text("kind", std::string(1, header.kind));
  object.number("bytes", static_cast<std::int64_t>(header.value.size()));
  object.end();
}

// Of two with one name, which AMQP does not allow and brokers let pass, the first.
void append_headers(std::string& out, const std::vector<MessageHeader>& headers) {
  std::set<std::string> shown;
  for (const MessageHeader& header : headers) {
    std::string name;
    append_json_string(name, header.name);
    if (!shown.insert(name).second) continue;
    if (shown.size() > 1) out += ',';
    out += name + ':';
    append_value(out, header);
  }
}

}  // namespace

DeliverTarget read_deliver(const Json& value, const std::string& type, const std::string& at,
                           Complaints& complaints) {
  Reading reading{at, complaints};
  if (!value.is_object()) return reading.complain("", "must be an object"), DeliverTarget{};
  MessageProperties properties;
  for (const auto& item : value.items()) {
    if (item.key() == "headers") {
      properties.headers = read_headers(reading, item.value());
    } else if (item.key() != "exchange" && item.key() != "routing_key") {
      reading.complain("/" + pointer_token(item.key()), "unknown field");
    }
  }
  DeliverTarget target = read_address(reading, value);
  if (!complaints.empty()) return target;
  properties.content_type = "application/json";
  properties.delivery_mode = kPersistent;
  properties.message_id = "";  // the command's, which nobody knows yet
  properties.type = type;
  properties.app_id = "duly";
  target.properties = write_properties(properties);
  return target;
}

void append_deliver(std::string& out, const DeliverTarget& target) {
  JsonObject object(out);
  object.text("exchange", target.exchange);
  object.text("routing_key", target.routing_key);
  object.begin("headers");
  out += '{';
  const auto properties = read_properties(target.properties);
  if (properties) append_headers(out, properties->headers);
  out += '}';
  object.end();
}

}  // namespace duly
