// Messages that know when they are due: what publishes them, and what takes them and says how late they came.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tests/bench/flags.h"
#include "tests/bench/tally.h"

namespace duly::bench {

// The body of 256 bytes: JSON, with both numbers at fixed places, so that reading them costs nothing.
struct Marked {
  std::int64_t number = 0;  // which one it is, from 0 on
  std::int64_t due_us = 0;  // the wall clock of whoever published it, and the delay
};
inline constexpr std::int64_t kLargestNumber = 8'999'999'999;
std::string write_marked(const Marked& marked);
// Nothing of what is no such body.
std::optional<Marked> read_marked(std::string_view body);

void publish_messages(const Flags& flags, Tally& tally);
void consume_messages(const Flags& flags, Tally& tally);

}  // namespace duly::bench
