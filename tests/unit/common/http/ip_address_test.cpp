#include "common/http/ip_address.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

AddressRange range_of_text(const char* text) {
  const auto address = parse_ip(text);
  REQUIRE(address);
  return range_of(*address);
}

struct AddressRow {
  const char* first;  // of the range
  const char* last;
  Reach reach;
  const char* name;
};

// Each range from its first address to its last, and what lies just outside where that belongs to anyone.
constexpr AddressRow kAddressRows[] = {
    {"0.0.0.0", "0.255.255.255", Reach::never, "this network"},
    {"1.0.0.0", "9.255.255.255", Reach::anyone, ""},
    {"10.0.0.0", "10.255.255.255", Reach::internal, "private"},
    {"11.0.0.0", "100.63.255.255", Reach::anyone, ""},
    {"100.64.0.0", "100.127.255.255", Reach::internal, "carrier-grade NAT"},
    {"100.128.0.0", "126.255.255.255", Reach::anyone, ""},
    {"127.0.0.0", "127.255.255.255", Reach::internal, "loopback"},
    {"128.0.0.0", "169.253.255.255", Reach::anyone, ""},
    {"169.254.0.0", "169.254.255.255", Reach::never, "link-local"},
    {"169.254.169.254", "169.254.169.254", Reach::never, "link-local"},
    {"169.255.0.0", "172.15.255.255", Reach::anyone, ""},
    {"172.16.0.0", "172.31.255.255", Reach::internal, "private"},
    {"172.32.0.0", "191.255.255.255", Reach::anyone, ""},
    {"192.0.0.0", "192.0.0.255", Reach::never, "protocol assignments"},
    {"192.0.2.0", "192.0.2.255", Reach::never, "documentation"},
    {"192.88.99.0", "192.88.99.255", Reach::never, "6to4 relay"},
    {"192.167.255.255", "192.167.255.255", Reach::anyone, ""},
    {"192.168.0.0", "192.168.255.255", Reach::internal, "private"},
    {"192.169.0.0", "198.17.255.255", Reach::anyone, ""},
    {"198.18.0.0", "198.19.255.255", Reach::never, "benchmarking"},
    {"198.51.100.0", "198.51.100.255", Reach::never, "documentation"},
    {"203.0.113.0", "203.0.113.255", Reach::never, "documentation"},
    {"223.255.255.255", "223.255.255.255", Reach::anyone, ""},
    {"224.0.0.0", "239.255.255.255", Reach::never, "multicast"},
    {"240.0.0.0", "255.255.255.254", Reach::never, "reserved"},
    {"255.255.255.255", "255.255.255.255", Reach::never, "broadcast"},
    {"::", "::", Reach::never, "unspecified"},
    {"::1", "::1", Reach::internal, "loopback"},
    {"::2", "::ffff", Reach::never, "IPv4-compatible"},
    {"::ffff:0.0.0.0", "::ffff:255.255.255.255", Reach::never, "IPv4-mapped"},
    {"64:ff9b::", "64:ff9b::7f00:1", Reach::never, "NAT64"},
    {"64:ff9b:1::", "64:ff9b:1::1", Reach::never, "NAT64"},
    {"100::", "1fff:ffff::", Reach::never, "reserved"},
    {"2001::", "2001:1ff:ffff::", Reach::never, "protocol assignments"},
    {"2001:200::", "2001:db7:ffff::", Reach::anyone, ""},
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Reach::never, "documentation"},
    {"2001:db9::", "2001:ffff::", Reach::anyone, ""},
    {"2002::", "2002:ffff::", Reach::never, "6to4"},
    {"2003::", "3ffe:ffff::", Reach::anyone, ""},
    {"3fff::", "3fff:fff:ffff::", Reach::never, "documentation"},
    {"3fff:1000::", "3fff:ffff::", Reach::anyone, ""},
    {"4000::", "fbff:ffff::", Reach::never, "reserved"},
    {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::internal, "unique local"},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::never, "link-local"},
    {"fec0::", "feff:ffff::", Reach::never, "reserved"},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reach::never, "multicast"},
};

}  // namespace

TEST_CASE("every special range is known from its first address to its last") {
  for (const AddressRow& row : kAddressRows) {
    for (const char* text : {row.first, row.last}) {
      INFO(text);
      const AddressRange range = range_of_text(text);
      CHECK(range.reach == row.reach);
      CHECK(range.name == row.name);
    }
  }
}

TEST_CASE("only the full spellings of an address are one, and it is shown as usual") {
  for (const char* text : {"1.2.3.4", "255.255.255.255", "::", "fe80::1", "2001:db8::8:800:200c:417a"})
    CHECK(ip_text(parse_ip(text).value_or(IpAddress{})) == text);
  CHECK(ip_text(*parse_ip("2001:DB8:0:0:0:0:0:1")) == "2001:db8::1");
  for (const char* text :
       {"", "1.2.3", "127.1", "01.2.3.4", "1.2.3.4.5", "256.1.1.1", "0x7f.0.0.1", "2130706433", " 1.2.3.4",
        "1.2.3.4 ", "[::1]", "fe80::1%eth0", "::g", "localhost", ":"})
    CHECK_FALSE(parse_ip(text));
  CHECK_FALSE(parse_ip(std::string_view("1.2.3.4\0x", 9)));
}

}  // namespace duly
