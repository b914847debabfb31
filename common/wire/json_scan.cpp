#include "common/wire/json_scan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/assert.h"
#include "common/wire/raw_json.h"

namespace duly {
namespace {

constexpr int kDeepest = 64;
constexpr std::size_t kFewMembers = 32;  // of one object: each name is compared with those before it
constexpr std::ptrdiff_t kNumberBytes = 64;
constexpr int kExponentDigits = 2;  // with those, no number of so many bytes leaves the range of a double

// UTF-16's halves of a character, high ones first (RFC 3629, section 3).
constexpr unsigned kHighSurrogate = 0xD800;
constexpr unsigned kLowSurrogate = 0xDC00;
constexpr unsigned kLowSurrogateEnd = 0xDFFF;

// Bytes of a string that stand for themselves.
constexpr std::array<bool, 256> plain_bytes() {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}
constexpr std::array<bool, 256> kPlain = plain_bytes();

// Whether eight bytes are all plain; it may say no of some that are.  Of `x - n` and `~x` a byte has its
// highest bit set where x's is less than n (or one before it was): "Bit Twiddling Hacks", Sean Anderson,
// hasless(x, n).
bool eight_plain(const unsigned char* bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  std::uint64_t x = 0;
  std::memcpy(&x, bytes, sizeof x);
  const std::uint64_t quote = x ^ (kOnes * '"');
  const std::uint64_t backslash = x ^ (kOnes * '\\');
  const std::uint64_t found =
      ((x - kOnes * 0x20) & ~x) | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | x;
  return (found & (kOnes * 0x80)) == 0;
}

bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

class Scanner {
 public:
  Scanner(std::string_view text, int max_depth)
      : at_(reinterpret_cast<const unsigned char*>(text.data())),
        end_(at_ + text.size()),
        max_depth_(std::min(max_depth, kDeepest)) {}

  bool whole() {
    do {
      if (!value_begins()) return false;
    } while (!complete_);
    skip_space();
    return at_ == end_;
  }

 private:
  [[nodiscard]] bool next_is(unsigned char c) const { return at_ != end_ && *at_ == c; }
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }

  // One value that is no container, or the beginning of one; then everything up to where the next value
  // begins.
  bool value_begins() {
    skip_space();
    if (at_ == end_) return false;
    switch (*at_) {
      case '{': return open(true);
      case '[': return open(false);
      case '"': return string() && value_ended();
      case 't': return word("true") && value_ended();
      case 'f': return word("false") && value_ended();
      case 'n': return word("null") && value_ended();
      default: return number() && value_ended();
    }
  }

  bool open(bool object) {
    if (depth_ == max_depth_) return false;
    levels_[static_cast<std::size_t>(depth_++)] = {object, names_.size()};
    ++at_;
    skip_space();
    if (next_is(object ? '}' : ']')) return value_ended();
    return !object || name();
  }

  // Closes what ends here; false where neither a further value nor the end may follow.
  bool value_ended() {
    for (; depth_ > 0; ++at_) {
      skip_space();
      const Level& level = levels_[static_cast<std::size_t>(depth_ - 1)];
      if (next_is(',')) {
        ++at_;
        return !level.object || name();
      }
      if (!next_is(level.object ? '}' : ']')) return false;
      names_.resize(level.first_name);
      --depth_;
    }
    complete_ = true;
    return true;
  }

  // "name": of an object's member, and none it had before.
  bool name() {
    skip_space();
    const unsigned char* const begin = at_;
    if (!next_is('"') || !string()) return false;
    const std::string_view text(reinterpret_cast<const char*>(begin), static_cast<std::size_t>(at_ - begin));
    const auto first = names_.begin() +
                       static_cast<std::ptrdiff_t>(levels_[static_cast<std::size_t>(depth_ - 1)].first_name);
    const bool many = names_.end() - first >= static_cast<std::ptrdiff_t>(kFewMembers);
    if (many || text.find('\\') != std::string_view::npos) return false;
    if (std::find(first, names_.end(), text) != names_.end()) return false;
    names_.push_back(text);
    skip_space();
    if (!next_is(':')) return false;
    ++at_;
    return true;
  }

  bool string() {
    for (++at_;;) {
      while (end_ - at_ >= 8 && eight_plain(at_)) at_ += 8;
      while (at_ != end_ && kPlain[*at_]) ++at_;
      if (at_ == end_) return false;
      if (*at_ == '"') break;
      if (*at_ == '\\' ? !escape() : !beyond_ascii()) return false;
    }
    ++at_;
    return true;
  }

  bool escape() {
    if (++at_ == end_) return false;
    const unsigned char c = *at_++;
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(static_cast<char>(c)) != std::string_view::npos;
    const auto unit = code_unit();
    if (!unit || *unit < kHighSurrogate || *unit > kLowSurrogateEnd) return unit.has_value();
    if (*unit >= kLowSurrogate || end_ - at_ < 2 || at_[0] != '\\' || at_[1] != 'u') return false;
    at_ += 2;
    const auto second = code_unit();
    return second && *second >= kLowSurrogate && *second <= kLowSurrogateEnd;
  }

  // Four hexadecimal digits.
  std::optional<unsigned> code_unit() {
    unsigned unit = 0;
    const auto* const text = reinterpret_cast<const char*>(at_);
    if (end_ - at_ < 4 || std::from_chars(text, text + 4, unit, 16).ptr != text + 4) return std::nullopt;
    at_ += 4;
    return unit;
  }

  // One character of two to four bytes, as RFC 3629 allows it (section 4's table).
  bool beyond_ascii() {
    const unsigned char lead = *at_;
    const int more = lead >= 0xC2 && lead <= 0xDF   ? 1
                     : lead >= 0xE0 && lead <= 0xEF ? 2
                     : lead >= 0xF0 && lead <= 0xF4 ? 3
                                                    : 0;
    if (more == 0 || end_ - at_ <= more) return false;
    const unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (at_[1] < least || at_[1] > most) return false;
    for (int i = 2; i <= more; ++i) {
      if ((at_[i] & 0xC0) != 0x80) return false;
    }
    at_ += more + 1;
    return true;
  }

  bool word(std::string_view expected) {
    if (static_cast<std::size_t>(end_ - at_) < expected.size()) return false;
    if (!std::equal(expected.begin(), expected.end(), at_)) return false;
    at_ += expected.size();
    return true;
  }

  std::ptrdiff_t digits() {
    const unsigned char* const begin = at_;
    while (at_ != end_ && is_digit(*at_)) ++at_;
    return at_ - begin;
  }

  bool number() {
    const unsigned char* const begin = at_;
    if (next_is('-')) ++at_;
    if (next_is('0')) {
      ++at_;
    } else if (digits() == 0) {
      return false;
    }
    if (next_is('.')) {
      ++at_;
      if (digits() == 0) return false;
    }
    if (next_is('e') || next_is('E')) {
      ++at_;
      if (next_is('+') || next_is('-')) ++at_;
      const auto count = digits();
      if (count == 0 || count > kExponentDigits) return false;
    }
    return at_ - begin <= kNumberBytes;
  }

  struct Level {
    bool object = false;
    std::size_t first_name = 0;  // of its members, in names_
  };

  const unsigned char* at_;
  const unsigned char* const end_;
  const int max_depth_;
  int depth_ = 0;
  bool complete_ = false;  // the outermost value has ended
  std::array<Level, kDeepest> levels_;
  std::vector<std::string_view> names_;  // of the open objects, the outermost's first
};

}  // namespace

bool surely_json(std::string_view text, int max_depth) { return Scanner(text, max_depth).whole(); }

Result<Json> parse_json_without(std::string_view member, std::string_view text, int max_depth) {
  const bool object = text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size())).starts_with('{');
  if (!object || !surely_json(text, max_depth)) return parse_json(text, max_depth);
  Json document = Json::object();
  for (const auto& [quoted, value] : raw_members(text)) {
    const std::string_view name = quoted.substr(1, quoted.size() - 2);  // no escapes: it is surely JSON
    if (name == member) {
      document.emplace(name, nullptr);
      continue;
    }
    auto parsed = parse_json(value, max_depth);
    DULY_ASSERT(parsed.ok());
    document.emplace(name, std::move(*parsed));
  }
  return document;
}

}  // namespace duly
