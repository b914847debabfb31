// `duly-server config check`: whether a start with these flags would go well, without one.
#pragma once

#include "control-server/app/server.h"

namespace duly {

// `config` is what the flags were found to say.  Prints a line for each thing looked at and answers the exit
// code: 0, or 1 when a start would fail or the server could not do its work.  Changes nothing; with `connect`
// the broker is asked, too.
int check_config(const ServerConfig& config, bool connect);

}  // namespace duly
