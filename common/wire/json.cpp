#include "common/wire/json.h"

#include "common/wire/open_keys.h"

namespace duly {
namespace {

// Builds the value while watching depth and keys; the base class does the building.
class CappedParser final : public nlohmann::detail::json_sax_dom_parser<Json> {
 public:
  using Base = nlohmann::detail::json_sax_dom_parser<Json>;
  CappedParser(Json& out, int max_depth) : Base(out, /*allow_exceptions_=*/false), max_depth_(max_depth) {}

  bool start_object(std::size_t elements) {
    if (!deeper()) return false;
    keys_.open();
    return Base::start_object(elements);
  }
  bool key(Json::string_t& name) {
    if (!keys_.add(name)) return refuse("duplicate key '" + name + "'");
    return Base::key(name);
  }
  bool end_object() {
    --depth_;
    keys_.close();
    return Base::end_object();
  }
  bool start_array(std::size_t elements) { return deeper() && Base::start_array(elements); }
  bool end_array() {
    --depth_;
    return Base::end_array();
  }
  bool number_float(double value, const std::string& text) { return Base::number_float(value, text); }
  bool parse_error(std::size_t position, const std::string& last, const nlohmann::detail::exception& error) {
    if (problem_.empty()) problem_ = "malformed JSON at byte " + std::to_string(position);
    return Base::parse_error(position, last, error);
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  bool deeper() {
    return ++depth_ <= max_depth_ || refuse("nested deeper than " + std::to_string(max_depth_) + " levels");
  }
  bool refuse(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return false;
  }

  const int max_depth_;
  int depth_ = 0;
  std::string problem_;
  OpenKeys keys_;
};

const Json kNothing = Json::array();

}  // namespace

Result<Json> parse_json(std::string_view text, int max_depth) {
  Json value;
  CappedParser parser(value, max_depth);
  const bool whole = Json::sax_parse(text.begin(), text.end(), &parser);
  if (!whole || parser.is_errored() || !parser.problem().empty()) {
    return invalid(parser.problem().empty() ? "malformed JSON" : parser.problem());
  }
  // To the library a NUL is the end of the text, and whatever follows it is not looked at.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    return invalid("malformed JSON at byte " + std::to_string(nul + 1));
  return value;
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {

FieldKind kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::boolean: return FieldKind::boolean;
    case Json::value_t::number_integer: return FieldKind::integer;
    case Json::value_t::number_unsigned: return FieldKind::unsigned_integer;
    case Json::value_t::number_float: return FieldKind::real;
    case Json::value_t::string: return FieldKind::text;
    case Json::value_t::array: return FieldKind::array;
    case Json::value_t::object: return FieldKind::object;
    default: return FieldKind::null;
  }
}

FieldValue field_of(const Json& value) {
  FieldValue field{kind_of(value), 0, {}};
  if (value.is_boolean()) field.bits = value.get<bool>() ? 1 : 0;
  if (value.is_number_unsigned())
    field.bits = value.get<std::uint64_t>();
  else if (value.is_number_integer())
    field.bits = static_cast<std::uint64_t>(value.get<std::int64_t>());
  if (value.is_string()) field.text = value.get_ref<const std::string&>();
  return field;
}

}  // namespace

FieldReader::FieldReader(const Json& object) : object_(object) {
  if (!object_.is_object()) fail("not", "an object");
}

std::int64_t FieldReader::integer(const char* name, std::int64_t least, std::int64_t most) {
  return integer_of(name, look(name), least, most);
}
std::uint64_t FieldReader::unsigned_integer(const char* name) { return unsigned_of(name, look(name)); }
bool FieldReader::boolean(const char* name) { return boolean_of(name, look(name)); }
std::string FieldReader::text(const char* name, std::size_t max_bytes) {
  return text_of(name, look(name), max_bytes);
}

const Json& FieldReader::array(const char* name, std::size_t max_items) {
  if (!ok()) return kNothing;
  if (!has(name)) {
    fail(name, "is missing");
    return kNothing;
  }
  const Json& field = object_[name];
  if (field.is_array() && field.size() <= max_items) return field;
  fail(name, "is not an array of the right length");
  return kNothing;
}

bool FieldReader::has(const char* name) const { return object_.is_object() && object_.contains(name); }

std::optional<FieldValue> FieldReader::look(const char* name) const {
  if (!object_.is_object()) return std::nullopt;
  const auto at = object_.find(name);
  if (at == object_.end()) return std::nullopt;
  return field_of(*at);
}

}  // namespace duly
