#include "common/amqp/rabbit_tls.h"

#include <amqp_ssl_socket.h>

#include <algorithm>

namespace duly {
namespace {

// The library knows no default: of whom the system trusts Debian keeps one file.
constexpr const char* kSystemAuthorities = "/etc/ssl/certs/ca-certificates.crt";

bool is_address(const std::string& host) {
  return host.find(':') != std::string::npos ||
         std::all_of(host.begin(), host.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

Status use_files(amqp_socket_t* socket, const RabbitConfig& config) {
  const std::string& ca = config.ca_file.empty() ? kSystemAuthorities : config.ca_file;
  if (amqp_ssl_socket_set_cacert(socket, ca.c_str()) != AMQP_STATUS_OK)
    return invalid("no certificates of authorities can be read from " + ca);
  if (config.cert_file.empty() && config.key_file.empty()) return ok_status();
  if (config.cert_file.empty() || config.key_file.empty())
    return invalid("a client's certificate and its key go together");
  if (amqp_ssl_socket_set_key(socket, config.cert_file.c_str(), config.key_file.c_str()) != AMQP_STATUS_OK)
    return invalid("the certificate " + config.cert_file + " and the key " + config.key_file +
                   " cannot be read, or are not of each other");
  return ok_status();
}

}  // namespace

Result<amqp_socket_t*> make_tls_socket(amqp_connection_state_t state, const RabbitConfig& config) {
  amqp_socket_t* socket = amqp_ssl_socket_new(state);
  if (socket == nullptr) return Error{Errc::unavailable, "no TLS: out of memory"};
  amqp_ssl_socket_set_verify_peer(socket, 1);
  amqp_ssl_socket_set_verify_hostname(socket, 1);
  if (amqp_ssl_socket_set_ssl_versions(socket, AMQP_TLSv1_2, AMQP_TLSvLATEST) != AMQP_STATUS_OK)
    return Error{Errc::unavailable, "no TLS 1.2"};
  if (auto status = use_files(socket, config); !status) return status.error();
  return socket;
}

std::string describe_open_failure(int status, const std::string& host) {
  std::string text = amqp_error_string2(status);
  if (status != AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED) return text;
  text += ": the broker's certificate is not made out to '" + host + "'";
  if (is_address(host))
    text += "; an address is never compared with those in a certificate, the URL must have its DNS name";
  return text;
}

}  // namespace duly
