#include "control-server/app/disk_guard.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/log.h"

namespace duly {
namespace {

constexpr std::int64_t kReserveMost = 64LL << 20;
constexpr std::int64_t kReserveLeast = 1LL << 20;
constexpr std::int64_t kShareOfDisk = 20;  // at most a twentieth

struct Space {
  std::int64_t total = 0, available = 0;
};

Space space_of(const std::string& folder) {
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0) return {};
  const auto unit = static_cast<std::int64_t>(info.f_frsize);
  return {unit * static_cast<std::int64_t>(info.f_blocks), unit * static_cast<std::int64_t>(info.f_bavail)};
}

}  // namespace

DiskGuard::DiskGuard(std::string folder) : folder_(std::move(folder)), ballast_(folder_ + "/duly.reserve") {
  const Space space = space_of(folder_);
  reserve_ = std::clamp(space.total / kShareOfDisk, kReserveLeast, kReserveMost);
  take_ballast(space.available);
}

bool DiskGuard::low(std::int64_t bytes) {
  const std::int64_t available = space_of(folder_).available - bytes;
  // Twice as much must be free again before new work is taken, so that the answer does not flicker.
  const bool now = available < (low_ ? 2 * reserve_ : reserve_);
  if (now != low_) {
    log(now ? LogLevel::error : LogLevel::info, "disk",
        now ? "nearly full: new work is refused" : "room again",
        {{"available_bytes", available}, {"reserve_bytes", reserve_}});
  }
  low_ = now;
  if (!low_) take_ballast(available);
  return low_;
}

void DiskGuard::full() { ::unlink(ballast_.c_str()); }

void DiskGuard::take_ballast(std::int64_t available) {
  const std::int64_t size = reserve_ / 2;
  if (::access(ballast_.c_str(), F_OK) == 0 || available < reserve_ + 2 * size) return;
  const int file = ::open(ballast_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  if (::posix_fallocate(file, 0, size) != 0) ::unlink(ballast_.c_str());
  ::close(file);
}

}  // namespace duly
