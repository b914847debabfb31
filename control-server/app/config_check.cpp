#include "control-server/app/config_check.h"

#include "common/app/config_report.h"
#include "common/app/token_file.h"
#include "control-server/app/key_files.h"
#include "control-server/app/server_tls.h"
#include "control-server/store/store_header.h"

namespace duly {
namespace {

void check_keys(ConfigReport& report, const ServerConfig& config) {
  if (config.api_keys.empty()) {
    report.note("api-keys", "none: everybody who reaches --http may do everything");
  } else {
    const auto keys = read_api_keys(config.api_keys);
    report.check("api-keys", keys ? ok_status() : Status(keys.error()), config.api_keys);
  }
  if (config.agent_tokens.empty()) {
    report.note("agent-token-file", "none: every agent that reaches --link is let in");
  } else {
    const auto tokens = read_token_file(config.agent_tokens);
    report.check("agent-token-file", tokens ? ok_status() : Status(tokens.error()), config.agent_tokens);
  }
}

void check_tls(ConfigReport& report, const ServerTlsFiles& files) {
  if (files.certificate.empty())
    return report.note("tls-cert", "none: --http and --link speak in clear text");
  const auto tls = read_server_tls(files);
  report.check("tls-cert", tls ? ok_status() : Status(tls.error()), files.certificate);
}

void check_store(ConfigReport& report, const ServerConfig& config) {
  const Status folder = check_writable_folder(config.data);
  report.check("data", folder, config.data);
  if (!folder) return;
  const auto header = read_store_header(config.data + "/duly.db");
  if (!header) return report.bad("store", header.error().what);
  if (!*header) return report.good("store", "none yet: it is made at the start");
  const StoreHeader& found = **header;
  if (found.version < found.newest && found.has_log)
    return report.good(
        "store", "its log is not merged yet, and so its format not known: a server has it, or was killed");
  const std::string version = "format " + std::to_string(found.version);
  if (found.version == found.newest) return report.good("store", version);
  report.note("store", version + ": the start makes it " + std::to_string(found.newest) +
                           ", which older programs refuse; take a backup before");
}

}  // namespace

int check_config(const ServerConfig& config, bool connect) {
  ConfigReport report;
  report.good("http", format_host_port(config.http));
  report.good("link", format_host_port(config.link));
  check_keys(report, config);
  check_tls(report, config.tls);
  check_store(report, config);
  check_broker(report, config.rabbit, connect);
  return report.finish();
}

}  // namespace duly
