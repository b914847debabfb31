#include "tests/sim/base/crash_vfs.h"

#include <algorithm>
#include <cstring>

namespace duly::sim {
namespace {

constexpr std::int64_t kSector = 512;
constexpr sqlite3_int64 kSomeDay =
    212'000'000'000'000;  // milliseconds since the Julian epoch; nothing depends on it

std::string next_name() {
  static int number = 0;
  return "crash-" + std::to_string(++number);
}

}  // namespace

// What SQLite holds: the base class must come first.
struct CrashFile {
  sqlite3_file base;
  CrashVfs* vfs;
  CrashVfs::FilePtr* file;

  static CrashFile& of(sqlite3_file* f) { return *reinterpret_cast<CrashFile*>(f); }

  static int close(sqlite3_file* f) {
    delete of(f).file;
    of(f).file = nullptr;
    return SQLITE_OK;
  }
  static int read(sqlite3_file* f, void* out, int size, sqlite3_int64 offset) {
    const std::string& content = (*of(f).file)->content;
    const auto at = static_cast<std::size_t>(offset);
    const std::size_t have =
        at < content.size() ? std::min<std::size_t>(content.size() - at, static_cast<std::size_t>(size)) : 0;
    if (have > 0) std::memcpy(out, content.data() + at, have);
    if (have == static_cast<std::size_t>(size)) return SQLITE_OK;
    std::memset(static_cast<char*>(out) + have, 0, static_cast<std::size_t>(size) - have);
    return SQLITE_IOERR_SHORT_READ;
  }
  static int write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
    return of(f).vfs->write(**of(f).file, static_cast<const char*>(data), size, offset);
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) { return of(f).vfs->truncate(**of(f).file, size); }
  static int sync(sqlite3_file* f, int) { return of(f).vfs->sync(**of(f).file); }
  static int file_size(sqlite3_file* f, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>((*of(f).file)->content.size());
    return SQLITE_OK;
  }
  static int lock(sqlite3_file*, int) { return SQLITE_OK; }
  static int check_lock(sqlite3_file*, int* held) {
    *held = 0;
    return SQLITE_OK;
  }
  static int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int sector(sqlite3_file*) { return static_cast<int>(kSector); }
  static int characteristics(sqlite3_file*) { return 0; }
  static int map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
    auto& regions = (*of(f).file)->shared_memory;
    while (extend != 0 && static_cast<int>(regions.size()) <= region) {
      regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
    }
    *out =
        region < static_cast<int>(regions.size()) ? regions[static_cast<std::size_t>(region)].get() : nullptr;
    return SQLITE_OK;
  }
  static int map_lock(sqlite3_file*, int, int, int) { return SQLITE_OK; }
  static void barrier(sqlite3_file*) {}
  static int unmap(sqlite3_file* f, int remove) {
    if (remove != 0) (*of(f).file)->shared_memory.clear();
    return SQLITE_OK;
  }
};

namespace {

constexpr sqlite3_io_methods kMethods = {2,
                                         CrashFile::close,
                                         CrashFile::read,
                                         CrashFile::write,
                                         CrashFile::truncate,
                                         CrashFile::sync,
                                         CrashFile::file_size,
                                         CrashFile::lock,
                                         CrashFile::lock,
                                         CrashFile::check_lock,
                                         CrashFile::control,
                                         CrashFile::sector,
                                         CrashFile::characteristics,
                                         CrashFile::map,
                                         CrashFile::map_lock,
                                         CrashFile::barrier,
                                         CrashFile::unmap,
                                         nullptr,
                                         nullptr};

}  // namespace

CrashVfs::CrashVfs(std::uint64_t seed) : name_(next_name()), rng_(seed) {
  vfs_.iVersion = 2;
  vfs_.szOsFile = sizeof(CrashFile);
  vfs_.mxPathname = 256;
  vfs_.zName = name_.c_str();
  vfs_.pAppData = this;
  vfs_.xOpen = open;
  vfs_.xDelete = remove;
  vfs_.xAccess = access;
  vfs_.xFullPathname = full_path;
  vfs_.xRandomness = randomness;
  vfs_.xSleep = sleep;
  vfs_.xCurrentTime = current_time;
  vfs_.xCurrentTimeInt64 = current_time_ms;
  sqlite3_vfs_register(&vfs_, 0);
}

CrashVfs::~CrashVfs() { sqlite3_vfs_unregister(&vfs_); }

std::int64_t CrashVfs::size() const {
  std::int64_t bytes = 0;
  for (const auto& [path, file] : files_) bytes += static_cast<std::int64_t>(file->content.size());
  return bytes;
}

void CrashVfs::apply(std::string& bytes, const Write& write, std::size_t length) {
  if (write.truncate) {
    bytes.resize(static_cast<std::size_t>(write.offset));
    return;
  }
  const auto at = static_cast<std::size_t>(write.offset);
  if (bytes.size() < at + length) bytes.resize(at + length);
  std::copy_n(write.data.begin(), length, bytes.begin() + static_cast<std::ptrdiff_t>(at));
}

void CrashVfs::power_loss() {
  for (auto& [path, file] : files_) {
    for (const Write& write : file->unsynced) {
      const std::uint64_t fate = rng_.below(4);
      if (fate <= 1) {
        apply(file->durable, write, write.data.size());
      } else if (fate == 2 && !write.truncate) {
        const std::uint64_t sectors = write.data.size() / static_cast<std::size_t>(kSector);
        apply(file->durable, write,
              static_cast<std::size_t>(rng_.below(sectors + 1)) * static_cast<std::size_t>(kSector));
        ++counts_.lost_writes;
      } else {
        ++counts_.lost_writes;
      }
    }
    file->unsynced.clear();
    file->content = file->durable;
    file->shared_memory.clear();
  }
}

int CrashVfs::write(File& file, const char* data, int size, std::int64_t offset) {
  if (frozen_) return SQLITE_OK;
  ++counts_.writes;
  if (failing_writes_ > 0) {
    --failing_writes_;
    ++counts_.failed;
    return SQLITE_IOERR_WRITE;
  }
  const std::int64_t grows = offset + size - static_cast<std::int64_t>(file.content.size());
  if (capacity_ > 0 && grows > 0 && this->size() + grows > capacity_) {
    ++counts_.failed;
    return SQLITE_FULL;
  }
  Write write{offset, std::string(data, static_cast<std::size_t>(size)), false};
  apply(file.content, write, write.data.size());
  file.unsynced.push_back(std::move(write));
  return SQLITE_OK;
}

int CrashVfs::truncate(File& file, std::int64_t size) {
  if (frozen_) return SQLITE_OK;
  Write write{size, {}, true};
  apply(file.content, write, 0);
  file.unsynced.push_back(std::move(write));
  return SQLITE_OK;
}

int CrashVfs::sync(File& file) {
  if (frozen_) return SQLITE_OK;
  ++counts_.syncs;
  if (failing_syncs_ > 0) {
    --failing_syncs_;
    ++counts_.failed;
    return SQLITE_IOERR_FSYNC;
  }
  for (const Write& write : file.unsynced) apply(file.durable, write, write.data.size());
  file.unsynced.clear();
  return SQLITE_OK;
}

int CrashVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* out, int flags, int* out_flags) {
  auto& self = *static_cast<CrashVfs*>(vfs->pAppData);
  static int temporary = 0;
  const std::string name = path != nullptr ? path : "temporary-" + std::to_string(++temporary);
  FilePtr& file = self.files_[name];
  if (!file) {
    if ((flags & SQLITE_OPEN_CREATE) == 0) {
      self.files_.erase(name);
      return SQLITE_CANTOPEN;
    }
    file = std::make_shared<File>();
  }
  auto& handle = CrashFile::of(out);
  handle.base.pMethods = &kMethods;
  handle.vfs = &self;
  handle.file = new FilePtr(file);
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int CrashVfs::remove(sqlite3_vfs* vfs, const char* path, int) {
  auto& self = *static_cast<CrashVfs*>(vfs->pAppData);
  if (!self.frozen_) self.files_.erase(path);
  return SQLITE_OK;
}

int CrashVfs::access(sqlite3_vfs* vfs, const char* path, int, int* result) {
  *result = static_cast<CrashVfs*>(vfs->pAppData)->files_.contains(path) ? 1 : 0;
  return SQLITE_OK;
}

int CrashVfs::full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", path);
  return SQLITE_OK;
}

int CrashVfs::randomness(sqlite3_vfs* vfs, int size, char* out) {
  auto& rng = static_cast<CrashVfs*>(vfs->pAppData)->rng_;
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(rng.next());
  return size;
}

int CrashVfs::sleep(sqlite3_vfs*, int us) { return us; }

int CrashVfs::current_time(sqlite3_vfs*, double* days) {
  *days = static_cast<double>(kSomeDay) / 86'400'000.0;
  return SQLITE_OK;
}

int CrashVfs::current_time_ms(sqlite3_vfs*, sqlite3_int64* ms) {
  *ms = kSomeDay;
  return SQLITE_OK;
}

}  // namespace duly::sim
