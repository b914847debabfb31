#include "common/wire/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/time.h"
#include "common/wire/json.h"

namespace duly {
namespace {

template <class Number>
void append_digits(std::string& out, Number value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; });
  if (plain) {
    out += '"';
    out += text;
    out += '"';
  } else {
    out += dump_json(Json(std::string(text)));
  }
}

void JsonObject::begin(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  out_ += '"';
  out_ += name;
  out_ += "\":";
}

void JsonObject::text(std::string_view name, std::string_view value) {
  begin(name);
  append_json_string(out_, value);
}

void JsonObject::text_or_null(std::string_view name, std::string_view value) {
  value.empty() ? raw(name, "null") : text(name, value);
}

void JsonObject::number(std::string_view name, std::int64_t value) {
  begin(name);
  append_digits(out_, value);
}

void JsonObject::unsigned_number(std::string_view name, std::uint64_t value) {
  begin(name);
  append_digits(out_, value);
}

void JsonObject::real(std::string_view name, double value) { raw(name, dump_json(Json(value))); }

void JsonObject::boolean(std::string_view name, bool value) { raw(name, value ? "true" : "false"); }

void JsonObject::instant(std::string_view name, std::optional<std::int64_t> wall_ms) {
  wall_ms ? text(name, format_instant(*wall_ms)) : raw(name, "null");
}

void JsonObject::raw(std::string_view name, std::string_view json) {
  begin(name);
  out_ += json;
}

}  // namespace duly
