// The terminal, taken over for a picture that is drawn again and again, and given back as it was found: also
// when the program is ended by a signal in the middle of a request.
//
// Concurrency.  One thread draws and waits; another one, the screen's own, waits for signals.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"

namespace duly::cli {

// At most `width` columns of a line; colours in it take no room, and end with it.
std::string fitted(std::string_view line, std::size_t width);

class Screen {
 public:
  // An error when input or output is not a terminal, or it cannot be drawn on.
  static Result<std::unique_ptr<Screen>> open();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  [[nodiscard]] std::size_t width() const;
  [[nodiscard]] std::size_t height() const;
  // One picture over the last one; what does not fit is cut off.
  void draw(const std::vector<std::string>& lines);
  // Until the time is over or a key is pressed; false when it is q.
  bool wait(milliseconds length);

 private:
  class Impl;
  explicit Screen(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace duly::cli
