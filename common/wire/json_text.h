// Writes JSON text piece by piece, so that stored JSON can be embedded without being parsed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace duly {

// A JSON string; invalid UTF-8 becomes U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// One object, appended to `out` from the constructor's "{" to end()'s "}".
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }

  void text(std::string_view name, std::string_view value);
  void text_or_null(std::string_view name, std::string_view value);  // empty = null
  void number(std::string_view name, std::int64_t value);
  void unsigned_number(std::string_view name, std::uint64_t value);
  void real(std::string_view name, double value);
  void boolean(std::string_view name, bool value);
  // Milliseconds since 1970 as RFC 3339.
  void instant(std::string_view name, std::optional<std::int64_t> wall_ms);
  // `json` is a valid JSON text.
  void raw(std::string_view name, std::string_view json);
  // Writes the name; the caller appends the value to the same string.
  void begin(std::string_view name);
  void end() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace duly
