// The certificates of one side, as its files held them at one moment, and what its connections demand of the
// peer.
//
// TLS 1.2 or later; ciphers with forward secrecy and authentication only; no renegotiation, no compression.
// Whoever asks for certificates resumes no session: each connection is judged by its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.h"

namespace boost::asio::ssl {
class context;
}

namespace duly {

// Connections that were made with one stay as they are when there is a newer one.
using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

// In place of a client's file of authorities: whom the system trusts.
inline constexpr const char* kSystemAuthorities = "system";

// Paths of PEM files; empty = none.
struct TlsFiles {
  std::string certificate;  // --tls-cert: one's own, followed by those between it and an authority
  std::string key;          // --tls-key: without a passphrase, readable by its owner and group only
  // Who may have signed the peer's certificate.  Revocation lists that stand in it, too, are heeded.
  std::string authorities;
  const char* authorities_flag = "--tls-ca";  // for errors
};

// What a server shows.  With authorities every client must show a certificate of theirs.
Result<TlsContext> tls_for_server(const TlsFiles& files);
// What a client trusts, and what it shows to a server that asks.
Result<TlsContext> tls_for_client(const TlsFiles& files);
// Both refuse files that cannot be read, do not belong together, are not yet or no longer valid, and a key
// that others may read; the error names the flag and the file and holds nothing of what is in it.

// When one's own certificate is no longer valid, in milliseconds since 1970; 0 = there is none.
std::int64_t expiry_ms(const TlsContext& context);

}  // namespace duly
