// Follows a workflow until it has ended: a picture drawn anew on a terminal, elsewhere a line for each
// change.
#pragma once

#include <string>

#include "cli/api.h"
#include "cli/session.h"

namespace duly::cli {

inline std::string workflow_path(const std::string& id) { return "/v1/workflows/" + url_encode(id); }

// The exit code: done when it has succeeded, failed when it has ended otherwise.
int watch_workflow(const Session& session, Api& api, const std::string& id);

}  // namespace duly::cli
