#include "common/wire/json.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace duly {
namespace {

// The keys of the objects that are open, each once.  A look through a few texts is quicker than a tree of
// them; an object with many keys gets a tree, or a hostile one would cost the square of its size.
class OpenKeys {
 public:
  void open() { begins_.push_back(keys_.size()); }
  void close() {
    many_.erase(begins_.size());
    keys_.resize(begins_.back());
    begins_.pop_back();
  }
  // False = the innermost object has it already.
  bool add(const std::string& key) {
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(begins_.back());
    if (keys_.end() - begin < kFew) {
      if (std::find(begin, keys_.end(), key) != keys_.end()) return false;
      keys_.push_back(key);
      return true;
    }
    auto& tree = many_[begins_.size()];
    if (tree.empty()) tree.insert(begin, keys_.end());
    return tree.insert(key).second;
  }

 private:
  static constexpr std::ptrdiff_t kFew = 24;
  std::vector<std::string> keys_;                      // of all open objects, the outermost first
  std::vector<std::size_t> begins_;                    // where each object's keys begin
  std::map<std::size_t, std::set<std::string>> many_;  // of objects with more than kFew, by their depth
};

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

FieldReader::FieldReader(const Json& object) : object_(object) {
  if (!object_.is_object()) problem_ = "not an object";
}

std::int64_t FieldReader::integer(const char* name, std::int64_t least, std::int64_t most) {
  const Json* field = find(name);
  if (field == nullptr) return least;
  if (!field->is_number_integer()) {
    fail(name, "is not a whole number");
    return least;
  }
  if (field->is_number_unsigned() && field->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX)) {
    fail(name, "is out of range");
    return least;
  }
  const auto value = field->get<std::int64_t>();
  if (value < least || value > most) {
    fail(name, "is out of range");
    return least;
  }
  return value;
}

std::uint64_t FieldReader::unsigned_integer(const char* name) {
  const Json* field = find(name);
  if (field == nullptr) return 0;
  if (!field->is_number_unsigned()) {
    fail(name, "is not a whole number");
    return 0;
  }
  return field->get<std::uint64_t>();
}

bool FieldReader::boolean(const char* name) {
  const Json* field = find(name);
  if (field == nullptr) return false;
  if (!field->is_boolean()) fail(name, "is not true or false");
  return field->is_boolean() && field->get<bool>();
}

std::string FieldReader::text(const char* name, std::size_t max_bytes) {
  const Json* field = find(name);
  if (field == nullptr) return {};
  if (!field->is_string()) {
    fail(name, "is not a text");
    return {};
  }
  const auto& value = field->get_ref<const std::string&>();
  if (value.size() > max_bytes) {
    fail(name, "is too long");
    return {};
  }
  return value;
}

const Json& FieldReader::array(const char* name, std::size_t max_items) {
  const Json* field = find(name);
  if (field == nullptr) return kNothing;
  if (!field->is_array() || field->size() > max_items) {
    fail(name, "is not an array of the right length");
    return kNothing;
  }
  return *field;
}

bool FieldReader::has(const char* name) const { return object_.is_object() && object_.contains(name); }

const Json* FieldReader::find(const char* name) {
  if (!ok()) return nullptr;
  const auto at = object_.find(name);
  if (at == object_.end()) {
    fail(name, "is missing");
    return nullptr;
  }
  return &*at;
}

void FieldReader::fail(const char* name, const char* what) {
  if (problem_.empty()) problem_ = std::string(name) + " " + what;
}

}  // namespace duly
