// Everything that is wrong with one request, each with the place: told all at once, up to a bound.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "control-server/api/http_response.h"

namespace duly {

class Complaints {
 public:
  static constexpr std::size_t kMost = 100;

  void add(std::string pointer, std::string detail) {
    if (items_.size() < kMost) items_.push_back({std::move(pointer), std::move(detail)});
  }
  // A value larger than its limit: the answer is 413 rather than 400.
  void add_too_large(std::string pointer, std::string detail) {
    too_large_ = true;
    add(std::move(pointer), std::move(detail));
  }

  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] bool full() const { return items_.size() >= kMost; }
  [[nodiscard]] const std::vector<FieldError>& items() const { return items_; }
  // Only when not empty.
  [[nodiscard]] HttpResponse response() const {
    const FieldError& first = items_.front();
    const std::string detail = first.pointer.empty() ? first.detail : first.pointer + ": " + first.detail;
    return make_problem(too_large_ ? 413 : 400, detail, items_);
  }

 private:
  std::vector<FieldError> items_;
  bool too_large_ = false;
};

}  // namespace duly
