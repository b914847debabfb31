#include "agent/handlers/worker_pool.h"

#include <algorithm>
#include <stop_token>
#include <system_error>
#include <utility>

#include "agent/handlers/text.h"
#include "common/base/assert.h"
#include "common/base/log.h"
#include "common/model/limits.h"

namespace duly {

// `stop` and what is const is read by any thread; the rest belongs to the pool's mutex.
struct WorkerPool::Job {
  Job(Execution e, OnDone d, const Handler* h)
      : execution(std::move(e)),
        on_done(std::move(d)),
        handler(h),
        traceparent(traceparent_of(execution.trace)) {}
  const Execution execution;
  const OnDone on_done;
  const Handler* const handler;
  const std::string traceparent;
  std::stop_source stop;
  std::string reason;
  bool started = false;
  bool cancelled = false;

  AttemptRef ref() const { return {execution.id, execution.attempt}; }
};

namespace {

HandlerContext context_of(const Execution& execution, std::string_view traceparent, std::stop_token stop) {
  HandlerContext context;
  context.id = execution.id;
  context.attempt = execution.attempt;
  context.max_attempts = execution.max_attempts;
  context.type = execution.type;
  context.queue = execution.queue;
  context.key = execution.key;
  if (execution.payload) context.payload = *execution.payload;
  context.due_at = wall_from_ms(execution.due_at_ms);
  if (execution.timeout_ms > 0) context.timeout = milliseconds{execution.timeout_ms};
  context.traceparent = traceparent;
  if (execution.trace) context.tracestate = execution.trace->state;
  context.stop = std::move(stop);
  return context;
}

}  // namespace

WorkerPool::WorkerPool(Loop& loop, const HandlerRegistry& registry, int threads)
    : loop_(loop),
      registry_(registry),
      limit_(static_cast<std::size_t>(threads)),
      answers_(std::make_shared<Answers>()) {
  DULY_ASSERT(threads >= 1 && threads <= limits::kConcurrency);
}

WorkerPool::~WorkerPool() {
  begin_stop();
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

// Answers that come while the loop is busy go to it in one task.  It may outlive the pool.
struct WorkerPool::Answers {
  struct Done {
    OnDone on_done;
    AttemptRef attempt;
    HandlerResult result;
  };
  Mutex mutex;
  std::vector<Done> waiting DULY_GUARDED_BY(mutex);

  void deliver() DULY_EXCLUDES(mutex) {
    std::vector<Done> now;
    {
      const MutexLock lock(mutex);
      now.swap(waiting);
    }
    for (Done& done : now) done.on_done(done.attempt, std::move(done.result));
  }
};

void WorkerPool::answer(const Job& job, HandlerResult result) {
  bool first = false;
  {
    const MutexLock lock(answers_->mutex);
    first = answers_->waiting.empty();
    answers_->waiting.push_back({job.on_done, job.ref(), std::move(result)});
  }
  if (first) loop_.post([answers = answers_] { answers->deliver(); });
}

void WorkerPool::run(Execution execution, OnDone on_done) {
  const Handler* handler = registry_.find(execution.type);
  const auto job = std::make_shared<Job>(std::move(execution), std::move(on_done), handler);
  if (handler == nullptr) {
    return answer(*job, HandlerResult::fail_for_good("no handler for type " + job->execution.type));
  }
  bool taken = false;
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    if (!stopping_) {
      taken = jobs_.emplace(job->ref(), job).second;
      DULY_ASSERT(taken);
      waiting_.push_back(job);
      start_threads_needed();
      wake = take_wake();
    }
  }
  if (wake) work_.notify_one();
  if (!taken) answer(*job, HandlerResult::fail("the agent stopped before the handler started"));
}

void WorkerPool::cancel(const AttemptRef& attempt, std::string reason) {
  JobPtr job;
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    const auto at = jobs_.find(attempt);
    if (at == jobs_.end() || at->second->cancelled) return;
    job = at->second;
    job->cancelled = true;
    job->reason = std::move(reason);
    if (job->started) {
      ++cancelled_;
      start_threads_needed();
      wake = take_wake();
    } else {
      waiting_.erase(std::find(waiting_.begin(), waiting_.end(), job));
      jobs_.erase(at);
    }
  }
  if (wake) work_.notify_one();
  // Outside the lock: it runs callbacks of the handler.
  job->stop.request_stop();
  const MutexLock lock(mutex_);
  if (!job->started) answer(*job, HandlerResult::fail("cancelled before it started: " + job->reason));
}

void WorkerPool::begin_stop() {
  std::map<AttemptRef, JobPtr> jobs;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    jobs = jobs_;
  }
  for (const auto& entry : jobs) cancel(entry.first, "the agent stopped");
}

bool WorkerPool::stop(Duration limit) {
  begin_stop();
  const MonoTime until = loop_.now() + limit;
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    for (MonoTime now = loop_.now(); ended_ < threads_.size() && now < until; now = loop_.now()) {
      thread_left_.wait_for(mutex_, until - now);
    }
    if (ended_ < threads_.size()) return false;
    threads.swap(threads_);
    ended_ = 0;
  }
  for (std::thread& thread : threads) thread.join();
  return true;
}

std::size_t WorkerPool::running() const {
  const MutexLock lock(mutex_);
  return running_;
}

bool WorkerPool::room() const { return running_ - cancelled_ < limit_ && running_ < 2 * limit_; }

void WorkerPool::start_threads_needed() {
  const std::size_t useful = std::min(limit_ + cancelled_, 2 * limit_);
  const std::size_t wanted = std::min(running_ + waiting_.size(), useful);
  while (threads_.size() < wanted) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      // The work waits for one of the threads there are; the next run() tries again.
      return log(LogLevel::error, "handlers", "cannot start a worker thread", {{"error", error.what()}});
    }
  }
}

// Whether the caller is to wake a thread: there is work for one, one sleeps, and none is on its way already.
// Whoever takes a job asks again, so that work never waits beside a sleeping thread; a wake for each job
// would cost more than short handlers do.
bool WorkerPool::take_wake() {
  if (waking_ || idle_ == 0 || waiting_.empty() || !room()) return false;
  waking_ = true;
  return true;
}

void WorkerPool::work() {
  while (const JobPtr job = next_job()) run_job(*job);
  const MutexLock lock(mutex_);
  ++ended_;
  thread_left_.notify_all();
}

WorkerPool::JobPtr WorkerPool::next_job() {
  JobPtr job;
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    while (!stopping_ && (waiting_.empty() || !room())) {
      ++idle_;
      work_.wait_for(mutex_, seconds{3600});
      --idle_;
      waking_ = false;
    }
    if (waiting_.empty() || stopping_) return nullptr;  // what still waits is answered by begin_stop()
    job = std::move(waiting_.front());
    waiting_.pop_front();
    job->started = true;
    ++running_;
    wake = take_wake();
  }
  if (wake) work_.notify_one();
  return job;
}

void WorkerPool::run_job(Job& job) {
  HandlerResult result =
      run_handler(*job.handler, context_of(job.execution, job.traceparent, job.stop.get_token()));
  forget(job);
  if (!result.succeeded && !job.reason.empty()) {
    result.error = clean_text(job.reason + ": " + result.error, limits::kErrorBytes);
  }
  answer(job, std::move(result));
}

void WorkerPool::forget(Job& job) {
  // Wakes nobody: the room this makes is taken by the thread that made it, in next_job().
  const MutexLock lock(mutex_);
  jobs_.erase(job.ref());
  --running_;
  if (job.cancelled) --cancelled_;
}

}  // namespace duly
