// TLS of the agent's link, from the files of its flags.
//
// They are read again for each connection: a renewed certificate needs no restart.  Files that cannot be
// used any more are told in the log, once for each reason, and what they held before goes on.
#pragma once

#include "common/app/options.h"
#include "common/base/result.h"
#include "common/link/asio_link.h"

namespace duly {

// Empty = in clear text.  Errc::invalid = the flags do not go together (exit 2), else files that cannot be
// used.
Result<TlsSource> link_tls(const Options& options);

}  // namespace duly
