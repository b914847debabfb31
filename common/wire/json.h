// JSON in: parsed with a depth limit, duplicate keys refused, and read field by field with errors that name
// the field.
//
// nlohmann parses 200,000 nested arrays without complaint and overflows the stack when such a value is copied
// or dumped, so the depth is capped while parsing.  Nothing here throws.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/wire/field_value.h"

namespace duly {

using Json = nlohmann::json;

// The value, or an error that says where the text goes wrong.  UTF-8 is checked; duplicate keys are an error.
Result<Json> parse_json(std::string_view text, int max_depth);

// JSON text of a value; invalid UTF-8 inside strings becomes U+FFFD.
std::string dump_json(const Json& value);

// Reads the fields of one object of a message whose sender is a program: the first problem is remembered,
// later reads answer defaults, and finish() tells.
class FieldReader : public FieldProblem {
 public:
  explicit FieldReader(const Json& object);

  std::int64_t integer(const char* name, std::int64_t least, std::int64_t most);
  std::uint64_t unsigned_integer(const char* name);
  bool boolean(const char* name);
  std::string text(const char* name, std::size_t max_bytes);
  // The array, or an empty one on error; at most `max_items` long.
  const Json& array(const char* name, std::size_t max_items);
  [[nodiscard]] bool has(const char* name) const;

 private:
  [[nodiscard]] std::optional<FieldValue> look(const char* name) const;

  const Json& object_;
};

}  // namespace duly
