// A line on the terminal that shows how far something is; nothing when there is no terminal.
#pragma once

#include <cstdint>
#include <string>

namespace duly::cli {

// "[####......] 40% ", or nothing when `total` is 0 (not known).
std::string progress_bar(std::uint64_t done, std::uint64_t total);

class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // ends the line
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(std::uint64_t done, std::uint64_t total, const std::string& text);

 private:
  const bool shown_;
  bool drawn_ = false;
};

}  // namespace duly::cli
