// The properties and headers of a message, in the encoding that AMQP 0-9-1 itself gives them.
//
// A message that is kept for later must leave with every header as it came: its kind, its bytes, its place.
// So values are not turned into something else: of each only its end is looked for, and tables inside of
// tables are passed over whole (docs/decisions/0027).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace duly {

struct MessageHeader {
  std::string name;
  char kind = 'V';    // AMQP's letter for it
  std::string value;  // as AMQP writes it after that letter

  static MessageHeader text(std::string name, std::string_view value);
  static MessageHeader number(std::string name, std::int64_t value);
  static MessageHeader real(std::string name, double value);
  static MessageHeader flag(std::string name, bool value);

  // What a value of a kind with one word for it says; nothing for any other kind.
  [[nodiscard]] std::optional<std::string_view> as_text() const;
  [[nodiscard]] std::optional<std::int64_t> as_number() const;
  [[nodiscard]] std::optional<double> as_real() const;
  [[nodiscard]] std::optional<bool> as_flag() const;

  friend bool operator==(const MessageHeader&, const MessageHeader&) = default;
};

struct MessageProperties {
  std::optional<std::string> content_type, content_encoding;
  std::vector<MessageHeader> headers;
  std::optional<std::uint8_t> delivery_mode, priority;
  std::optional<std::string> correlation_id, reply_to, expiration, message_id;
  std::optional<std::uint64_t> timestamp_s;
  std::optional<std::string> type, user_id, app_id, cluster_id;

  friend bool operator==(const MessageProperties&, const MessageProperties&) = default;
};

// An error says what of it cannot be read.  What comes in was written by anybody.
Result<MessageProperties> read_properties(std::string_view encoded);
// Texts that AMQP limits to 255 bytes must keep to that.
std::string write_properties(const MessageProperties& properties);

}  // namespace duly
