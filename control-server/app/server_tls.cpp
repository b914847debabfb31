#include "control-server/app/server_tls.h"

#include "common/base/log.h"
#include "common/base/time.h"

namespace duly {

Result<ServerTls> read_server_tls(const ServerTlsFiles& files) {
  ServerTls tls;
  if (files.certificate.empty()) return tls;
  auto link = tls_for_server({files.certificate, files.key, files.link_clients, "--tls-client-ca"});
  if (!link) return link.error();
  auto http = tls_for_server({files.certificate, files.key, files.http_clients, "--tls-http-client-ca"});
  if (!http) return http.error();
  tls.link = std::move(*link);
  tls.http = std::move(*http);
  log(LogLevel::info, "server", "certificate read",
      {{"file", files.certificate}, {"expires", format_instant(expiry_ms(tls.http))}});
  return tls;
}

}  // namespace duly
