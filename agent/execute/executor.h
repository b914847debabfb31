// The execute role's decisions: ask leave, acknowledge, run, report.  Pure: no socket, no thread, no clock.
//
// Operation.  A delivery waits for a free slot, then a permit is asked for it; the delivery is acknowledged
// to the broker as soon as the permit is durable (or refused), and only a permit runs a handler.  A result is
// kept until the server has it.  While no slot is free for kHoldTime, what was delivered goes back to the
// queue for others.  The commands of a bundle ask one by one; its message is settled with the last of them,
// and one of which some have begun does not go back for want of slots: each return counts towards the queue's
// delivery limit. Concurrency.  One thread; call take() after every input and perform what it gives, in
// order.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/amqp/broker.h"
#include "common/base/histogram.h"
#include "common/wire/bundle.h"
#include "common/wire/messages.h"

namespace duly {

struct ExecuteEffects {
  struct Settlement {
    std::uint64_t generation, tag;
    Settle how;
  };
  struct Park {  // not understood: to duly.dead with the reason, then acknowledged
    Delivery delivery;
    std::string reason;
  };
  std::vector<AgentMessage> messages;
  std::vector<Settlement> settlements;
  std::vector<Park> parks;
  std::vector<Execution> runs;
  std::vector<std::pair<AttemptRef, std::string>> stops;  // tell the handler to stop, and why
  std::optional<bool> consume;                            // start or stop consuming
};

// Since the start; for the agent's metrics.
struct ExecuteCounters {
  std::array<std::uint64_t, 6> finished{};  // by AttemptOutcome
  std::uint64_t delivered = 0, redelivered = 0, parked = 0;
  std::uint64_t requeued = 0;  // deliveries that went back for others to run
  std::uint64_t permits_granted = 0, permits_refused = 0;
  Histogram permit;  // the server's answer after the question
  Histogram run;     // what the handler takes, also beyond the end of its attempt
};

class Executor {
 public:
  explicit Executor(int slots) : slots_(slots) {}

  // ---- the broker
  // --------------------------------------------------------------------------------------------
  void delivered(MonoTime now, Delivery delivery);
  // Deliveries not yet permitted are void: the broker gives them to somebody again.
  void consumer_down();

  // ---- the link
  // ----------------------------------------------------------------------------------------------
  void welcome();
  void link_lost() { linked_ = false; }
  void begun(MonoTime now, const Begun& answer);
  void finished(const Finished& done);
  void cancel_run(const CancelRun& cancel);

  // ---- the handlers
  // ------------------------------------------------------------------------------------------
  struct Outcome {
    bool ok = false;
    bool retryable = true;
    std::string error;
    Bytes result;
    std::int64_t retry_after_ms = 0;
    bool handed_back = false;  // a failure that does not count
  };
  void done(MonoTime now, AttemptRef ref, Outcome outcome);

  void tick(MonoTime now);
  // Takes no further work; what has not begun goes back to the queue.
  void drain();
  // What still runs is stopped and handed back.
  void give_up();

  ExecuteEffects take(MonoTime now);
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;

  [[nodiscard]] bool consuming() const { return consuming_; }
  [[nodiscard]] std::vector<AttemptRef> attempts() const;  // for hello
  [[nodiscard]] std::int64_t running() const { return static_cast<std::int64_t>(running_.size()); }
  [[nodiscard]] std::int64_t executed() const { return executed_; }
  [[nodiscard]] const ExecuteCounters& counters() const { return counters_; }
  // Nothing begun and nothing unreported: it is safe to leave.
  [[nodiscard]] bool idle() const { return asked_.empty() && running_.empty() && unreported_.empty(); }

 private:
  using DeliveryKey = std::pair<std::uint64_t, std::uint64_t>;  // generation and tag
  struct Held {
    DeliveryKey delivery;
    Execution execution;
    bool bundled = false;
    MonoTime asked{};
  };
  // A delivered bundle of which not every command is answered.
  struct OpenBundle {
    std::size_t left = 0;
    bool begun = false;    // a permit was asked for some command of it
    bool requeue = false;  // some command of it is for others to run
  };
  struct Run {
    MonoTime begun, deadline;
    bool reported =
        false;  // timed out, cancelled or handed back: what the handler says later no longer counts
  };
  [[nodiscard]] std::size_t free_slots() const;
  void ask(MonoTime now);
  void pause_or_resume(MonoTime now);
  void report(AttemptRef ref, FinishItem item);
  void settle(const Held& held, Settle how);
  void settle_delivery(const DeliveryKey& delivery, Settle how);
  [[nodiscard]] bool stays(const Held& held) const;

  [[nodiscard]] MonoTime held_until() const;

  const int slots_;
  bool linked_ = false;
  bool draining_ = false;
  bool consuming_ = false;  // until there is somebody to ask for permits
  std::optional<MonoTime> starved_since_;
  MonoTime asked_last_{};
  std::uint64_t next_nonce_ = 1;
  std::map<std::uint64_t, Held> waiting_;  // by nonce: delivered, no slot yet
  std::map<std::uint64_t, Held> asked_;    // by nonce: permit asked for
  std::map<DeliveryKey, OpenBundle> bundles_;
  std::map<AttemptRef, Run> running_;  // slots in use, also of handlers that do not stop
  std::map<AttemptRef, FinishItem> unreported_;
  std::vector<BeginItem> to_begin_;
  std::vector<FinishItem> to_finish_;
  std::int64_t executed_ = 0;
  ExecuteCounters counters_;
  ExecuteEffects effects_;
};

}  // namespace duly
