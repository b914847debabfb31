// Runs an Engine on a Loop: gathers what comes in, applies it in batches, releases the effects.
//
// Operation.  submit() may be called from any thread; whatever has gathered when the loop turns is one batch,
// so batches grow by themselves under load (group commit without a timer).  Effects are given to the ports on
// the loop thread, after the commit. Limits.  At most limits::kMailbox inputs wait; beyond that submit() says
// no.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/base/mutex.h"
#include "common/runtime/loop.h"
#include "control-server/core/engine.h"

namespace duly {

struct EnginePorts {
  std::function<void(std::vector<Effect>&&)> release;
  // Whether less than the reserve would be free after so many bytes more: new work is then refused.  Empty =
  // never.  Asked before each batch, so it must be cheap.
  std::function<bool(std::int64_t bytes)> disk_low;
  // The disk was full: nothing of the batch was applied.  What was kept for this moment is to be freed, these
  // requests are to be answered so, and every session is to be closed, because what the engine knew of them
  // is gone.
  std::function<void(std::vector<ReplyTo>&&)> refused_full;
  // The outcome of a commit is unknown: the process must end at once, without answering anybody.
  std::function<void(const Error&)> fatal;
};

class EngineHost {
 public:
  EngineHost(Loop& loop, Store& store, EngineConfig config, EnginePorts ports);
  ~EngineHost();
  EngineHost(const EngineHost&) = delete;
  EngineHost& operator=(const EngineHost&) = delete;

  // False when the mailbox is full; `input` is then untouched.  Any thread.
  [[nodiscard]] bool submit(Input&& input) DULY_EXCLUDES(mutex_);
  // The counters as the last commit left them: who asks need not wait for a batch that is at work.  Null when
  // they are not at hand, and then a Query gets them; to ask keeps them at hand for a while.  Any thread.
  [[nodiscard]] StatsAnswer stats_at_hand() DULY_EXCLUDES(mutex_);
  // Begins to tick.  Loop thread.
  void start();

 private:
  void drain();
  void answer_questions(std::vector<Input>& inputs);
  void run_batch(std::vector<Input>& inputs);
  void keep_stats(Duration took) DULY_EXCLUDES(mutex_);
  void watch_disk(std::vector<Input>& inputs);
  void begin_again(std::vector<Input>& inputs);
  void lengthen_rest();
  void schedule_tick();

  Loop& loop_;
  Store& store_;
  const EngineConfig config_;
  const EnginePorts ports_;
  std::unique_ptr<Engine> engine_;
  MonoTime tick_at_{};
  MonoTime quiet_until_{};  // no tick before, after a full disk
  MonoTime full_logged_{};
  Duration rest_{};        // after a full disk nobody is told anything, for so long …
  MonoTime rest_until_{};  // … until then
  bool disk_low_ = false;  // as the engine was last told
  bool stopped_ = false;   // after a fatal failure nothing more is applied

  mutable Mutex mutex_;
  std::vector<Input> inbox_ DULY_GUARDED_BY(mutex_);
  bool drain_posted_ DULY_GUARDED_BY(mutex_) = false;
  StatsAnswer stats_ DULY_GUARDED_BY(mutex_);            // of the last commit, or null
  MonoTime stats_until_ DULY_GUARDED_BY(mutex_);         // too old from then on
  MonoTime stats_wanted_until_ DULY_GUARDED_BY(mutex_);  // somebody has asked
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace duly
