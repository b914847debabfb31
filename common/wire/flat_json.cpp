#include "common/wire/flat_json.h"

#include <charconv>

#include "common/wire/json.h"
#include "common/wire/json_scanner.h"
#include "common/wire/open_keys.h"

namespace duly {

// What the quick reader tells: its views are places in the text, which is kept whole.
class FlatSink {
 public:
  FlatSink(FlatJson& out, std::string_view text) : out_(out), text_(text) { out_.texts_ = text; }

  void opened(bool object) {
    add(object ? FieldKind::object : FieldKind::array);
    open_.push_back(static_cast<std::uint32_t>(out_.nodes_.size() - 1));
  }
  void closed() {
    out_.nodes_[open_.back()].end = size();
    open_.pop_back();
  }
  void named(std::string_view name) {
    key_at_ = place(name);
    key_size_ = static_cast<std::uint32_t>(name.size());
  }
  bool text(std::string_view raw, bool escaped) {
    if (escaped) return false;
    FlatJson::Node& node = add(FieldKind::text);
    node.text_at = place(raw);
    node.text_size = static_cast<std::uint32_t>(raw.size());
    return true;
  }
  // As the parser tells them apart: what does not fit into 64 bits is a real number.
  void number(std::string_view digits, bool whole) {
    const bool negative = digits.front() == '-';
    std::int64_t below = 0;
    std::uint64_t bits = 0;
    const char* const end = digits.data() + digits.size();
    const auto error = negative ? std::from_chars(digits.data(), end, below).ec
                                : std::from_chars(digits.data(), end, bits).ec;
    if (!whole || error != std::errc{}) return void(add(FieldKind::real));
    add(negative ? FieldKind::integer : FieldKind::unsigned_integer).bits =
        negative ? static_cast<std::uint64_t>(below) : bits;
  }
  void word(char first) {
    FlatJson::Node& node = add(first == 'n' ? FieldKind::null : FieldKind::boolean);
    node.bits = first == 't' ? 1 : 0;
  }

 private:
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(out_.nodes_.size()); }
  [[nodiscard]] std::uint32_t place(std::string_view piece) const {
    return static_cast<std::uint32_t>(piece.data() - text_.data());
  }
  FlatJson::Node& add(FieldKind kind) {
    if (!open_.empty()) ++out_.nodes_[open_.back()].count;
    FlatJson::Node& node = out_.nodes_.emplace_back();
    node.kind = kind;
    node.key_at = key_at_;
    node.key_size = key_size_;
    node.end = size();
    return node;
  }

  FlatJson& out_;
  const std::string_view text_;
  std::vector<std::uint32_t> open_;
  std::uint32_t key_at_ = 0, key_size_ = 0;
};

// What the parser calls for each piece of the text.
class FlatBuilder final : public nlohmann::json_sax<Json> {
 public:
  FlatBuilder(FlatJson& out, int max_depth) : out_(out), max_depth_(max_depth) {}

  bool null() override { return value(FieldKind::null, 0); }
  bool boolean(bool is) override { return value(FieldKind::boolean, is ? 1 : 0); }
  bool number_integer(number_integer_t number) override {
    return value(FieldKind::integer, static_cast<std::uint64_t>(number));
  }
  bool number_unsigned(number_unsigned_t number) override {
    return value(FieldKind::unsigned_integer, number);
  }
  bool number_float(number_float_t, const string_t&) override { return value(FieldKind::real, 0); }
  bool string(string_t& text) override {
    FlatJson::Node& node = add(FieldKind::text);
    keep(text, node.text_at, node.text_size);
    return close_value(node);
  }
  bool binary(binary_t&) override { return false; }  // JSON has none

  bool start_object(std::size_t) override {
    keys_.open();
    return open(FieldKind::object);
  }
  bool key(string_t& name) override {
    if (!keys_.add(name)) return refuse("duplicate key '" + name + "'");
    keep(name, key_at_, key_size_);
    return true;
  }
  bool end_object() override {
    keys_.close();
    return end_array();
  }
  bool start_array(std::size_t) override { return open(FieldKind::array); }
  bool end_array() override {
    out_.nodes_[open_.back()].end = static_cast<std::uint32_t>(out_.nodes_.size());
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("malformed JSON at byte " + std::to_string(position));
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void keep(const std::string& text, std::uint32_t& at, std::uint32_t& size) {
    at = static_cast<std::uint32_t>(out_.texts_.size());
    size = static_cast<std::uint32_t>(text.size());
    out_.texts_ += text;
  }
  // The next value of what is open, under the key that was read last.
  FlatJson::Node& add(FieldKind kind) {
    if (!open_.empty()) ++out_.nodes_[open_.back()].count;
    FlatJson::Node& node = out_.nodes_.emplace_back();
    node.kind = kind;
    node.key_at = key_at_;
    node.key_size = key_size_;
    return node;
  }
  bool close_value(FlatJson::Node& node) {
    node.end = static_cast<std::uint32_t>(out_.nodes_.size());
    return true;
  }
  bool value(FieldKind kind, std::uint64_t bits) {
    FlatJson::Node& node = add(kind);
    node.bits = bits;
    return close_value(node);
  }
  bool open(FieldKind kind) {
    if (static_cast<int>(open_.size()) >= max_depth_)
      return refuse("nested deeper than " + std::to_string(max_depth_) + " levels");
    add(kind);
    open_.push_back(out_.nodes_.size() - 1);
    return true;
  }
  bool refuse(std::string why) {
    if (problem_.empty()) problem_ = std::move(why);
    return false;
  }

  FlatJson& out_;
  const int max_depth_;
  std::vector<std::size_t> open_;
  std::uint32_t key_at_ = 0, key_size_ = 0;
  OpenKeys keys_;
  std::string problem_;
};

Result<FlatJson> FlatJson::parse(std::string_view text, int max_depth) {
  if (text.size() >= UINT32_MAX) return invalid("the JSON is too long");
  FlatJson document;
  document.nodes_.reserve(text.size() / 8 + 1);
  FlatSink sink(document, text);
  if (JsonScanner<FlatSink>(text, max_depth, sink).whole()) return document;
  return parse_slowly(text, max_depth);
}

Result<FlatJson> FlatJson::parse_slowly(std::string_view text, int max_depth) {
  FlatJson document;
  FlatBuilder builder(document, max_depth);
  const bool whole = Json::sax_parse(text.begin(), text.end(), &builder);
  if (!whole || !builder.problem().empty()) {
    return invalid(builder.problem().empty() ? "malformed JSON" : builder.problem());
  }
  // To the library a NUL is the end of the text, and whatever follows it is not looked at.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    return invalid("malformed JSON at byte " + std::to_string(nul + 1));
  return document;
}

FlatReader::FlatReader(FlatValue object) : object_(object), next_(object.end()) {
  if (object_.is(FieldKind::object)) {
    next_ = object_.begin();
  } else {
    fail("not", "an object");
  }
}

std::int64_t FlatReader::integer(const char* name, std::int64_t least, std::int64_t most) {
  return integer_of(name, field(name), least, most);
}
std::uint64_t FlatReader::unsigned_integer(const char* name) { return unsigned_of(name, field(name)); }
bool FlatReader::boolean(const char* name) { return boolean_of(name, field(name)); }
std::string FlatReader::text(const char* name, std::size_t max_bytes) {
  return text_of(name, field(name), max_bytes);
}

FlatValue FlatReader::array(const char* name, std::size_t max_items) {
  static const FlatJson kNoValues = *FlatJson::parse("[]", 1);
  if (!ok()) return kNoValues;
  const auto found = look(name);
  if (!found) {
    fail(name, "is missing");
    return kNoValues;
  }
  if (found->is(FieldKind::array) && found->size() <= max_items) return *found;
  fail(name, "is not an array of the right length");
  return kNoValues;
}

bool FlatReader::has(const char* name) { return look(name).has_value(); }

// Who writes a frame and who reads it go through the fields in the same order: it is mostly the next one.
std::optional<FlatValue> FlatReader::look(std::string_view name) {
  if (!object_.is(FieldKind::object)) return std::nullopt;
  for (auto at = next_; at != object_.end(); ++at) {
    if ((*at).key() != name) continue;
    const FlatValue found = *at;
    next_ = at;  // may be asked for again: has(), then its value
    return found;
  }
  for (auto at = object_.begin(); at != next_; ++at) {
    if ((*at).key() == name) return *at;
  }
  return std::nullopt;
}

std::optional<FieldValue> FlatReader::field(const char* name) {
  const auto found = look(name);
  if (!found) return std::nullopt;
  return FieldValue{found->node().kind, found->node().bits, found->text()};
}

}  // namespace duly
