#include "common/base/roff.h"

#include <cstdio>

namespace duly {

std::string roff(const std::string& text) {
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0xE0 && byte < 0xF0 && i + 2 < text.size()) {
      const unsigned code = (byte & 0x0FU) << 12U | (static_cast<unsigned char>(text[i + 1]) & 0x3FU) << 6U |
                            (static_cast<unsigned char>(text[i + 2]) & 0x3FU);
      char name[16];
      std::snprintf(name, sizeof name, "\\[u%04X]", code);
      safe += name;
      i += 2;
    } else if (byte < 0x80) {
      safe += text[i] == '\\' ? "\\e" : text[i] == '-' ? "\\-" : std::string(1, text[i]);
    }
  }
  return !safe.empty() && (safe[0] == '.' || safe[0] == '\'') ? "\\&" + safe : safe;
}

}  // namespace duly
