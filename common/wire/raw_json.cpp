#include "common/wire/raw_json.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/assert.h"
#include "common/wire/json.h"

namespace duly {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // the parser skips one, too

constexpr std::array<bool, 256> marked(std::string_view bytes) {
  std::array<bool, 256> marks{};
  for (const char c : bytes) marks[static_cast<unsigned char>(c)] = true;
  return marks;
}
constexpr auto kSpace = marked(" \t\r\n");
constexpr auto kAfterScalar = marked(",]} \t\r\n");
constexpr auto kStructure = marked("\"{}[]");

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
      to(kAfterScalar, true);
    }
    return text_.substr(start, at_ - start);
  }

 private:
  // To the first byte that is marked, or is not; or to the end.
  void to(const std::array<bool, 256>& marks, bool wanted) {
    while (at_ < text_.size() && marks[static_cast<unsigned char>(text_[at_])] != wanted) ++at_;
  }
  void skip_space() { to(kSpace, false); }

  void string() {
    for (++at_;; ++at_) {
      at_ = text_.find('"', at_);
      DULY_ASSERT(at_ != std::string_view::npos);
      // After an odd number of backslashes it is one of the string's own characters.
      if ((at_ - text_.find_last_not_of('\\', at_ - 1)) % 2 == 1) break;
    }
    ++at_;
  }
  void nested() {
    int depth = 0;
    do {
      to(kStructure, true);
      DULY_ASSERT(at_ < text_.size());
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

std::optional<std::string> unescaped(std::string_view step) {
  std::string text;
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i] != '~') {
      text += step[i];
      continue;
    }
    if (++i == step.size() || (step[i] != '0' && step[i] != '1')) return std::nullopt;
    text += step[i] == '0' ? '~' : '/';
  }
  return text;
}

// An index of an array: digits without a leading zero.
std::optional<std::size_t> index_of(const std::string& step) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(step.data(), step.data() + step.size(), index);
  const bool plain = error == std::errc{} && end == step.data() + step.size();
  if (!plain || (step.size() > 1 && step[0] == '0')) return std::nullopt;
  return index;
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

std::vector<std::pair<std::string_view, std::string_view>> raw_members(std::string_view text) {
  std::vector<std::pair<std::string_view, std::string_view>> members;
  Walker walker(text);
  if (!walker.take('{') || walker.take('}')) return members;
  do {
    const std::string_view key = walker.value();
    DULY_ASSERT(walker.take(':'));
    members.emplace_back(key, walker.value());
  } while (walker.take(','));
  return members;
}

std::vector<std::string_view> raw_items(std::string_view text) {
  std::vector<std::string_view> items;
  Walker walker(text);
  if (!walker.take('[') || walker.take(']')) return items;
  do items.push_back(walker.value());
  while (walker.take(','));
  return items;
}

std::optional<std::vector<std::string>> pointer_steps(std::string_view pointer) {
  std::vector<std::string> steps;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return std::nullopt;
    pointer.remove_prefix(1);
    const std::string_view step = pointer.substr(0, pointer.find('/'));
    auto text = unescaped(step);
    if (!text) return std::nullopt;
    steps.push_back(std::move(*text));
    pointer.remove_prefix(step.size());
  }
  return steps;
}

std::optional<std::string_view> raw_at(std::string_view text, std::string_view pointer) {
  const auto steps = pointer_steps(pointer);
  if (!steps) return std::nullopt;
  text = Walker(text).value();
  for (const std::string& step : *steps) {
    std::optional<std::string_view> inner;
    if (text.front() == '{') {
      inner = raw_member(text, step);
    } else if (const auto index = index_of(step); index && text.front() == '[') {
      const auto items = raw_items(text);
      if (*index < items.size()) inner = items[*index];
    }
    if (!inner) return std::nullopt;
    text = *inner;
  }
  return text;
}

}  // namespace duly
