#include "common/amqp/rabbit_message.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "common/amqp/rabbit_connection.h"

namespace duly {
namespace {

constexpr std::size_t kPoolBytes = 4096;
constexpr std::size_t kReservedBody = std::size_t{1} << 20;  // a claimed size is not believed beyond this

std::vector<amqp_table_entry_t> encode_headers(const AmqpMessage& message) {
  std::vector<amqp_table_entry_t> entries;
  entries.reserve(message.headers.size());
  for (const auto& [name, value] : message.headers) {
    if (std::holds_alternative<OtherHeader>(value)) continue;
    amqp_table_entry_t entry{};
    entry.key = as_bytes(name);
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
      entry.value.kind = AMQP_FIELD_KIND_I64;
      entry.value.value.i64 = *number;
    } else {
      entry.value.kind = AMQP_FIELD_KIND_UTF8;
      entry.value.value.bytes = as_bytes(std::get<std::string>(value));
    }
    entries.push_back(entry);
  }
  return entries;
}

HeaderValue decode_header(const amqp_field_value_t& field) {
  switch (field.kind) {
    case AMQP_FIELD_KIND_BOOLEAN: return std::int64_t{field.value.boolean != 0};
    case AMQP_FIELD_KIND_I8: return std::int64_t{field.value.i8};
    case AMQP_FIELD_KIND_U8: return std::int64_t{field.value.u8};
    case AMQP_FIELD_KIND_I16: return std::int64_t{field.value.i16};
    case AMQP_FIELD_KIND_U16: return std::int64_t{field.value.u16};
    case AMQP_FIELD_KIND_I32: return std::int64_t{field.value.i32};
    case AMQP_FIELD_KIND_U32: return std::int64_t{field.value.u32};
    case AMQP_FIELD_KIND_I64: return field.value.i64;
    case AMQP_FIELD_KIND_U64:
    case AMQP_FIELD_KIND_TIMESTAMP:
      if (field.value.u64 > static_cast<std::uint64_t>(INT64_MAX))
        return OtherHeader{static_cast<char>(field.kind)};
      return static_cast<std::int64_t>(field.value.u64);
    case AMQP_FIELD_KIND_UTF8:
    case AMQP_FIELD_KIND_BYTES: return to_text(field.value.bytes);
    default: return OtherHeader{static_cast<char>(field.kind)};
  }
}

void decode_properties(const amqp_basic_properties_t& from, AmqpMessage& to) {
  const auto text = [&from](amqp_flags_t flag, amqp_bytes_t value) {
    return (from._flags & flag) != 0 ? to_text(value) : std::string();
  };
  to.content_type = text(AMQP_BASIC_CONTENT_TYPE_FLAG, from.content_type);
  to.message_id = text(AMQP_BASIC_MESSAGE_ID_FLAG, from.message_id);
  to.correlation_id = text(AMQP_BASIC_CORRELATION_ID_FLAG, from.correlation_id);
  to.type = text(AMQP_BASIC_TYPE_FLAG, from.type);
  if ((from._flags & AMQP_BASIC_TIMESTAMP_FLAG) != 0 &&
      from.timestamp <= static_cast<std::uint64_t>(INT64_MAX)) {
    to.timestamp_s = static_cast<std::int64_t>(from.timestamp);
  }
  if ((from._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return;
  for (int i = 0; i < from.headers.num_entries; ++i) {
    const auto& entry = from.headers.entries[i];
    to.headers.insert_or_assign(to_text(entry.key), decode_header(entry.value));
  }
}

// The library writes properties only from what it has read.
int publish_verbatim(amqp_connection_state_t state, amqp_channel_t channel, const AmqpMessage& message) {
  amqp_pool_t pool;
  init_amqp_pool(&pool, kPoolBytes);
  void* decoded = nullptr;
  int status = amqp_decode_properties(AMQP_BASIC_CLASS, &pool, as_bytes(message.properties), &decoded);
  if (status < 0) {
    status = AMQP_STATUS_BAD_AMQP_DATA;
  } else {
    const amqp_bytes_t body = message.body ? as_bytes(*message.body) : amqp_empty_bytes;
    status = amqp_basic_publish(state, channel, as_bytes(message.exchange), as_bytes(message.routing_key),
                                /*mandatory=*/1, /*immediate=*/0,
                                static_cast<const amqp_basic_properties_t*>(decoded), body);
  }
  empty_amqp_pool(&pool);
  return status;
}

}  // namespace

int publish_message(amqp_connection_state_t state, amqp_channel_t channel, const AmqpMessage& message) {
  if (message.verbatim) return publish_verbatim(state, channel, message);
  static const std::string kAppId = "duly";
  auto headers = encode_headers(message);
  amqp_basic_properties_t properties{};
  const auto set = [&properties](amqp_flags_t flag, amqp_bytes_t& field, const std::string& value) {
    if (value.empty()) return;
    properties._flags |= flag;
    field = as_bytes(value);
  };
  set(AMQP_BASIC_CONTENT_TYPE_FLAG, properties.content_type, message.content_type);
  set(AMQP_BASIC_MESSAGE_ID_FLAG, properties.message_id, message.message_id);
  set(AMQP_BASIC_CORRELATION_ID_FLAG, properties.correlation_id, message.correlation_id);
  set(AMQP_BASIC_TYPE_FLAG, properties.type, message.type);
  set(AMQP_BASIC_APP_ID_FLAG, properties.app_id, kAppId);
  properties._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
  // Lifecycle events are the one thing that may be lost (contract section 5).
  const bool transient = message.exchange == topology::kEventsExchange;
  properties.delivery_mode = transient ? AMQP_DELIVERY_NONPERSISTENT : AMQP_DELIVERY_PERSISTENT;
  if (message.timestamp_s > 0) {
    properties._flags |= AMQP_BASIC_TIMESTAMP_FLAG;
    properties.timestamp = static_cast<std::uint64_t>(message.timestamp_s);
  }
  if (!headers.empty()) {
    properties._flags |= AMQP_BASIC_HEADERS_FLAG;
    properties.headers = {static_cast<int>(headers.size()), headers.data()};
  }
  const amqp_bytes_t body = message.body ? as_bytes(*message.body) : amqp_empty_bytes;
  return amqp_basic_publish(state, channel, as_bytes(message.exchange), as_bytes(message.routing_key),
                            /*mandatory=*/1, /*immediate=*/0, &properties, body);
}

void MessageAssembler::begin() {
  *this = MessageAssembler{largest_};
  busy_ = true;
}

bool MessageAssembler::add(const amqp_frame_t& frame) {
  if (!busy_) return false;
  if (frame.frame_type == AMQP_FRAME_HEADER && !has_header_) return add_header(frame);
  if (frame.frame_type != AMQP_FRAME_BODY || !has_header_) return false;
  const amqp_bytes_t part = frame.payload.body_fragment;
  missing_ -= std::min<std::uint64_t>(missing_, part.len);
  if (!too_large_) body_.append(static_cast<const char*>(part.bytes), part.len);
  return missing_ == 0;
}

bool MessageAssembler::add_header(const amqp_frame_t& frame) {
  has_header_ = true;
  missing_ = frame.payload.properties.body_size;
  message_.properties = to_text(frame.payload.properties.raw);
  too_large_ = missing_ > largest_;
  if (!too_large_) body_.reserve(std::min<std::size_t>(missing_, kReservedBody));
  decode_properties(*static_cast<const amqp_basic_properties_t*>(frame.payload.properties.decoded), message_);
  return missing_ == 0;
}

std::optional<AmqpMessage> MessageAssembler::take() {
  DULY_ASSERT(busy_ && has_header_ && missing_ == 0);
  busy_ = false;
  if (too_large_) return std::nullopt;
  message_.body = make_bytes(std::move(body_));
  return std::move(message_);
}

}  // namespace duly
