// Which of the brokers of one cluster is tried next.  Pure, one thread.
//
// The first is drawn, so that many processes spread over the cluster.  What was lost is tried again last: it
// is down, or paused, which costs a whole deadline to see; the others are likely there.  Only when all have
// failed is it time to wait.
#pragma once

#include <cstddef>
#include <cstdint>

namespace duly {

class BrokerRing {
 public:
  // Of `count` > 0 brokers; `draw` is any number.
  BrokerRing(std::size_t count, std::uint64_t draw);

  // The place of the one whose turn it is.
  [[nodiscard]] std::size_t current() const { return current_; }
  // It was tried in vain.  True when that was the last of a round.
  bool failed();
  // It was there, and is gone.
  void lost();

 private:
  const std::size_t count_;
  std::size_t current_;
  std::size_t failures_ = 0;  // in a row
};

}  // namespace duly
