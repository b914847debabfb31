// Whether a broker lets us in: for those who look before they start.
#pragma once

#include "common/amqp/rabbit_config.h"
#include "common/base/result.h"
#include "common/runtime/loop.h"

namespace duly {

// Connects to the first broker of the list that lets us in, and leaves; declares nothing.  Otherwise the last
// one's error.  Blocks for seconds at most for each (RabbitConnection says how many).
Status probe_rabbit(const RabbitConfig& config, const Loop& clock);

}  // namespace duly
