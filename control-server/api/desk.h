// Where questions to the engine wait for their answers.
//
// Operation.  ask() numbers a question, hands it to the engine's mailbox and keeps the callback; deliver()
// finds it again.  Every question is answered exactly once: by the engine, by 503 when the mailbox or the
// desk is full, or by 504 when no answer came in time; then nobody knows whether it was done, and the answer
// says so. Concurrency.  Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "common/model/limits.h"
#include "common/runtime/loop.h"
#include "control-server/core/effects.h"
#include "control-server/core/inputs.h"

namespace duly {

class Desk {
 public:
  using Make = std::function<Input(ReplyTo)>;
  using Then = std::function<void(const Answer&)>;
  using Send = std::function<bool(Input&&)>;  // false = the mailbox is full, and nothing was taken

  static constexpr Duration kPatience = seconds{35};
  static constexpr Duration kSweep = milliseconds{250};

  // `loop` runs longer than the desk is needed; the desk outlives the loop's tasks.
  Desk(Loop& loop, Send send, std::size_t most = limits::kMailbox);

  // The number under which the answer is awaited; 0 when `then` was already called (with 503).
  ReplyTo ask(const Make& make, Then then, Duration patience = kPatience);
  // A message that expects no answer; may be lost when the mailbox is full.
  void tell(Input input);
  // An answer nobody waits for any more is dropped.
  void deliver(const Answer& answer);
  void forget(ReplyTo reply);

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiter {
    Then then;
    MonoTime deadline;
  };
  void schedule_sweep();
  void sweep();

  Loop& loop_;
  const Send send_;
  const std::size_t most_;
  ReplyTo last_ = 0;
  std::map<ReplyTo, Waiter> waiting_;
  bool sweeping_ = false;
};

}  // namespace duly
