// What an executor reports of an attempt, as JSON: the body of .../finish and of a message to duly.results.
#pragma once

#include <string>
#include <string_view>

#include "common/wire/json.h"
#include "common/wire/messages.h"
#include "control-server/api/complaints.h"

namespace duly {

// The name of an executor, "" when it is left out and need not be there.
std::string read_executor(const Json& body, bool required, Complaints& complaints);

struct Report {
  FinishItem item;       // without the command and the attempt
  std::string executor;  // empty = not said
};
// `raw` is the text of `body`: the result keeps its own bytes.  Every problem goes to `complaints`, and then
// the answer means nothing.
Report read_report(const Json& body, std::string_view raw, Complaints& complaints);

}  // namespace duly
