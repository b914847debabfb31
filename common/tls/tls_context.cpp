#include "common/tls/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace duly {
namespace {

// ECDHE for forward secrecy, AEAD for the rest.  The suites of TLS 1.3 are all of this kind.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kSessions = "duly";  // what a ticket is good for

// OpenSSL's words for what went wrong last; its list of errors is empty afterwards.
std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  const std::string text = reason == nullptr ? "OpenSSL does not say why" : reason;
  ERR_clear_error();
  return text;
}

Status is_readable(const std::string& where, const std::string& path) {
  if (::access(path.c_str(), R_OK) != 0) return invalid(where + std::strerror(errno));
  return ok_status();
}

// Without an answer OpenSSL would ask on the terminal.
int no_passphrase(char*, int, int, void*) { return 0; }

Status is_valid_now(const std::string& where, const X509* certificate) {
  if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
    return invalid(where + "the certificate is not valid yet");
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
    return invalid(where + "the certificate has expired");
  return ok_status();
}

Status use_certificate(SSL_CTX* context, const std::string& path) {
  const std::string where = "--tls-cert " + path + ": ";
  if (const Status readable = is_readable(where, path); !readable) return readable;
  if (SSL_CTX_use_certificate_chain_file(context, path.c_str()) != 1)
    return invalid(where + "holds no certificate that can be used (" + openssl_reason() + ")");
  return is_valid_now(where, SSL_CTX_get0_certificate(context));
}

Status use_key(SSL_CTX* context, const std::string& path) {
  const std::string where = "--tls-key " + path + ": ";
  if (const Status readable = is_readable(where, path); !readable) return readable;
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return invalid(where + std::strerror(errno));
  if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
    return invalid(where + "others may read or write this file; chmod 600");
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_use_PrivateKey_file(context, path.c_str(), SSL_FILETYPE_PEM) == 1) return ok_status();
  const bool other = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
  if (other) return invalid(where + "is not the key of the certificate in --tls-cert");
  return invalid(where + "holds no private key that can be read without a passphrase (" + openssl_reason() +
                 ")");
}

bool holds_revocations(X509_STORE* store) {
  const STACK_OF(X509_OBJECT)* objects = X509_STORE_get0_objects(store);
  for (int i = 0; i < sk_X509_OBJECT_num(objects); ++i) {
    if (X509_OBJECT_get_type(sk_X509_OBJECT_value(objects, i)) == X509_LU_CRL) return true;
  }
  return false;
}

Status trust(SSL_CTX* context, const TlsFiles& files) {
  const std::string& path = files.authorities;
  if (path == kSystemAuthorities) {
    if (SSL_CTX_set_default_verify_paths(context) == 1) return ok_status();
    return invalid(std::string(files.authorities_flag) + " system: " + openssl_reason());
  }
  const std::string where = std::string(files.authorities_flag) + " " + path + ": ";
  if (const Status readable = is_readable(where, path); !readable) return readable;
  if (SSL_CTX_load_verify_file(context, path.c_str()) != 1)
    return invalid(where + "holds no certificate that can be used (" + openssl_reason() + ")");
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  // OpenSSL reads revocation lists and then does not look at them, unless it is told to.
  if (holds_revocations(store)) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  return ok_status();
}

Status hold_to_rules(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
      SSL_CTX_set_cipher_list(context, kCiphers) == 1)
    return ok_status();
  return Error{Errc::fatal, "TLS cannot be set up: " + openssl_reason()};
}

Status use_files(SSL_CTX* context, const TlsFiles& files) {
  ERR_clear_error();
  if (const Status held = hold_to_rules(context); !held) return held;
  if (!files.certificate.empty()) {
    // In this order: the key is compared with the certificate.
    if (const Status certificate = use_certificate(context, files.certificate); !certificate)
      return certificate;
    if (const Status key = use_key(context, files.key); !key) return key;
  }
  return files.authorities.empty() ? ok_status() : trust(context, files);
}

void ask_clients(SSL_CTX* context, const TlsFiles& files) {
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  // Which of its certificates a client should show.
  SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(files.authorities.c_str()));
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
}

}  // namespace

Result<TlsContext> tls_for_server(const TlsFiles& files) {
  if (files.authorities == kSystemAuthorities)
    return invalid(std::string(files.authorities_flag) + " must name a file of authorities of your own");
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  if (const Status used = use_files(native, files); !used) return used.error();
  SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>(kSessions),
                                 static_cast<unsigned>(std::strlen(kSessions)));
  if (!files.authorities.empty()) ask_clients(native, files);
  return context;
}

Result<TlsContext> tls_for_client(const TlsFiles& files) {
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client);
  SSL_CTX* native = context->native_handle();
  if (const Status used = use_files(native, files); !used) return used.error();
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  return context;
}

std::int64_t expiry_ms(const TlsContext& context) {
  const X509* certificate = SSL_CTX_get0_certificate(context->native_handle());
  std::tm parts{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return 0;
  return std::int64_t{::timegm(&parts)} * 1000;
}

}  // namespace duly
