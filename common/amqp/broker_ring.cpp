#include "common/amqp/broker_ring.h"

#include "common/base/assert.h"

namespace duly {

BrokerRing::BrokerRing(std::size_t count, std::uint64_t draw)
    : count_(count), current_(count == 0 ? 0 : draw % count) {
  DULY_ASSERT(count > 0);
}

bool BrokerRing::failed() {
  current_ = (current_ + 1) % count_;
  return ++failures_ % count_ == 0;
}

void BrokerRing::lost() {
  current_ = (current_ + 1) % count_;
  failures_ = 0;
}

}  // namespace duly
