// Tells those who asked for it that a command has ended: which calls are owed, when each is made, and when it
// has been made often enough.
//
// Operation.  A command with a callback_url has a row from its beginning.  The transaction that ends the
// command owes the call, and one that records a 2xx or the last failure settles it; in between the call
// leaves as an effect when its time has come, and what became of it comes back as an input.  Each end is a
// call of its own: a redrive takes back what nobody has heard of yet, since the command has not ended then.
// What is on its way is known in memory only, so it is made again after a start: at least once. Fairness.
// Each origin has a lane of its own, and while its calls fail only one at a time: a receiver that is dead
// occupies one worker, and holds up nobody else. Concurrency.  Engine thread only.  Time is an argument.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/model/limits.h"
#include "control-server/core/effects.h"
#include "control-server/store/store.h"

namespace duly {

class Callbacks {
 public:
  struct Config {
    // The origin of a URL that may be called; an error says why it may not.  Empty = no calls are made.
    std::function<Result<std::string>(const std::string& url)> origin_of = {};
    RetryPolicy retry = {limits::kCallbackAttempts, limits::kCallbackDelayMs, limits::kCallbackMultiplier,
                         limits::kCallbackLongestMs, 0.1};
    std::size_t at_once = limits::kCallbacksAtOnce;
    std::size_t of_one_origin = limits::kCallbacksOfOneOrigin;
  };
  Callbacks(Store& store, Config config);

  // Why `url` may not be called, empty = it may.
  [[nodiscard]] std::string refuses(const std::string& url) const;
  // The command is stored.
  void accepted(CommandId id, const std::string& url);
  void ended(const StateRow& row, std::int64_t now_ms);
  void reopened(CommandId id);
  // True when it was the last attempt, in vain.
  bool settled(const CallbackSettled& input, std::int64_t now_ms);
  // What is due, as effects.
  void step(std::int64_t now_ms, std::vector<Effect>& effects);
  // When step() has something to do, by the wall clock; INT64_MAX = when something else happens.
  [[nodiscard]] std::int64_t next_ms() const;
  // Whether the command must stay for the sake of its call.
  [[nodiscard]] bool needs(CommandId id);
  [[nodiscard]] std::int64_t owed() const { return owed_; }

 private:
  struct Lane {
    std::int64_t next_ms = 0;  // nothing to do before
    std::size_t on_its_way = 0;
    bool fails = false;  // the last call did
  };
  [[nodiscard]] bool has_room(const Lane& lane) const;
  void send_due(const std::string& origin, Lane& lane, std::int64_t now_ms, std::vector<Effect>& effects);
  void back_from(CommandId id, CallbackOutcome outcome);
  bool fail(CallbackRow& row, const CallbackSettled& input, std::int64_t now_ms);
  void settle(CallbackRow& row, CallbackState state);

  Store& store_;
  const Config config_;
  bool any_ = false;  // some command has a callback_url
  std::int64_t owed_ = 0;
  std::map<std::string, Lane> lanes_;              // of origins that something is owed to
  std::map<CommandId, std::string> on_their_way_;  // and their origins
};

}  // namespace duly
