// Certificates for tests, made when they are needed: an authority with a key of its own, and what it signs,
// as files in a folder of its own that goes with it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/base/time.h"

namespace duly::testing {

// Paths of PEM files.
struct IssuedFiles {
  std::string certificate, key;
};

class Authority {
 public:
  explicit Authority(const std::string& name);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  // Its certificate, with the list of what it has revoked once there is one.
  [[nodiscard]] const std::string& file() const { return file_; }
  // For `names` as OpenSSL writes them ("DNS:localhost,IP:127.0.0.1"), valid until `left` from now.
  IssuedFiles issue(const std::string& names, seconds left = seconds{3600});
  void revoke(const IssuedFiles& issued);

 private:
  struct Keys;
  std::string folder_, file_;
  std::unique_ptr<Keys> keys_;
  int issued_ = 0;
};

}  // namespace duly::testing
