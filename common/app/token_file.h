// The file of agent tokens: what an agent says at the link to be let in.
//
// One token a line, 16 to 256 printable characters without blanks; empty lines and those that begin with "#"
// do not count.  A server takes each of them, an agent says the first: so a new token is put in front on the
// server, then on the agents, and then the old one is taken out.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"

namespace duly {

// At least one; the error is one line that names the file and holds nothing of what is in it.  Refuses a file
// that others may read, or that anybody but its owner may write.
Result<std::vector<std::string>> read_token_file(const std::string& path);

}  // namespace duly
