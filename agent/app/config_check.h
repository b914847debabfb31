// `duly-agent config check`: whether a start with these flags would go well, without one.
#pragma once

#include "agent/handlers/builtins.h"
#include "common/amqp/rabbit_config.h"

namespace duly {

// Of what the flags were found to say.  Prints a line for each thing looked at and answers the exit code: 0,
// or 1 when the agent could not do its work.  Changes nothing; with `connect` the broker is asked, too.
int check_config(const BuiltinConfig& builtins, const RabbitConfig& rabbit, bool connect);

}  // namespace duly
