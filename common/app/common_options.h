// Flags that duly-server and duly-agent have in common, and what is done with them at start.  Main thread.
#pragma once

#include <vector>

#include "common/app/options.h"

namespace duly {

// --amqp, --amqp-ca, --amqp-cert, --amqp-key, --queue-type.
std::vector<OptionSpec> broker_options();
// --log-format, --log-level.
std::vector<OptionSpec> log_options();
std::vector<OptionSpec> trace_options();

// Appends to a table.
void add_options(OptionTable& table, std::vector<OptionSpec> options);

// As log_options() were given.
void configure_logging(const Options& options);

}  // namespace duly
