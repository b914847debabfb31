#include "common/http/ip_address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "common/base/assert.h"

namespace duly {
namespace {

struct Range {
  std::array<std::uint8_t, 16> prefix;
  int bits;
  Reach reach;
  std::string_view name;
};

constexpr Range kRanges4[] = {
    {{0}, 8, Reach::never, "this network"},
    {{10}, 8, Reach::internal, "private"},
    {{100, 64}, 10, Reach::internal, "carrier-grade NAT"},
    {{127}, 8, Reach::internal, "loopback"},
    {{169, 254}, 16, Reach::never, "link-local"},
    {{172, 16}, 12, Reach::internal, "private"},
    {{192, 0, 0}, 24, Reach::never, "protocol assignments"},
    {{192, 0, 2}, 24, Reach::never, "documentation"},
    {{192, 88, 99}, 24, Reach::never, "6to4 relay"},
    {{192, 168}, 16, Reach::internal, "private"},
    {{198, 18}, 15, Reach::never, "benchmarking"},
    {{198, 51, 100}, 24, Reach::never, "documentation"},
    {{203, 0, 113}, 24, Reach::never, "documentation"},
    {{224}, 4, Reach::never, "multicast"},
    {{255, 255, 255, 255}, 32, Reach::never, "broadcast"},
    {{240}, 4, Reach::never, "reserved"},
};

// The first that holds the address decides.
constexpr Range kRanges6[] = {
    {{0}, 128, Reach::never, "unspecified"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, Reach::internal, "loopback"},
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96, Reach::never, "IPv4-mapped"},
    {{0}, 96, Reach::never, "IPv4-compatible"},
    {{0, 0x64, 0xFF, 0x9B}, 32, Reach::never, "NAT64"},
    {{0xFC}, 7, Reach::internal, "unique local"},
    {{0xFE, 0x80}, 10, Reach::never, "link-local"},
    {{0xFF}, 8, Reach::never, "multicast"},
    {{0x20, 0x01, 0x0D, 0xB8}, 32, Reach::never, "documentation"},
    {{0x20, 0x01}, 23, Reach::never, "protocol assignments"},  // Teredo and ORCHID among them
    {{0x20, 0x02}, 16, Reach::never, "6to4"},
    {{0x3F, 0xFF}, 20, Reach::never, "documentation"},
    {{0x20}, 3, Reach::anyone, ""},
    {{0}, 0, Reach::never, "reserved"},
};

bool holds(const Range& range, const IpAddress& address) {
  const auto whole = static_cast<std::size_t>(range.bits / 8);
  if (!std::equal(range.prefix.begin(), range.prefix.begin() + whole, address.bytes.begin())) return false;
  const int rest = range.bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
  return (address.bytes[whole] & mask) == range.prefix[whole];
}

}  // namespace

std::optional<IpAddress> parse_ip(std::string_view text) {
  IpAddress address;
  address.v6 = text.find(':') != std::string_view::npos;
  const std::string whole(text);
  if (whole.find('\0') != std::string::npos) return std::nullopt;
  if (::inet_pton(address.v6 ? AF_INET6 : AF_INET, whole.c_str(), address.bytes.data()) != 1)
    return std::nullopt;
  return address;
}

std::string ip_text(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const char* written =
      ::inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), text.data(), text.size());
  DULY_ASSERT(written != nullptr);
  return written;
}

AddressRange range_of(const IpAddress& address) {
  const auto* begin = address.v6 ? std::begin(kRanges6) : std::begin(kRanges4);
  const auto* end = address.v6 ? std::end(kRanges6) : std::end(kRanges4);
  const auto* found = std::find_if(begin, end, [&](const Range& range) { return holds(range, address); });
  return found == end ? AddressRange{} : AddressRange{found->reach, found->name};
}

}  // namespace duly
