#include "control-server/app/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace duly {

DataFolder::DataFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

DataFolder::~DataFolder() { ::close(lock_); }

Result<std::unique_ptr<DataFolder>> DataFolder::open(const std::string& path) {
  ::umask(077);  // the store holds payloads
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return invalid("cannot make the data folder " + path + ": " + error.message());
  const std::string name = path + "/duly.lock";
  const int lock = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return invalid("cannot open " + name + ": " + std::strerror(errno));
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(lock);
    return Error{Errc::conflict, "the data folder " + path + " is in use by another process"};
  }
  return std::unique_ptr<DataFolder>(new DataFolder(path, lock));
}

}  // namespace duly
