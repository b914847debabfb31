#include "common/wire/frame.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "common/model/limits.h"

namespace duly {

static std::string length(std::size_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFFU);
  return text;
}

static const std::vector<Frame> kSome = {
    {"{\"kind\":\"a\"}", ""}, {"{}", std::string("\0\x01\xFF", 3)}, {"", ""}, {"", "bytes only"}};

TEST_CASE("a frame on the wire is its length, the header's length, the header and the bytes") {
  CHECK(encode_frame({"{}", "xyz"}) == std::string("\0\0\0\x09\0\0\0\x02{}xyz", 13));
}

TEST_CASE("frames come out whole and in order wherever the stream is split") {
  std::string stream;
  for (const Frame& frame : kSome) stream += encode_frame(frame);
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); ++second) {
      FrameDecoder decoder;
      std::vector<Frame> got;
      const std::string_view all = stream;
      REQUIRE(decoder.feed(all.substr(0, first), got));
      REQUIRE(decoder.feed(all.substr(first, second - first), got));
      REQUIRE(decoder.feed(all.substr(second), got));
      REQUIRE(got == kSome);
    }
  }
}

TEST_CASE("frames come out one byte at a time, each as soon as its last byte is there") {
  FrameDecoder decoder;
  std::vector<Frame> got;
  for (std::size_t i = 0; i < kSome.size(); ++i) {
    const std::string bytes = encode_frame(kSome[i]);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      CHECK(got.size() == i);
      REQUIRE(decoder.feed(std::string_view(bytes).substr(at, 1), got));
    }
  }
  CHECK(got == kSome);
}

TEST_CASE("the largest frame passes, and lengths beyond the limits are refused before their bytes come") {
  const auto fed = [](const std::string& bytes) {
    FrameDecoder decoder;
    std::vector<Frame> got;
    const bool ok = decoder.feed(bytes, got).ok();
    CHECK(got.empty());
    return ok;
  };
  CHECK(fed(length(limits::kFrameBytes) + length(limits::kFrameHeaderBytes)));
  CHECK_FALSE(fed(length(limits::kFrameBytes + 1) + length(2)));
  CHECK_FALSE(fed(length(limits::kFrameBytes) + length(limits::kFrameHeaderBytes + 1)));
  CHECK_FALSE(fed(length(0xFFFFFFFFU) + length(0)));
  CHECK_FALSE(fed(length(0x80000000U) + length(0)));
  CHECK_FALSE(fed(length(0) + length(0)));
  CHECK_FALSE(fed(length(3) + length(0)));
  CHECK_FALSE(fed(length(4) + length(1)));  // a header longer than its frame
  CHECK_FALSE(fed(length(10) + length(0xFFFFFFFFU)));
  CHECK(fed(length(10) + length(6)));
  CHECK_FALSE(fed("GET / HTTP/1.1\r\n\r\n"));

  const Frame large{"{}", std::string(limits::kFrameBytes - 6, 'x')};
  FrameDecoder decoder;
  std::vector<Frame> got;
  REQUIRE(decoder.feed(encode_frame(large), got));
  CHECK(got == std::vector{large});
}

TEST_CASE("frames before a malformed one still come out, and the error is told") {
  FrameDecoder decoder;
  std::vector<Frame> got;
  CHECK_FALSE(decoder.feed(encode_frame(kSome[0]) + length(1) + length(0), got));
  CHECK(got == std::vector{kSome[0]});
}

}  // namespace duly
