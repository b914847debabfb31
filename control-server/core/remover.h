// Removes ended commands when their time is over, in small steps.
//
// Operation.  For each length of time that some rule gives there is one walk over what has ended, in the
// order of the ends.  It looks at each command once and removes those that its length decides about; so those
// that are kept for longer, or for ever, cost nothing after that.  Where it is lives in memory: after a start
// it begins again at the oldest.  A step is bounded in rows and bytes and part of its batch's transaction.
// Concurrency.  Engine thread only.  Time is an argument.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "common/base/time.h"
#include "common/model/limits.h"
#include "control-server/core/retention.h"
#include "control-server/store/store.h"

namespace duly {

class Remover {
 public:
  struct Config {
    Retention retention = {};
    int rows = limits::kRemovalRows;               // removed in one step
    std::function<bool(CommandId)> needed = {};    // by somebody else, still; empty = by nobody
    std::function<void(CommandId)> removing = {};  // told of each command before it goes; empty = nobody
  };
  Remover(Store& store, Config config, MonoTime now);

  // One step, if it is time for one; how many were removed.
  std::uint64_t step(Moment now, bool disk_low);
  // When step() wants to be called again.
  [[nodiscard]] MonoTime next() const { return next_; }
  // What an ended command was still needed for is over; how many were removed.
  std::uint64_t look_again(CommandId id);
  // The same for all that has ended since `finished_ms`: they are walked over again.
  void go_back(std::int64_t finished_ms);

 private:
  struct Walk {
    std::int64_t keep_ms = 0;
    EndedPlace after;  // of what ended up to here, all that this time decides about is gone or still needed
    MonoTime next{};
  };
  [[nodiscard]] std::vector<Walk>::iterator first_walk();
  bool go_on(Walk& walk, std::int64_t now_ms);
  [[nodiscard]] std::int64_t keep_ms(State state, TypeNumber type) const;
  [[nodiscard]] bool still_needed(const EndedRow& row);
  std::int64_t remove(const EndedRow& row);

  Store& store_;
  const Config config_;
  std::vector<Walk> walks_;  // one for each time that is not for ever
  MonoTime next_ = MonoTime::max();
  std::uint64_t removed_ = 0;
};

}  // namespace duly
