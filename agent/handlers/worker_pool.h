// The threads on which handlers run.
//
// Each run() is answered exactly once by its `on_done`, as a task on the loop, also when the type is unknown,
// the attempt was cancelled before it started, or the pool is stopping.  Who times out and who is cancelled
// is decided by the core; the pool only sets the stop flag.
//
// At most `threads` handlers run at once, not counting those that were cancelled and have not returned yet:
// such a handler has lost its claim, and another may take its place.  The threads behind that are bounded
// too: at most 2 × `threads`.  Beyond that, work waits.
//
// Threads are started when work needs them and live until stop(): builtin.exec relies on it, because the
// kernel kills a child with the *thread* that forked it (PR_SET_PDEATHSIG).
//
// A handler that ignores its stop flag cannot be ended from outside (no thread is ever detached or killed),
// so it holds the exit up: stop(limit) answers false when `limit` has passed and handlers still run, and the
// process must then leave with _exit(), without destroying the pool.  The destructor has no bound.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/handlers/handler.h"
#include "common/base/mutex.h"
#include "common/runtime/loop.h"
#include "common/wire/envelope.h"

namespace duly {

class WorkerPool {
 public:
  using OnDone = std::function<void(AttemptRef, HandlerResult)>;

  // `loop` and `registry` must outlive the pool; `threads` is 1..limits::kConcurrency.
  WorkerPool(Loop& loop, const HandlerRegistry& registry, int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Any thread.  The same attempt must not be running already (DULY_ASSERT): a permit is granted once.
  void run(Execution execution, OnDone on_done) DULY_EXCLUDES(mutex_);
  // Sets the stop flag of a running attempt, or takes a waiting one out; nothing when it is neither. `reason`
  // becomes part of the error.  Any thread.
  void cancel(const AttemptRef& attempt, std::string reason) DULY_EXCLUDES(mutex_);
  // Cancels everything and waits up to `limit` for the handlers to return.  False: some have not, see above.
  // May be called again.  Not from a handler.
  [[nodiscard]] bool stop(Duration limit) DULY_EXCLUDES(mutex_);

  // Handlers that are running now, cancelled ones included.  Any thread.
  [[nodiscard]] std::size_t running() const DULY_EXCLUDES(mutex_);

 private:
  struct Job;
  using JobPtr = std::shared_ptr<Job>;
  struct Answers;

  void answer(const Job& job, HandlerResult result);
  void begin_stop() DULY_EXCLUDES(mutex_);
  bool room() const DULY_REQUIRES(mutex_);
  void start_threads_needed() DULY_REQUIRES(mutex_);
  bool take_wake() DULY_REQUIRES(mutex_);
  void work() DULY_EXCLUDES(mutex_);
  JobPtr next_job() DULY_EXCLUDES(mutex_);
  void run_job(Job& job) DULY_EXCLUDES(mutex_);
  void forget(Job& job) DULY_EXCLUDES(mutex_);

  Loop& loop_;
  const HandlerRegistry& registry_;
  const std::size_t limit_;
  const std::shared_ptr<Answers> answers_;
  mutable Mutex mutex_;
  Condition work_;  // there is something for one more thread to do, or the pool stops
  Condition thread_left_;
  std::map<AttemptRef, JobPtr> jobs_ DULY_GUARDED_BY(mutex_);  // waiting or running
  std::deque<JobPtr> waiting_ DULY_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ DULY_GUARDED_BY(mutex_);
  std::size_t running_ DULY_GUARDED_BY(mutex_) = 0;
  std::size_t cancelled_ DULY_GUARDED_BY(mutex_) = 0;  // of the running
  std::size_t ended_ DULY_GUARDED_BY(mutex_) = 0;      // threads that have left work()
  std::size_t idle_ DULY_GUARDED_BY(mutex_) = 0;       // threads that wait for work_
  bool waking_ DULY_GUARDED_BY(mutex_) = false;        // one of them was woken and has not looked yet
  bool stopping_ DULY_GUARDED_BY(mutex_) = false;
};

}  // namespace duly
