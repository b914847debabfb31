#include "client/chance.h"

#include <random>

namespace duly::client {

std::string new_key() {
  constexpr char kHex[] = "0123456789abcdef";
  std::random_device entropy;
  std::string key = "client-";
  for (int i = 0; i < 4; ++i) {
    for (unsigned bits = entropy(), digit = 0; digit < 8; ++digit, bits >>= 4U) key += kHex[bits & 15U];
  }
  return key;
}

double chance() {
  std::random_device entropy;
  return static_cast<double>(entropy()) / static_cast<double>(std::random_device::max());
}

}  // namespace duly::client
