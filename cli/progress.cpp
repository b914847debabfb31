#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace duly::cli {

std::string progress_bar(std::uint64_t done, std::uint64_t total) {
  constexpr std::uint64_t kWidth = 40;
  if (total == 0) return {};
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  const auto filled = static_cast<std::size_t>(share * kWidth);
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] " +
         std::to_string(static_cast<int>(share * 100)) + "% ";
}

ProgressLine::ProgressLine() : shown_(::isatty(STDERR_FILENO) == 1) {}

ProgressLine::~ProgressLine() {
  if (drawn_) std::fputs("\n", stderr);
}

void ProgressLine::show(std::uint64_t done, std::uint64_t total, const std::string& text) {
  if (!shown_) return;
  drawn_ = true;
  std::fprintf(stderr, "\r%s%s\033[K", progress_bar(done, total).c_str(), text.c_str());
}

}  // namespace duly::cli
