#include "control-server/api/raw_json.h"

#include "common/base/assert.h"
#include "common/wire/json.h"

namespace duly {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // the parser skips one, too

// Walks over a valid JSON text.  Asserts where the text ends too early: then it was not valid.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {
    if (text_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  char peek() {
    skip_space();
    DULY_ASSERT(at_ < text_.size());
    return text_[at_];
  }
  // Past `c` when it is next.
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  // Past one value of any kind; its bytes.
  std::string_view value() {
    const char first = peek();
    const std::size_t start = at_;
    if (first == '"') {
      string();
    } else if (first == '{' || first == '[') {
      nested();
    } else {
      at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
    }
    return text_.substr(start, at_ - start);
  }

 private:
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  void string() {
    for (++at_; text_.at(at_) != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    ++at_;
  }
  void nested() {
    int depth = 0;
    do {
      at_ = text_.find_first_of("\"{}[]", at_);
      DULY_ASSERT(at_ != std::string_view::npos);
      const char c = text_[at_];
      if (c == '"') {
        string();
        continue;
      }
      depth += c == '{' || c == '[' ? 1 : -1;
      ++at_;
    } while (depth > 0);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Whether the quoted `key`, which may hold escapes, spells `name`.
bool spells(std::string_view key, std::string_view name) {
  if (key.find('\\') == std::string_view::npos) return key.substr(1, key.size() - 2) == name;
  const auto decoded = parse_json(key, 1);
  return decoded.ok() && decoded->is_string() && decoded->get_ref<const std::string&>() == name;
}

}  // namespace

std::optional<std::string_view> raw_member(std::string_view text, std::string_view name) {
  Walker walker(text);
  if (!walker.take('{') || walker.take('}')) return std::nullopt;
  do {
    const std::string_view key = walker.value();
    DULY_ASSERT(walker.take(':'));
    const std::string_view value = walker.value();
    if (spells(key, name)) return value;
  } while (walker.take(','));
  return std::nullopt;
}

std::vector<std::string_view> raw_items(std::string_view text) {
  std::vector<std::string_view> items;
  Walker walker(text);
  if (!walker.take('[') || walker.take(']')) return items;
  do items.push_back(walker.value());
  while (walker.take(','));
  return items;
}

}  // namespace duly
