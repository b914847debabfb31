#include "common/model/message_properties.h"

#include <cstring>
#include <limits>
#include <utility>

namespace duly {
namespace {

// The flags say which properties follow, the first one in the highest bit; bit 0 would announce more flags.
constexpr std::uint16_t kContentType = 1U << 15, kContentEncoding = 1U << 14, kHeaders = 1U << 13,
                        kDeliveryMode = 1U << 12, kPriority = 1U << 11, kCorrelationId = 1U << 10,
                        kReplyTo = 1U << 9, kExpiration = 1U << 8, kMessageId = 1U << 7, kTimestamp = 1U << 6,
                        kType = 1U << 5, kUserId = 1U << 4, kAppId = 1U << 3, kClusterId = 1U << 2,
                        kUnknown = 3U;
constexpr std::size_t kShortText = 255;

// ---- reading
// ----------------------------------------------------------------------------------------------------

// Takes from the front; after the first thing that is not there everything is empty.
struct Source {
  std::string_view left;
  bool whole = true;

  std::string_view bytes(std::size_t count) {
    if (count > left.size()) whole = false;
    if (!whole) return {};
    const std::string_view taken = left.substr(0, count);
    left.remove_prefix(count);
    return taken;
  }
  std::uint64_t number(std::size_t count) {
    std::uint64_t value = 0;
    for (const char byte : bytes(count)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  std::string short_text() { return std::string(bytes(number(1))); }
};

// Bytes of a value of this kind, or nothing for a kind that nobody has defined.  `at` stands at the value.
std::optional<std::size_t> size_of(char kind, Source at) {
  switch (kind) {
    case 'V': return 0;
    case 't':
    case 'b':
    case 'B': return 1;
    case 's':
    case 'u': return 2;
    case 'I':
    case 'i':
    case 'f': return 4;
    case 'D': return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T': return 8;
    case 'S':
    case 'x':
    case 'A':
    case 'F': return 4 + at.number(4);
    default: return std::nullopt;
  }
}

Result<std::vector<MessageHeader>> read_headers(Source& from) {
  Source table{from.bytes(from.number(4))};
  std::vector<MessageHeader> headers;
  while (from.whole && table.whole && !table.left.empty()) {
    MessageHeader header;
    header.name = table.short_text();
    header.kind = static_cast<char>(table.number(1));
    const auto size = size_of(header.kind, table);
    if (table.whole && !size) return invalid("header " + header.name.substr(0, 64) + ": is of no known kind");
    if (table.whole) header.value = std::string(table.bytes(*size));
    headers.push_back(std::move(header));
  }
  if (!from.whole || !table.whole) return invalid("the headers: end in the middle of one");
  return headers;
}

std::uint64_t big_endian(std::string_view bytes) { return Source{bytes}.number(bytes.size()); }

template <class Whole>
std::int64_t widened(std::string_view bytes) {
  return static_cast<Whole>(big_endian(bytes));
}

// ---- writing
// ----------------------------------------------------------------------------------------------------

void put_number(std::string& out, std::uint64_t value, std::size_t count) {
  for (std::size_t i = count; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xFFU);
}

void put_short_text(std::string& out, const std::string& text) {
  DULY_ASSERT(text.size() <= kShortText);
  put_number(out, text.size(), 1);
  out += text;
}

void put_headers(std::string& out, const std::vector<MessageHeader>& headers) {
  std::string table;
  for (const MessageHeader& header : headers) {
    put_short_text(table, header.name);
    table += header.kind;
    table += header.value;
  }
  put_number(out, table.size(), 4);
  out += table;
}

std::string encoded(std::uint64_t value, std::size_t count) {
  std::string out;
  put_number(out, value, count);
  return out;
}

}  // namespace

MessageHeader MessageHeader::text(std::string name, std::string_view value) {
  return {std::move(name), 'S', encoded(value.size(), 4).append(value)};
}
MessageHeader MessageHeader::number(std::string name, std::int64_t value) {
  return {std::move(name), 'l', encoded(static_cast<std::uint64_t>(value), 8)};
}
MessageHeader MessageHeader::real(std::string name, double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return {std::move(name), 'd', encoded(bits, 8)};
}
MessageHeader MessageHeader::flag(std::string name, bool value) {
  return {std::move(name), 't', std::string(1, value ? '\1' : '\0')};
}

std::optional<std::string_view> MessageHeader::as_text() const {
  if (kind != 'S') return std::nullopt;
  return std::string_view(value).substr(4);
}

std::optional<std::int64_t> MessageHeader::as_number() const {
  switch (kind) {
    case 'b': return widened<std::int8_t>(value);
    case 'B': return widened<std::uint8_t>(value);
    case 's': return widened<std::int16_t>(value);
    case 'u': return widened<std::uint16_t>(value);
    case 'I': return widened<std::int32_t>(value);
    case 'i': return widened<std::uint32_t>(value);
    case 'l': return widened<std::int64_t>(value);
    case 'L':
    case 'T': break;
    default: return std::nullopt;
  }
  const std::uint64_t number = big_endian(value);
  if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<double> MessageHeader::as_real() const {
  if (kind == 'f') {
    const auto bits = static_cast<std::uint32_t>(big_endian(value));
    float number = 0;
    std::memcpy(&number, &bits, sizeof number);
    return number;
  }
  if (kind != 'd') return std::nullopt;
  const std::uint64_t bits = big_endian(value);
  double number = 0;
  std::memcpy(&number, &bits, sizeof number);
  return number;
}

std::optional<bool> MessageHeader::as_flag() const {
  if (kind != 't') return std::nullopt;
  return value != std::string_view("\0", 1);
}

Result<MessageProperties> read_properties(std::string_view text) {
  Source from{text};
  const auto flags = static_cast<std::uint16_t>(from.number(2));
  if (!from.whole || (flags & kUnknown) != 0) return invalid("the properties: have no known flags");
  MessageProperties to;
  const auto short_text = [&](std::uint16_t flag, std::optional<std::string>& property) {
    if ((flags & flag) != 0) property = from.short_text();
  };
  short_text(kContentType, to.content_type);
  short_text(kContentEncoding, to.content_encoding);
  if ((flags & kHeaders) != 0) {
    auto headers = read_headers(from);
    if (!headers) return headers.error();
    to.headers = std::move(*headers);
  }
  if ((flags & kDeliveryMode) != 0) to.delivery_mode = static_cast<std::uint8_t>(from.number(1));
  if ((flags & kPriority) != 0) to.priority = static_cast<std::uint8_t>(from.number(1));
  short_text(kCorrelationId, to.correlation_id);
  short_text(kReplyTo, to.reply_to);
  short_text(kExpiration, to.expiration);
  short_text(kMessageId, to.message_id);
  if ((flags & kTimestamp) != 0) to.timestamp_s = from.number(8);
  short_text(kType, to.type);
  short_text(kUserId, to.user_id);
  short_text(kAppId, to.app_id);
  short_text(kClusterId, to.cluster_id);
  if (!from.whole || !from.left.empty()) return invalid("the properties: do not end where they should");
  return to;
}

std::string write_properties(const MessageProperties& from) {
  std::uint16_t flags = 0;
  std::string out;
  const auto short_text = [&](std::uint16_t flag, const std::optional<std::string>& property) {
    if (!property) return;
    flags |= flag;
    put_short_text(out, *property);
  };
  const auto number = [&](std::uint16_t flag, std::optional<std::uint64_t> property, std::size_t bytes) {
    if (!property) return;
    flags |= flag;
    put_number(out, *property, bytes);
  };
  short_text(kContentType, from.content_type);
  short_text(kContentEncoding, from.content_encoding);
  if (!from.headers.empty()) {
    flags |= kHeaders;
    put_headers(out, from.headers);
  }
  number(kDeliveryMode, from.delivery_mode, 1);
  number(kPriority, from.priority, 1);
  short_text(kCorrelationId, from.correlation_id);
  short_text(kReplyTo, from.reply_to);
  short_text(kExpiration, from.expiration);
  short_text(kMessageId, from.message_id);
  number(kTimestamp, from.timestamp_s, 8);
  short_text(kType, from.type);
  short_text(kUserId, from.user_id);
  short_text(kAppId, from.app_id);
  short_text(kClusterId, from.cluster_id);
  return encoded(flags, 2) + out;
}

}  // namespace duly
