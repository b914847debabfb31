// What a field of a message may hold, and the complaints when it holds something else: shared by the readers
// of a whole document (json.h) and of one that is thrown away (flat_json.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace duly {

enum class FieldKind : std::uint8_t { null, boolean, integer, unsigned_integer, real, text, array, object };

struct FieldValue {
  FieldKind kind = FieldKind::null;
  std::uint64_t bits = 0;  // of a boolean or a whole number
  std::string_view text;
};

// The first problem is remembered; later reads answer defaults.
class FieldProblem {
 public:
  [[nodiscard]] bool ok() const { return problem_.empty(); }
  [[nodiscard]] Error error() const { return invalid(problem_); }

 protected:
  std::int64_t integer_of(const char* name, const std::optional<FieldValue>& field, std::int64_t least,
                          std::int64_t most);
  std::uint64_t unsigned_of(const char* name, const std::optional<FieldValue>& field);
  bool boolean_of(const char* name, const std::optional<FieldValue>& field);
  std::string text_of(const char* name, const std::optional<FieldValue>& field, std::size_t max_bytes);
  void fail(const char* name, const char* what);

 private:
  // False = nothing to read: it is missing, or there was a problem before.
  bool is_there(const char* name, const std::optional<FieldValue>& field);

  std::string problem_;
};

}  // namespace duly
