// The public interface with which a C++ program registers handlers of its own: what runs when a command is
// due.
//
// A handler is called on a thread of the worker pool, once per permitted attempt, and several at once when
// commands of its type are due together.  It may block.  It should look at cancelled() now and then: a
// handler that ignores it keeps its thread, and what it does after its time-out is not recorded. A handler
// that throws is a failed attempt with the exception's text. Delivery is at least once: the effect a handler
// has outside should be made idempotent with (id, attempt).
#pragma once

#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <string_view>

#include "common/base/ids.h"
#include "common/base/time.h"
#include "common/model/command.h"

namespace duly {

// One attempt, as the handler sees it.  Valid until the handler returns; do not keep it or its views.
struct HandlerContext {
  CommandId id;
  int attempt = 0;       // counts up for life, never repeats
  int max_attempts = 0;  // the last attempt this command has now
  std::string_view type;
  std::string_view queue;
  std::string_view key;      // empty = none
  std::string_view payload;  // JSON text, byte for byte as submitted
  WallTime due_at;
  Duration timeout = seconds{60};  // of this attempt, from its permit; `stop` is requested when it is over
  // W3C Trace Context, for what the handler asks others to do; empty = the command has no trace.
  std::string_view traceparent, tracestate;
  std::stop_token stop;  // for std::stop_callback: a handler that waits on something of its own

  // True once the attempt timed out, was cancelled by hand, or the agent stops hard.  Any thread.
  [[nodiscard]] bool cancelled() const { return stop.stop_requested(); }
  // Sleeps up to `limit`; true, at once, when the attempt is cancelled.  Any thread.
  bool wait_cancelled(Duration limit) const;
};

// How the attempt ended, in the handler's words.
struct HandlerResult {
  bool succeeded = true;
  bool retryable = true;            // of a failure
  std::string error;                // of a failure; cut at limits::kErrorBytes
  Bytes result;                     // of a success: JSON text, or null for none
  std::int64_t retry_after_ms = 0;  // of what may be tried again: not before, at most limits::kRetryAfterMs
  bool handed_back = false;         // nothing was done, and the attempt does not count

  static HandlerResult succeed();
  // `json_text` must be JSON, at most limits::kResultBytes and limits::kJsonDepth deep; otherwise the attempt
  // has failed for good, because a later attempt would answer the same.
  static HandlerResult succeed(std::string json_text);
  // May be tried again, when attempts are left.
  static HandlerResult fail(std::string error);
  // Could not be done here and now: it is tried again, not before `retry_after_ms`, and costs no attempt.
  static HandlerResult hand_back(std::string why, std::int64_t retry_after_ms);
  // Must not be tried again: the command becomes dead.
  static HandlerResult fail_for_good(std::string error);
};

using Handler = std::function<HandlerResult(const HandlerContext&)>;

// Handlers by command type.  Filled before the agent runs; read by any thread from then on.
class HandlerRegistry {
 public:
  // A type has one handler: adding a second one is an error of the program (DULY_ASSERT).
  void add(std::string type, Handler handler);
  // Null when there is none.  The pointer stays valid as long as the registry.
  [[nodiscard]] const Handler* find(std::string_view type) const;

 private:
  std::map<std::string, Handler, std::less<>> handlers_;
};

// Calls `handler` and holds it to the contract above: exceptions become failures, results are checked, texts
// are valid UTF-8 and capped.
HandlerResult run_handler(const Handler& handler, const HandlerContext& context);

}  // namespace duly
