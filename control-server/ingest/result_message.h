// A message of the queue duly.results, read as the report it is (contract section 5): the body that
// .../finish takes, and which attempt it is of in the property correlation_id.  What comes in was written by
// anybody.
#pragma once

#include "common/amqp/broker.h"
#include "common/base/result.h"
#include "control-server/core/inputs.h"

namespace duly {

// An error says what is wrong with which property, header or field of the body.
Result<ResultMessage> read_result_message(const AmqpMessage& message);

}  // namespace duly
