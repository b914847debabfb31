// What the fuzz targets share: bytes as a source of choices, and a check that ends the process.
//
// A target takes bytes and checks what must hold for all of them (a round trip, bounds, an equality of two
// ways), so that a finding is more than a crash.  FUZZ_CHECK is DULY_ASSERT: libFuzzer sees the abort and
// keeps the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/assert.h"

#define FUZZ_CHECK(expression) DULY_ASSERT(expression)

namespace duly::fuzz {

// Takes choices from the front; when the bytes are used up, every further choice is 0.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const { return left_.empty(); }
  std::uint8_t byte() {
    if (left_.empty()) return 0;
    const auto first = static_cast<std::uint8_t>(left_.front());
    left_.remove_prefix(1);
    return first;
  }
  // 0 to `most`, from two bytes.
  int up_to(int most) {
    const int high = byte();
    return (high * 256 + byte()) % (most + 1);
  }
  std::int64_t number() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return static_cast<std::int64_t>(value);
  }
  // Up to the next `end`, which is taken, too.
  std::string_view text_until(char end) {
    const std::string_view text = left_.substr(0, left_.find(end));
    left_.remove_prefix(text.size() < left_.size() ? text.size() + 1 : text.size());
    return text;
  }
  std::string_view text(std::size_t size) {
    const std::string_view part = left_.substr(0, size);
    left_.remove_prefix(part.size());
    return part;
  }
  std::string_view rest() { return text(left_.size()); }

 private:
  std::string_view left_;
};

// What a target does with one input.  Each target defines it; fuzz_main.cpp hands it to libFuzzer.
void run(Input input);

}  // namespace duly::fuzz
