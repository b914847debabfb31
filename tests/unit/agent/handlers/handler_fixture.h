// What the tests of handlers share: a context to call a handler with, a pool on a running loop, a directory.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "agent/handlers/worker_pool.h"
#include "common/base/mutex.h"
#include "common/runtime/asio_loop.h"

namespace duly::test {

inline constexpr seconds kPatience{
    20};  // a bound for what should be immediate; never waited out when all is well

// Waits until `holds`, looking again every millisecond.
inline bool eventually(const std::function<bool()>& holds) {
  const MonoTime until = machine_now() + kPatience;
  const HandlerContext idle;
  while (!holds()) {
    if (machine_now() > until) return false;
    if (idle.wait_cancelled(milliseconds{1})) return false;
  }
  return true;
}

inline HandlerContext context_for(std::string_view type, std::string_view payload,
                                  std::stop_token stop = {}) {
  HandlerContext context;
  context.id = CommandId{12'345};
  context.attempt = 2;
  context.max_attempts = 3;
  context.type = type;
  context.payload = payload;
  context.stop = std::move(stop);
  return context;
}

inline Execution execution_of(std::int64_t id, std::string type, std::string payload = "null") {
  Execution execution;
  execution.id = CommandId{id};
  execution.attempt = 1;
  execution.max_attempts = 3;
  execution.type = std::move(type);
  execution.queue = "default";
  execution.payload = make_bytes(std::move(payload));
  return execution;
}

// A named moment that one thread reaches and another waits for.
class Milestone {
 public:
  void reach() {
    const MutexLock lock(mutex_);
    reached_ = true;
    changed_.notify_all();
  }
  bool wait() {
    const MonoTime until = machine_now() + kPatience;
    const MutexLock lock(mutex_);
    while (!reached_ && machine_now() < until) changed_.wait_for(mutex_, milliseconds{100});
    return reached_;
  }

 private:
  Mutex mutex_;
  Condition changed_;
  bool reached_ DULY_GUARDED_BY(mutex_) = false;
};

// A pool whose loop runs on a thread of its own, and what it answered.
class PoolFixture {
 public:
  explicit PoolFixture(const HandlerRegistry& registry, int threads)
      : loop_thread_([this] { loop_.run(); }), pool_(loop_, registry, threads) {}
  ~PoolFixture() {
    loop_.stop();
    loop_thread_.join();
  }

  WorkerPool& pool() { return pool_; }

  AttemptRef run(Execution execution) {
    const AttemptRef ref{execution.id, execution.attempt};
    pool_.run(std::move(execution), [this](AttemptRef done, HandlerResult result) {
      const MutexLock lock(mutex_);
      ++answers_;
      results_.insert_or_assign(done, std::move(result));
    });
    return ref;
  }

  std::optional<HandlerResult> result(const AttemptRef& ref) {
    const bool there = eventually([&] {
      const MutexLock lock(mutex_);
      return results_.contains(ref);
    });
    if (!there) return std::nullopt;
    const MutexLock lock(mutex_);
    return results_.at(ref);
  }

  std::size_t answers() {
    const MutexLock lock(mutex_);
    return answers_;
  }

 private:
  AsioLoop loop_;
  Mutex mutex_;
  std::map<AttemptRef, HandlerResult> results_ DULY_GUARDED_BY(mutex_);
  std::size_t answers_ DULY_GUARDED_BY(mutex_) = 0;
  std::thread loop_thread_;
  WorkerPool pool_;
};

// A directory of its own, gone with the object.
class TempDirectory {
 public:
  TempDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "duly-test-XXXXXX").string();
    if (::mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string read_whole(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace duly::test
