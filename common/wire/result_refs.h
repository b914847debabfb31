// References in a workflow node's payload to the results of its dependencies: {"$result": "a", "pointer":
// "/total"} (contract section 4).
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/base/result.h"
#include "common/wire/json.h"

namespace duly {

// Finds every reference in `payload`, and calls `complain(pointer, detail)` for what is wrong: `allowed` says
// whose results may be taken, pointers begin with `at`.  True when there is any.
bool check_result_refs(const Json& payload, const std::string& at,
                       const std::function<bool(const std::string&)>& allowed,
                       const std::function<void(std::string, std::string)>& complain);

// The payload with every reference replaced, byte for byte; the rest stays as it was written.  `result` gives
// the JSON text of a node's result.  An error says which reference names nothing, or that there would be more
// than `most` bytes.  The payload must have passed check_result_refs().
Result<std::string> fill_in_results(std::string_view payload, std::size_t most,
                                    const std::function<std::string_view(const std::string&)>& result);

}  // namespace duly
