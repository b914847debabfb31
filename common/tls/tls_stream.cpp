#include "common/tls/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

namespace duly {
namespace {

using boost::system::error_code;

constexpr std::string_view kAgentUri = "urn:duly:agent:";

// What the certificate of the peer must be for; OpenSSL judges it with the chain, so that its verdict says
// which of the two was wrong.
bool expect(SSL* ssl, const std::string& host) {
  error_code no_address;
  boost::asio::ip::make_address(host, no_address);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  if (!no_address) return X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

std::string_view text_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

void add_agent_name(const GENERAL_NAME* name, std::vector<std::string>& names) {
  if (name->type == GEN_DNS) {
    names.emplace_back(text_of(name->d.dNSName));
  } else if (name->type == GEN_URI) {
    const std::string_view uri = text_of(name->d.uniformResourceIdentifier);
    if (uri.starts_with(kAgentUri)) names.emplace_back(uri.substr(kAgentUri.size()));
  }
}

}  // namespace

void TlsStream::begin(const TlsContext& context) {
  tls_ = std::make_unique<boost::asio::ssl::stream<Socket&>>(socket_, *context);
}

void TlsStream::accept(const TlsContext& context, Agreed done) {
  begin(context);
  tls_->async_handshake(boost::asio::ssl::stream_base::server, std::move(done));
}

void TlsStream::connect(const TlsContext& context, const std::string& host, Agreed done) {
  begin(context);
  if (!expect(tls_->native_handle(), host)) {
    const error_code bad = boost::asio::error::invalid_argument;
    return boost::asio::post(get_executor(), [bad, done = std::move(done)] { done(bad); });
  }
  tls_->async_handshake(boost::asio::ssl::stream_base::client, std::move(done));
}

std::string TlsStream::why(const error_code& error) const {
  if (!tls_) return error.message();
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  if (verdict != X509_V_OK)
    return std::string("the peer's certificate is refused: ") + X509_verify_cert_error_string(verdict);
  // Without a word of parting: frames and answers say themselves where they end.
  if (error == boost::asio::ssl::error::stream_truncated) return "End of file";
  return error.message();
}

std::vector<std::string> TlsStream::peer_names() const {
  std::vector<std::string> names;
  // Only one that was verified: without being asked for nobody can show one.
  const X509* certificate = tls_ ? SSL_get0_peer_certificate(tls_->native_handle()) : nullptr;
  if (certificate == nullptr) return names;
  auto* all =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(all); ++i) add_agent_name(sk_GENERAL_NAME_value(all, i), names);
  GENERAL_NAMES_free(all);
  return names;
}

void TlsStream::write_now(std::string_view bytes) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  if (tls_) {
    tls_->write_some(boost::asio::buffer(bytes), ignored);
  } else {
    socket_.write_some(boost::asio::buffer(bytes), ignored);
  }
}

void TlsStream::say_end(Agreed done) { tls_->async_shutdown(std::move(done)); }

bool is_clear_http(const error_code& error) {
  return error.category() == boost::asio::error::get_ssl_category() &&
         ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
}

}  // namespace duly
