#include "control-server/store/store_header.h"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "control-server/store/schema.h"

namespace duly {
namespace {

// Source: sqlite.org/fileformat2.html, section 1.3.
constexpr std::size_t kHeaderBytes = 100;
constexpr std::size_t kUserVersionAt = 60;
constexpr std::string_view kMagic{"SQLite format 3\0", 16};

bool has_log(const std::string& path) {
  struct stat status {};
  return ::stat((path + "-wal").c_str(), &status) == 0 && status.st_size > 0;
}

}  // namespace

Result<std::optional<StoreHeader>> read_store_header(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return std::optional<StoreHeader>();
    return invalid(path + ": " + std::strerror(errno));
  }
  std::array<char, kHeaderBytes> bytes{};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  if (!file) return invalid(path + ": cannot be read, or is no store");
  if (std::string_view(bytes.data(), kMagic.size()) != kMagic) return invalid(path + ": is no store");
  StoreHeader header{0, static_cast<std::int64_t>(kMigrations.size()), has_log(path)};
  for (std::size_t i = 0; i < 4; ++i)
    header.version = header.version * 256 + static_cast<unsigned char>(bytes[kUserVersionAt + i]);
  if (header.version > header.newest)
    return Error{Errc::fatal, path + ": the store has schema version " + std::to_string(header.version) +
                                  ", newer than this program's " + std::to_string(header.newest)};
  return std::optional(header);
}

}  // namespace duly
