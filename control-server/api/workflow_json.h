// Workflows as JSON: what a client may ask for (contract section 4), and what it is shown.
#pragma once

#include <string>
#include <string_view>

#include "common/wire/json.h"
#include "control-server/api/complaints.h"
#include "control-server/core/inputs.h"
#include "control-server/store/reader.h"

namespace duly {

// Reads and checks a whole workflow; `raw` is the text of `body`.  Every problem goes to `complaints`, and
// then the answer means nothing.  Reply, actor and idempotency key are the caller's.
SubmitWorkflow read_workflow(const Json& body, std::string_view raw, std::int64_t now_ms,
                             Complaints& complaints);

// With the nodes, and without.
void append_workflow_json(std::string& out, const Reader::WorkflowView& view);
void append_workflow_row_json(std::string& out, const WorkflowRow& row);

}  // namespace duly
