// API keys outside of a running server: reading their file, and `duly-server keys new NAME ROLE [rate=RATE]`.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "control-server/api/api_keys.h"

namespace duly {

// The keys in the file of --api-keys; the error names the file, and the line when one is wrong.
Result<ApiKeys> read_api_keys(const std::string& path);

// `words` are those that are not flags, "keys" the first of them.  Prints a new key and its line; answers the
// exit code, having told what was wrong in one line.
int run_keys(const std::vector<std::string>& words);

}  // namespace duly
