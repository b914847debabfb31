// A queue between threads that says "full" instead of growing.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/time.h"

namespace duly {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t limit) : limit_(limit) {}

  // False, and `item` untouched, when the queue is full or closed.  Any thread.
  [[nodiscard]] bool try_push(T&& item) DULY_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (closed_ || items_.size() >= limit_) return false;
    items_.push_back(std::move(item));
    filled_.notify_one();
    return true;
  }

  // Moves up to `most` items into `out` (appended), waiting up to `limit` for the first.  Any thread.
  void take(std::vector<T>& out, std::size_t most, Duration limit) DULY_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (items_.empty() && !closed_ && limit.count() > 0) filled_.wait_for(mutex_, limit);
    for (; most > 0 && !items_.empty(); --most) {
      out.push_back(std::move(items_.front()));
      items_.pop_front();
    }
  }

  // From now on nothing is taken in; what is queued can still be taken out.
  void close() DULY_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    closed_ = true;
    filled_.notify_all();
  }

  [[nodiscard]] bool closed() const DULY_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return closed_;
  }
  [[nodiscard]] std::size_t size() const DULY_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  const std::size_t limit_;
  mutable Mutex mutex_;
  Condition filled_;
  std::deque<T> items_ DULY_GUARDED_BY(mutex_);
  bool closed_ DULY_GUARDED_BY(mutex_) = false;
};

}  // namespace duly
