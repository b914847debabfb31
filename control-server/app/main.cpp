// duly-server: the control server.
#include <cstdio>
#include <string>

#include "common/app/common_options.h"
#include "common/app/options.h"
#include "common/app/signals.h"
#include "common/base/log.h"
#include "control-server/app/maintenance.h"
#include "control-server/app/server.h"

namespace {

using duly::OptionKind;

duly::OptionTable table() {
  duly::OptionTable t;
  t.program = "duly-server";
  t.summary =
      "the control server of Duly: owns the command store, leases shards to agents, serves the HTTP API";
  t.options = {
      {"http", OptionKind::text, "127.0.0.1:8080", "HTTP API, dashboard, metrics", "HOST:PORT"},
      {"link", OptionKind::text, "127.0.0.1:7070", "where agents connect", "HOST:PORT"},
      {"data", OptionKind::text, "./duly-data", "folder of the store (duly.db)", "DIR"},
      {"shards", OptionKind::integer, "64", "of a new store; cannot be changed later", "N", 1, 4096},
      {"lease-ttl-ms", OptionKind::integer, "5000", "an agent silent for this long has lost its shards", "N",
       200, 3'600'000},
      {"max-queued", OptionKind::integer, "10000",
       "most commands of one queue that wait unstarted in the broker", "N", 1, 10'000'000},
      {"api-keys", OptionKind::text, "",
       "who may ask the HTTP API: lines of name role sha256-of-key; read again on SIGHUP", "FILE"},
      {"agent-token-file", OptionKind::text, "",
       "what agents must say to be let in, one token a line; read again on SIGHUP", "FILE"},
      {"tls-cert", OptionKind::text, "",
       "speak TLS at --http and --link with this certificate (PEM, with its chain); read again on SIGHUP",
       "FILE"},
      {"tls-key", OptionKind::text, "", "the key of --tls-cert, readable by its owner only", "FILE"},
      {"tls-client-ca", OptionKind::text, "",
       "agents must show a certificate for their name, signed by one in here", "FILE"},
      {"tls-http-client-ca", OptionKind::text, "",
       "who asks the HTTP API must show a certificate signed by one in here", "FILE"},
      {"keep-ms", OptionKind::text, "604800000",
       "ended commands are removed after this time; least 60000, or never", "MS"},
      {"keep", OptionKind::repeated, "", "the same for one state or one type, repeatable", "STATE[:TYPE]=MS"},
      {"fault-injection", OptionKind::toggle, "false", "arms the crash simulation"},
      {"insecure", OptionKind::toggle, "false", "allow addresses beyond loopback without authentication"},
      {"clock",
       OptionKind::text,
       "system",
       "virtual: for tests, moved by POST /v1/clock/advance only",
       "CLOCK",
       INT64_MIN,
       INT64_MAX,
       {"system", "virtual"}},
      {"clock-start", OptionKind::text, "", "where the virtual clock begins (RFC 3339); else now", "INSTANT"},
      {"drain-ms", OptionKind::integer, "10000", "time for orderly leaving after SIGTERM", "N", 0, 3'600'000},
  };
  add_options(t, duly::broker_options());
  add_options(t, duly::log_options());
  t.max_arguments = 4;
  t.argument_help = "[backup FILE | restore FILE | keys new NAME ROLE]";
  return t;
}

[[noreturn]] void leave(int code, const std::string& line) {
  std::fprintf(stderr, "duly-server: %s\n", line.c_str());
  std::exit(code);
}

// `lacking` is what would have to be there for an address that others reach; empty = it is.
duly::HostPort address(const duly::Options& options, const char* flag, const std::string& lacking) {
  const auto parsed = duly::parse_host_port(options.text(flag));
  if (!parsed) leave(2, options.source(flag) + ": " + parsed.error().what);
  if (!duly::is_loopback(parsed->host) && !lacking.empty()) {
    const std::string what =
        "--" + std::string(flag) + " " + options.text(flag) + " is reachable from other machines";
    if (!options.on("insecure")) leave(1, what + ", and " + lacking + ": refused without --insecure");
    duly::log(duly::LogLevel::warn, "server", what + ", and " + lacking);
  }
  if (!duly::is_loopback(parsed->host) && !options.given("tls-cert"))
    duly::log(duly::LogLevel::warn, "server",
              "what is said at --" + std::string(flag) + ", keys too, can be read on its way: no --tls-cert");
  return *parsed;
}

// Empty = not given.  One that is given and empty would leave open what was to be shut.
std::string file_of(const duly::Options& options, const char* flag) {
  const std::string& path = options.text(flag);
  if (options.given(flag) && path.empty()) leave(2, options.source(flag) + " names no file");
  return path;
}

duly::ServerTlsFiles tls_files(const duly::Options& options) {
  duly::ServerTlsFiles files{file_of(options, "tls-cert"), file_of(options, "tls-key"),
                             file_of(options, "tls-client-ca"), file_of(options, "tls-http-client-ca")};
  if (!files.certificate.empty() && files.key.empty())
    leave(2, options.source("tls-cert") + " needs --tls-key");
  for (const char* flag : {"tls-key", "tls-client-ca", "tls-http-client-ca"}) {
    if (options.given(flag) && files.certificate.empty())
      leave(2, options.source(flag) + " needs --tls-cert");
  }
  return files;
}

std::optional<std::int64_t> clock_start(const duly::Options& options) {
  if (options.text("clock") != "virtual") {
    if (options.given("clock-start")) leave(2, options.source("clock-start") + " needs --clock virtual");
    return std::nullopt;
  }
  if (!options.given("clock-start")) return duly::to_ms(duly::machine_wall());
  const auto start = duly::parse_instant(options.text("clock-start"));
  if (!start) leave(2, options.source("clock-start") + " must be an RFC 3339 instant");
  return start;
}

duly::ServerConfig configuration(const duly::Options& options) {
  duly::ServerConfig config;
  config.api_keys = file_of(options, "api-keys");
  config.agent_tokens = file_of(options, "agent-token-file");
  config.tls = tls_files(options);
  const bool agents_known = !config.agent_tokens.empty() || !config.tls.link_clients.empty();
  config.http = address(options, "http", config.api_keys.empty() ? "there are no --api-keys" : "");
  config.link =
      address(options, "link", agents_known ? "" : "there is neither --agent-token-file nor --tls-client-ca");
  config.data = options.text("data");
  config.rabbit.url = options.text("amqp");
  config.rabbit.ca_file = options.text("amqp-ca");
  if (options.text("queue-type") == "classic") config.rabbit.queue_type = duly::QueueType::classic;
  config.shards = static_cast<int>(options.integer("shards"));
  config.shards_given = options.given("shards");
  config.engine.lease_ttl = duly::milliseconds{options.integer("lease-ttl-ms")};
  config.engine.max_queued = options.integer("max-queued");
  auto retention = duly::read_retention(options.text("keep-ms"), options.list("keep"));
  if (!retention) leave(2, retention.error().what);
  config.engine.removal.retention = std::move(*retention);
  config.fault_injection = options.on("fault-injection");
  config.any_host = !duly::is_loopback(config.http.host);
  config.clock_start_ms = clock_start(options);
  config.drain = duly::milliseconds{options.integer("drain-ms")};
  return config;
}

}  // namespace

int main(int argc, char** argv) {
  const duly::Options options = duly::parse_options_or_exit(table(), argc, argv);
  duly::configure_logging(options);
  if (!options.arguments().empty()) return duly::run_maintenance(options);
  duly::ServerConfig config = configuration(options);
  duly::AsioLoop loop;
  std::unique_ptr<duly::Server> server;
  const auto drain = [&] {
    if (server) server->drain();
  };
  const auto reload = [&] {
    if (server) server->reload();
  };
  // With nothing to read again SIGHUP ends the process as ever.
  const bool reads =
      !config.api_keys.empty() || !config.agent_tokens.empty() || !config.tls.certificate.empty();
  const duly::Signals signals(loop, drain,
                              reads ? duly::Signals::Callback(reload) : duly::Signals::Callback());
  auto started = duly::Server::start(loop, std::move(config));
  if (!started) leave(1, started.error().what);
  server = std::move(*started);
  loop.run();
  server.reset();
  return 0;
}
