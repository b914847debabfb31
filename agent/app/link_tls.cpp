#include "agent/app/link_tls.h"

#include <memory>
#include <string>
#include <utility>

#include "common/base/log.h"

namespace duly {
namespace {

struct RenewedTls {
  TlsFiles files;
  TlsContext context;
  std::string wrong;  // said last

  TlsContext operator()() {
    auto read = tls_for_client(files);
    const std::string now_wrong = read ? "" : read.error().what;
    if (read) context = std::move(*read);
    if (now_wrong != std::exchange(wrong, now_wrong) && !read)
      log(LogLevel::error, "agent", "not read again; what was there before goes on", {{"error", now_wrong}});
    return context;
  }
};

}  // namespace

Result<TlsSource> link_tls(const Options& options) {
  TlsFiles files{options.text("tls-cert"), options.text("tls-key"), options.text("tls-ca")};
  for (const char* flag : {"tls-ca", "tls-cert", "tls-key"}) {
    if (options.given(flag) && options.text(flag).empty())
      return invalid(options.source(flag) + " names no file");
  }
  for (const char* flag : {"tls-cert", "tls-key"}) {
    if (options.given(flag) && files.authorities.empty())
      return invalid(options.source(flag) + " needs --tls-ca");
  }
  if (files.certificate.empty() != files.key.empty())
    return invalid(files.key.empty() ? options.source("tls-cert") + " needs --tls-key"
                                     : options.source("tls-key") + " needs --tls-cert");
  if (files.authorities.empty()) return TlsSource();
  auto first = tls_for_client(files);
  if (!first) return Error{Errc::unavailable, first.error().what};
  const auto renewed =
      std::make_shared<RenewedTls>(RenewedTls{std::move(files), std::move(*first), std::string()});
  return TlsSource([renewed] { return (*renewed)(); });
}

}  // namespace duly
