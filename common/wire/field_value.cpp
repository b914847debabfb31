#include "common/wire/field_value.h"

namespace duly {

std::int64_t FieldProblem::integer_of(const char* name, const std::optional<FieldValue>& field,
                                      std::int64_t least, std::int64_t most) {
  if (!is_there(name, field)) return least;
  const bool is_unsigned = field->kind == FieldKind::unsigned_integer;
  if (!is_unsigned && field->kind != FieldKind::integer) {
    fail(name, "is not a whole number");
    return least;
  }
  const bool too_large = is_unsigned && field->bits > static_cast<std::uint64_t>(INT64_MAX);
  const auto value = static_cast<std::int64_t>(field->bits);
  if (too_large || value < least || value > most) {
    fail(name, "is out of range");
    return least;
  }
  return value;
}

std::uint64_t FieldProblem::unsigned_of(const char* name, const std::optional<FieldValue>& field) {
  if (!is_there(name, field)) return 0;
  if (field->kind == FieldKind::unsigned_integer) return field->bits;
  fail(name, "is not a whole number");
  return 0;
}

bool FieldProblem::boolean_of(const char* name, const std::optional<FieldValue>& field) {
  if (!is_there(name, field)) return false;
  if (field->kind == FieldKind::boolean) return field->bits != 0;
  fail(name, "is not true or false");
  return false;
}

std::string FieldProblem::text_of(const char* name, const std::optional<FieldValue>& field,
                                  std::size_t max_bytes) {
  if (!is_there(name, field)) return {};
  if (field->kind != FieldKind::text) {
    fail(name, "is not a text");
    return {};
  }
  if (field->text.size() > max_bytes) {
    fail(name, "is too long");
    return {};
  }
  return std::string(field->text);
}

bool FieldProblem::is_there(const char* name, const std::optional<FieldValue>& field) {
  if (!ok()) return false;
  if (!field) fail(name, "is missing");
  return field.has_value();
}

void FieldProblem::fail(const char* name, const char* what) {
  if (problem_.empty()) problem_ = std::string(name) + " " + what;
}

}  // namespace duly
