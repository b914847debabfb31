// A mutex whose rules the compiler checks (clang's -Wthread-safety); with g++ the annotations are nothing.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define DULY_ANNOTATE(x) __attribute__((x))
#else
#define DULY_ANNOTATE(x)
#endif
#define DULY_GUARDED_BY(x) DULY_ANNOTATE(guarded_by(x))
#define DULY_REQUIRES(x) DULY_ANNOTATE(requires_capability(x))
#define DULY_EXCLUDES(x) DULY_ANNOTATE(locks_excluded(x))

namespace duly {

class DULY_ANNOTATE(capability("mutex")) Mutex {
 public:
  void lock() DULY_ANNOTATE(acquire_capability()) { mutex_.lock(); }
  void unlock() DULY_ANNOTATE(release_capability()) { mutex_.unlock(); }

 private:
  friend class Condition;
  std::mutex mutex_;
};

class DULY_ANNOTATE(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) DULY_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() DULY_ANNOTATE(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits are always bounded: there is no wait without a deadline.
class Condition {
 public:
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }
  // Returns after a notification, after `limit`, or spuriously; look at the state again.
  template <class Limit>
  void wait_for(Mutex& mutex, Limit limit) DULY_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, limit);
    lock.release();
  }

 private:
  std::condition_variable condition_;
};

}  // namespace duly
