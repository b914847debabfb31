// TLS of the server's two ports, from the files of its flags.
#pragma once

#include <string>

#include "common/base/result.h"
#include "common/tls/tls_context.h"

namespace duly {

// Paths; empty = not given.
struct ServerTlsFiles {
  std::string certificate, key;
  std::string link_clients;  // who may have signed what agents have to show
  std::string http_clients;  // the same of who asks the API
};

// Both null = in clear text.
struct ServerTls {
  TlsContext http, link;
};

// The files as they are now; an error names the flag.
Result<ServerTls> read_server_tls(const ServerTlsFiles& files);

}  // namespace duly
