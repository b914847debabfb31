// The body of an act on many commands: its filter and whether it is only a trial.
#pragma once

#include "common/wire/json.h"
#include "control-server/api/complaints.h"
#include "control-server/core/inputs.h"

namespace duly {

// Every problem goes to `complaints`, and then the answer means nothing.
StartOperation read_operation(const Json& body, OperationKind kind, Complaints& complaints);

}  // namespace duly
