// The server's data folder: made when missing, private, and locked for the life of the process.
#pragma once

#include <memory>
#include <string>

#include "common/base/result.h"

namespace duly {

class DataFolder {
 public:
  // Errors: it cannot be made, or another process has it.
  static Result<std::unique_ptr<DataFolder>> open(const std::string& path);
  ~DataFolder();
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string store() const { return path_ + "/duly.db"; }

 private:
  DataFolder(std::string path, int lock);
  const std::string path_;
  const int lock_;
};

}  // namespace duly
