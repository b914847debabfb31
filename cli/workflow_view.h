// A workflow as text, from the server's view of it.  Nothing here asks or prints.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/base/time.h"
#include "common/wire/json.h"

namespace duly::cli {

// Anything that does not say "running" counts as ended: what nobody understands is not followed for ever.
bool workflow_has_ended(const Json& workflow);
bool workflow_has_succeeded(const Json& workflow);

// One line for a file or a pipe: "running: 12 of 40 ended, 1 badly; 2 running, 25 waiting, 1 scheduled".
std::string progress_line(const Json& workflow);

// The picture for a terminal of `width` columns: its state, a bar, and for each state the first of its nodes.
// A line never wraps, and there are at most eleven, so that the picture can be drawn over the last one.
std::vector<std::string> draw_workflow(const Json& workflow, std::size_t width);

// A node for a table: of a long list of dependencies the first few are named.
Json node_row(const Json& node);

// Between two looks: a large view is not asked for too often.
milliseconds look_again_after(const Json& workflow);

}  // namespace duly::cli
