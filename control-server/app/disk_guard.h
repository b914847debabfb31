// Watches the disk under the store: below a reserve new work is refused, so that running work can be
// recorded.
//
// Operation.  Besides the threshold a ballast file holds blocks for the moment when the disk is full all the
// same (somebody else filled it): it is given up then, and taken again when there is room.  Engine thread.
#pragma once

#include <cstdint>
#include <string>

namespace duly {

class DiskGuard {
 public:
  explicit DiskGuard(std::string folder);

  // Looks now; true while new work must be refused, were `bytes` more taken.
  bool low(std::int64_t bytes);
  // The store could not write: gives the ballast up.
  void full();

 private:
  void take_ballast(std::int64_t available);

  const std::string folder_;
  const std::string ballast_;
  std::int64_t reserve_ = 0;  // bytes
  bool low_ = false;
};

}  // namespace duly
