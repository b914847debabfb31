// A message of the queue duly.submit, read as the command it asks for (contract section 5).
//
// Its properties and headers are turned into the fields that POST /v1/commands takes and read by the same
// reader, so both ways have one set of rules.  What comes in was written by anybody.
#pragma once

#include <cstdint>

#include "common/amqp/broker.h"
#include "common/base/result.h"
#include "control-server/core/inputs.h"

namespace duly {

// An error says what is wrong with which property or header.
Result<NewCommand> read_submit_message(const AmqpMessage& message, std::int64_t now_ms);

}  // namespace duly
