// The quick reader of JSON behind json_scan.h and flat_json.h: says yes, or that the text is one for the
// parser.
//
// Sound, not complete: what it takes, parse_json takes, too.  A sink is told of each piece as it is read:
// what it was told of a text that is not taken in the end means nothing.  Bounded: each byte is looked at
// once, names of an object are compared with at most kFewMembers others, depth is capped.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace duly {
namespace json_scanner {

constexpr int kDeepest = 64;
constexpr std::ptrdiff_t kFewMembers = 32;  // of one object: each name is compared with those before it
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
inline bool eight_plain(const unsigned char* bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  std::uint64_t x = 0;
  std::memcpy(&x, bytes, sizeof x);
  const std::uint64_t quote = x ^ (kOnes * '"');
  const std::uint64_t backslash = x ^ (kOnes * '\\');
  const std::uint64_t found =
      ((x - kOnes * 0x20) & ~x) | ((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | x;
  return (found & (kOnes * 0x80)) == 0;
}

inline bool is_digit(unsigned char c) { return c >= '0' && c <= '9'; }

}  // namespace json_scanner

// Sink:  void opened(bool object); void closed(); void named(std::string_view name);
//        bool text(std::string_view raw, bool escaped);     the bytes between the quotes
//        void number(std::string_view digits, bool whole);  whole: no fraction, no exponent
//        void word(char first);                             t, f, n
// Views are into the text.  text() answers false to leave the whole to the parser.
template <class Sink>
class JsonScanner {
 public:
  JsonScanner(std::string_view text, int max_depth, Sink& sink)
      : sink_(sink),
        at_(reinterpret_cast<const unsigned char*>(text.data())),
        end_(at_ + text.size()),
        max_depth_(std::min(max_depth, json_scanner::kDeepest)) {}

  bool whole() {
    do {
      if (!value_begins()) return false;
    } while (!complete_);
    skip_space();
    return at_ == end_;
  }

 private:
  using Bytes = const unsigned char*;

  static std::string_view view(Bytes begin, Bytes end) {
    return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
  }
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
      case '"': return text() && value_ended();
      case 't': return word("true") && value_ended();
      case 'f': return word("false") && value_ended();
      case 'n': return word("null") && value_ended();
      default: return number() && value_ended();
    }
  }

  bool open(bool object) {
    if (depth_ == max_depth_) return false;
    levels_[static_cast<std::size_t>(depth_++)] = {object, names_.size()};
    sink_.opened(object);
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
      sink_.closed();
    }
    complete_ = true;
    return true;
  }

  // "name": of an object's member, and none it had before.
  bool name() {
    skip_space();
    const Bytes begin = at_ + 1;
    bool escaped = false;
    if (!next_is('"') || !string(escaped) || escaped) return false;
    const std::string_view name = view(begin, at_ - 1);
    const auto first = names_.begin() +
                       static_cast<std::ptrdiff_t>(levels_[static_cast<std::size_t>(depth_ - 1)].first_name);
    if (names_.end() - first >= json_scanner::kFewMembers) return false;
    if (std::find(first, names_.end(), name) != names_.end()) return false;
    names_.push_back(name);
    sink_.named(name);
    skip_space();
    if (!next_is(':')) return false;
    ++at_;
    return true;
  }

  bool text() {
    const Bytes begin = at_ + 1;
    bool escaped = false;
    return string(escaped) && sink_.text(view(begin, at_ - 1), escaped);
  }

  // Past the quote that ends the one that begins here.
  bool string(bool& escaped) {
    for (++at_;;) {
      while (end_ - at_ >= 8 && json_scanner::eight_plain(at_)) at_ += 8;
      while (at_ != end_ && json_scanner::kPlain[*at_]) ++at_;
      if (at_ == end_) return false;
      if (*at_ == '"') break;
      escaped = escaped || *at_ == '\\';
      if (*at_ == '\\' ? !escape() : !beyond_ascii()) return false;
    }
    ++at_;
    return true;
  }

  bool escape() {
    using namespace json_scanner;  // NOLINT(google-build-using-namespace): its constants
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
    const int more = lead < 0xC2 || lead > 0xF4 ? 0 : lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
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
    sink_.word(expected.front());
    return true;
  }

  std::ptrdiff_t digits() {
    const Bytes begin = at_;
    while (at_ != end_ && json_scanner::is_digit(*at_)) ++at_;
    return at_ - begin;
  }

  bool number() {
    const Bytes begin = at_;
    if (next_is('-')) ++at_;
    if (next_is('0')) {
      ++at_;
    } else if (digits() == 0) {
      return false;
    }
    const Bytes whole = at_;
    if (!fraction() || !exponent() || at_ - begin > json_scanner::kNumberBytes) return false;
    sink_.number(view(begin, at_), at_ == whole);
    return true;
  }
  bool fraction() {
    if (!next_is('.')) return true;
    ++at_;
    return digits() > 0;
  }
  bool exponent() {
    if (!next_is('e') && !next_is('E')) return true;
    ++at_;
    if (next_is('+') || next_is('-')) ++at_;
    const auto count = digits();
    return count > 0 && count <= json_scanner::kExponentDigits;
  }

  struct Level {
    bool object = false;
    std::size_t first_name = 0;  // of its members, in names_
  };

  Sink& sink_;
  Bytes at_;
  const Bytes end_;
  const int max_depth_;
  int depth_ = 0;
  bool complete_ = false;  // the outermost value has ended
  std::array<Level, json_scanner::kDeepest> levels_;
  std::vector<std::string_view> names_;  // of the open objects, the outermost's first
};

}  // namespace duly
