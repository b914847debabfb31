// The field `deliver` of a command as JSON: what is asked for, and what is shown.
#pragma once

#include <string>

#include "common/model/command.h"
#include "common/wire/json.h"
#include "control-server/api/complaints.h"

namespace duly {

// Reads it as it stands in a request; complaints begin with `at`.  The properties are those of a message of
// ours: JSON, persistent, of this type, with the command's id as its message id.
DeliverTarget read_deliver(const Json& value, const std::string& type, const std::string& at,
                           Complaints& complaints);

// Headers of a kind that JSON has no word for are shown as {"kind": AMQP's letter, "bytes": how many}.
void append_deliver(std::string& out, const DeliverTarget& target);

}  // namespace duly
