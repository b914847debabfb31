// A zone file's header and tables (RFC 9636 section 3): big-endian numbers of fixed width.
#include <limits>

#include "common/model/zone_data.h"

namespace duly {
namespace {

constexpr std::size_t kHeaderBytes = 44;
constexpr std::size_t kMostEntries = 100'000;

std::uint64_t big_endian(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return value;
}

// How many there are of each table.
struct Counts {
  std::size_t utc_marks = 0;
  std::size_t standard_marks = 0;
  std::size_t leaps = 0;
  std::size_t times = 0;
  std::size_t types = 0;
  std::size_t letters = 0;

  // The bytes of all tables when an instant takes `width`.
  [[nodiscard]] std::size_t bytes(std::size_t width) const {
    return times * (width + 1) + types * 6 + letters + leaps * (width + 4) + standard_marks + utc_marks;
  }
};

std::optional<Counts> read_header(std::string_view bytes) {
  // Version 1 has no rule and 32-bit instants: no database has been so since 2013.
  if (bytes.size() < kHeaderBytes || bytes.substr(0, 4) != "TZif" || bytes[4] < '2') return std::nullopt;
  std::array<std::size_t, 6> found{};
  for (std::size_t i = 0; i < found.size(); ++i) {
    found[i] = static_cast<std::size_t>(big_endian(bytes, 20 + i * 4, 4));
    if (found[i] > kMostEntries) return std::nullopt;
  }
  return Counts{found[0], found[1], found[2], found[3], found[4], found[5]};
}

std::optional<std::int32_t> offset_of(std::string_view types, std::size_t index) {
  if (index * 6 + 6 > types.size()) return std::nullopt;
  const auto offset = static_cast<std::int32_t>(static_cast<std::uint32_t>(big_endian(types, index * 6, 4)));
  if (offset <= -kMostOffsetS || offset >= kMostOffsetS) return std::nullopt;
  return offset;
}

// `tables` are those of the second block, whose instants are 64 bits wide.
std::optional<ZoneData> read_tables(std::string_view tables, const Counts& counts) {
  const std::string_view indexes = tables.substr(counts.times * 8, counts.times);
  const std::string_view types = tables.substr(counts.times * 9, counts.types * 6);
  const auto first = offset_of(types, 0);
  if (!first) return std::nullopt;
  ZoneData zone;
  zone.first_offset_s = *first;
  zone.rule_from_s = std::numeric_limits<std::int64_t>::min();
  for (std::size_t i = 0; i < counts.times; ++i) {
    const auto at = static_cast<std::int64_t>(big_endian(tables, i * 8, 8));
    const auto offset = offset_of(types, static_cast<std::uint8_t>(indexes[i]));
    if (!offset || (i > 0 && at <= zone.rule_from_s)) return std::nullopt;
    // A new name alone changes nothing for a clock.
    const std::int32_t before = zone.changes.empty() ? zone.first_offset_s : zone.changes.back().offset_s;
    if (*offset != before) zone.changes.push_back({at, *offset});
    zone.rule_from_s = at;
  }
  return zone;
}

}  // namespace

std::optional<ZoneData> parse_zone_file(std::string_view bytes) {
  const auto old = read_header(bytes);
  if (!old || bytes.size() < kHeaderBytes + old->bytes(4)) return std::nullopt;
  bytes.remove_prefix(kHeaderBytes + old->bytes(4));
  const auto counts = read_header(bytes);
  if (!counts || counts->leaps > 0 || bytes.size() < kHeaderBytes + counts->bytes(8)) return std::nullopt;
  bytes.remove_prefix(kHeaderBytes);
  auto zone = read_tables(bytes, *counts);
  bytes.remove_prefix(counts->bytes(8));
  if (!zone || bytes.size() < 2 || bytes.front() != '\n' || bytes.back() != '\n') return std::nullopt;
  bytes = bytes.substr(1, bytes.size() - 2);
  // Nothing between the line feeds: the last offset holds for ever.
  if (bytes.empty()) {
    zone->rule.offset_s = zone->changes.empty() ? zone->first_offset_s : zone->changes.back().offset_s;
    return zone;
  }
  const auto rule = parse_zone_rule(bytes);
  if (!rule) return std::nullopt;
  zone->rule = *rule;
  return zone;
}

}  // namespace duly
