#include "common/base/ids.h"

#include <algorithm>
#include <array>

#include "common/base/assert.h"

namespace duly {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::string_view kPrefix = "cmd_";
constexpr std::size_t kDigits = 13;
constexpr int kSequenceBits = 12;
constexpr int kNodeBits = 10;

constexpr std::array<std::int8_t, 256> make_values() {
  std::array<std::int8_t, 256> values{};
  for (auto& v : values) v = -1;
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    const auto upper = static_cast<unsigned char>(kAlphabet[i]);
    values[upper] = static_cast<std::int8_t>(i);
    if (upper >= 'A') values[upper + 32U] = static_cast<std::int8_t>(i);
  }
  for (const char c : {'I', 'i', 'L', 'l'}) values[static_cast<unsigned char>(c)] = 1;
  for (const char c : {'O', 'o'}) values[static_cast<unsigned char>(c)] = 0;
  return values;
}
constexpr auto kValues = make_values();

}  // namespace

std::string format_command_id(CommandId id) { return format_id(kPrefix, id); }
std::optional<CommandId> parse_command_id(std::string_view text) { return parse_id(kPrefix, text); }

std::string format_id(std::string_view prefix, CommandId id) {
  std::string text(prefix.size() + kDigits, '0');
  std::copy(prefix.begin(), prefix.end(), text.begin());
  auto rest = static_cast<std::uint64_t>(id.value);
  for (std::size_t i = text.size(); i-- > prefix.size(); rest >>= 5) text[i] = kAlphabet[rest & 31U];
  return text;
}

std::optional<CommandId> parse_id(std::string_view prefix, std::string_view text) {
  if (text.size() != prefix.size() + kDigits || !text.starts_with(prefix)) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text.substr(prefix.size())) {
    const int digit = kValues[static_cast<unsigned char>(c)];
    if (digit < 0 || value >> 58 != 0) return std::nullopt;  // an id has 63 bits
    value = value << 5 | static_cast<std::uint64_t>(digit);
  }
  return CommandId{static_cast<std::int64_t>(value)};
}

CommandId IdSource::next(WallTime now) {
  const std::int64_t ms = std::max<std::int64_t>(to_ms(now) - kIdEpochMs, 1);
  const std::int64_t fresh = ms << (kNodeBits + kSequenceBits) | node_ << kSequenceBits;
  // Within one millisecond (or while the clock is behind) count up; the sequence may run into later
  // milliseconds.
  last_ = fresh > last_ ? fresh : last_ + 1;
  DULY_ASSERT(last_ > 0);
  return CommandId{last_};
}

std::uint64_t stable_hash(std::string_view bytes) {
  std::uint64_t hash = 14'695'981'039'346'656'037ULL;
  for (const char c : bytes) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 1'099'511'628'211ULL;
  }
  return hash;
}

std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15ULL;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

ShardId shard_of(CommandId id, std::string_view key, int shard_count) {
  DULY_ASSERT(shard_count > 0);
  const std::uint64_t hash = key.empty() ? mix(static_cast<std::uint64_t>(id.value)) : mix(stable_hash(key));
  return ShardId{static_cast<std::int32_t>(hash % static_cast<std::uint64_t>(shard_count))};
}

}  // namespace duly
