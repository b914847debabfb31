// TLS of the command line: who may have signed the server's certificate, and what is shown to the server.
//
// cpp-httplib 0.11 asks for no version of TLS and takes a name of a certificate's subject for a host name;
// here it is TLS 1.2 or later, and OpenSSL itself compares the host with the names that the certificate is
// for.
#pragma once

#include <string>

#include "cli/session.h"
#include "common/base/result.h"

namespace httplib {
class Client;
}

namespace duly::cli {

// `url` is what `client` was made with.  An error names the flag.
Status use_tls(httplib::Client& client, const std::string& url, const Session& session);

// Why the server's certificate was refused, as ": …"; empty = it was not.
std::string refused_certificate(const httplib::Client& client);

}  // namespace duly::cli
