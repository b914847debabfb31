// Whether a broker lets us in: for those who look before they start.
#pragma once

#include "common/amqp/rabbit_config.h"
#include "common/base/result.h"
#include "common/runtime/loop.h"

namespace duly {

// Connects, logs in and leaves; declares nothing.  Blocks for seconds at most (RabbitConnection says how
// many).
Status probe_rabbit(const RabbitConfig& config, const Loop& clock);

}  // namespace duly
