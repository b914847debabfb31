#include "cli/api_tls.h"

#include <httplib.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace duly::cli {
namespace {

constexpr const char* kScheme = "https://";

std::string openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  const std::string text = reason == nullptr ? "OpenSSL does not say why" : reason;
  ERR_clear_error();
  return text;
}

Error unusable(const std::string& flag, const std::string& path) {
  const std::string why = ::access(path.c_str(), R_OK) != 0 ? std::strerror(errno) : openssl_reason();
  return invalid(flag + " " + path + ": " + why);
}

// "https://[::1]:8080" → "::1".
std::string host_of(const std::string& url) {
  const std::string authority = url.substr(std::strlen(kScheme));
  if (authority.rfind('[', 0) == 0) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find_first_of(":/"));
}

bool expect_host(SSL_CTX* context, const std::string& host) {
  X509_VERIFY_PARAM* rules = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1) return true;
  return X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) == 1;
}

// Without an answer OpenSSL would ask on the terminal, in the middle of a script.
int no_passphrase(char*, int, int, void*) { return 0; }

Status show_certificate(SSL_CTX* context, const Session& session) {
  if (session.tls_cert.empty() != session.tls_key.empty())
    return invalid("--tls-cert and --tls-key need each other");
  if (session.tls_cert.empty()) return ok_status();
  if (SSL_CTX_use_certificate_chain_file(context, session.tls_cert.c_str()) != 1)
    return unusable("--tls-cert", session.tls_cert);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (SSL_CTX_use_PrivateKey_file(context, session.tls_key.c_str(), SSL_FILETYPE_PEM) != 1)
    return unusable("--tls-key", session.tls_key);
  return ok_status();
}

}  // namespace

Status use_tls(httplib::Client& client, const std::string& url, const Session& session) {
  const bool wanted = !session.tls_ca.empty() || !session.tls_cert.empty() || !session.tls_key.empty();
  if (url.rfind(kScheme, 0) != 0) {
    if (wanted) return invalid("--tls-ca, --tls-cert and --tls-key are for https://, and --server is " + url);
    return ok_status();
  }
  SSL_CTX* context = client.ssl_context();
  ERR_clear_error();
  if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 || !expect_host(context, host_of(url)))
    return invalid("TLS cannot be set up for " + url + ": " + openssl_reason());
  if (!session.tls_ca.empty()) {
    // Loaded for the error: the client loads it by itself, and in its absence what the system trusts.
    if (SSL_CTX_load_verify_file(context, session.tls_ca.c_str()) != 1)
      return unusable("--tls-ca", session.tls_ca);
    client.set_ca_cert_path(session.tls_ca);
  }
  return show_certificate(context, session);
}

std::string refused_certificate(const httplib::Client& client) {
  const long verdict = client.get_openssl_verify_result();
  if (verdict == X509_V_OK) return {};
  return std::string(": ") + X509_verify_cert_error_string(verdict);
}

}  // namespace duly::cli
