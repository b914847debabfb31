// libFuzzer's entry: the same for every target.
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  duly::fuzz::run(duly::fuzz::Input(data, size));
  return 0;
}
