// duly-server: the control server.
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "common/app/common_options.h"
#include "common/app/options.h"
#include "common/app/service_manager.h"
#include "common/app/signals.h"
#include "common/app/token_file.h"
#include "common/base/log.h"
#include "control-server/app/config_check.h"
#include "control-server/app/maintenance.h"
#include "control-server/app/server.h"

namespace {

using duly::OptionKind;

constexpr duly::Duration kSpansTime = duly::seconds{2};  // for the last spans, at the end

// Who may do what, and how it is known who it is.
std::vector<duly::OptionSpec> access_options() {
  return {
      {"api-keys", OptionKind::text, "",
       "who may ask the HTTP API: lines of name role sha256-of-key; read again on SIGHUP", "FILE"},
      {"api-rate", OptionKind::text, "none",
       "how often each of --api-keys may ask that has no rate of its own: 200/s, 1000/min:50, none", "RATE"},
      {"agent-token-file", OptionKind::text, "",
       "what agents must say to be let in, one token a line; read again on SIGHUP", "FILE"},
      {"callback-secret-file", OptionKind::text, "",
       "signs callbacks, one secret a line; without it nobody is called back", "FILE"},
      {"allow-callback", OptionKind::repeated, "",
       "where callbacks may go: https://host/path and what lies below it", "PREFIX"},
      {"allow-callback-internal", OptionKind::toggle, "false",
       "names in --allow-callback may lead to this machine and to private networks"},
      {"callback-ca", OptionKind::text, "",
       "who may have signed receivers' certificates, in place of whom the system trusts", "FILE"},
      {"tls-cert", OptionKind::text, "",
       "speak TLS at --http and --link with this certificate (PEM, with its chain); read again on SIGHUP",
       "FILE"},
      {"tls-key", OptionKind::text, "", "the key of --tls-cert, readable by its owner only", "FILE"},
      {"tls-client-ca", OptionKind::text, "",
       "agents must show a certificate for their name, signed by one in here", "FILE"},
      {"tls-http-client-ca", OptionKind::text, "",
       "who asks the HTTP API must show a certificate signed by one in here", "FILE"},
  };
}

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
      {"keep-ms", OptionKind::text, "604800000",
       "ended commands are removed after this time; least 60000, or never", "MS"},
      {"keep", OptionKind::repeated, "", "the same for one state or one type, repeatable", "STATE[:TYPE]=MS"},
      {"events",
       OptionKind::text,
       "on",
       "state changes go to the exchange duly.events",
       "SWITCH",
       INT64_MIN,
       INT64_MAX,
       {"on", "off"}},
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
  add_options(t, access_options());
  add_options(t, duly::broker_options());
  t.options.push_back({"amqp-management", OptionKind::text, "",
                       "RabbitMQ's management API, asked whether settings of queues lose messages", "URL"});
  add_options(t, duly::log_options());
  add_options(t, duly::trace_options());
  t.options.push_back({"otlp-sample", OptionKind::text, "0.01",
                       "share of the commands without a trace that get one (with --otlp), 0 to 1", "RATIO"});
  t.options.push_back(
      {"connect", OptionKind::toggle, "false", "config check: see whether the broker lets us in, too"});
  t.max_arguments = 5;
  t.argument_help = "[backup FILE | restore FILE | keys new NAME ROLE [rate=RATE] | config check | man]";
  t.words = {{"backup FILE", "Makes a consistent copy of the store in --data, also beside a running server."},
             {"restore FILE", "Puts such a copy in the place of the store, as a new generation."},
             {"keys new NAME ROLE [rate=RATE]",
              "Prints a new API key once, and its line for the file of --api-keys."},
             {"config check",
              "Says what a start with these flags would find, and changes nothing: 0 = it would start."},
             {"man", "Prints this page."}};
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

double ratio(const duly::Options& options, const char* flag) {
  const std::string& text = options.text(flag);
  double value = -1;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  if (!whole || !(value >= 0 && value <= 1)) leave(2, options.source(flag) + " must be a number from 0 to 1");
  return value;
}

// Null = none are wanted.
std::unique_ptr<duly::SpanExporter> export_spans(const duly::Options& options, duly::ServerConfig& server) {
  server.engine.trace.sample = ratio(options, "otlp-sample");
  if (options.text("otlp").empty()) {
    if (options.given("otlp-sample")) leave(2, options.source("otlp-sample") + " needs --otlp");
    return nullptr;
  }
  duly::SpanExporter::Config config;
  config.endpoint = options.text("otlp");
  config.source = {"duly-server", format_host_port(server.http)};
  auto exporter = duly::SpanExporter::start(std::move(config));
  if (!exporter) leave(2, options.source("otlp") + ": " + exporter.error().what);
  server.engine.trace.exported = true;
  std::random_device random;
  server.engine.trace.seed = std::uint64_t{random()} << 32 | random();
  server.spans = exporter->get();
  return std::move(*exporter);
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

duly::RequestRate api_rate(const duly::Options& options) {
  if (options.given("api-rate") && !options.given("api-keys"))
    leave(2, options.source("api-rate") + " needs --api-keys");
  const auto rate = duly::RequestRate::parse(options.text("api-rate"));
  if (!rate) leave(2, options.source("api-rate") + ": " + rate.error().what);
  return *rate;
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

// Null when nobody is to be called back.
std::shared_ptr<const duly::CallbackConfig> callbacks(const duly::Options& options) {
  const std::string file = file_of(options, "callback-secret-file");
  if (file.empty() && options.given("allow-callback"))
    leave(2, options.source("allow-callback") + " needs --callback-secret-file");
  if (file.empty()) return nullptr;
  auto config = std::make_shared<duly::CallbackConfig>();
  auto secrets = duly::read_token_file(file);
  if (!secrets) leave(1, "--callback-secret-file " + secrets.error().what);
  config->secrets = std::move(*secrets);
  auto allowed = duly::AllowedUrls::parse(options.list("allow-callback"));
  if (!allowed) leave(2, options.source("allow-callback") + ": " + allowed.error().what);
  config->allowed = std::move(*allowed);
  duly::HttpClientConfig client;
  client.ca_file = options.text("callback-ca");
  client.inner_networks = options.on("allow-callback-internal");
  auto made = duly::HttpClient::make(std::move(client));
  if (!made) leave(1, options.source("callback-ca") + ": " + made.error().what);
  config->client = std::move(*made);
  return config;
}

duly::ServerConfig configuration(const duly::Options& options) {
  duly::ServerConfig config;
  config.api_keys = file_of(options, "api-keys");
  config.api_rate = api_rate(options);
  config.agent_tokens = file_of(options, "agent-token-file");
  config.tls = tls_files(options);
  const bool agents_known = !config.agent_tokens.empty() || !config.tls.link_clients.empty();
  config.http = address(options, "http", config.api_keys.empty() ? "there are no --api-keys" : "");
  config.link =
      address(options, "link", agents_known ? "" : "there is neither --agent-token-file nor --tls-client-ca");
  config.data = options.text("data");
  config.rabbit.urls = options.list("amqp");
  config.rabbit.ca_file = options.text("amqp-ca");
  config.rabbit.cert_file = options.text("amqp-cert");
  config.rabbit.key_file = options.text("amqp-key");
  if (options.text("queue-type") == "classic") config.rabbit.queue_type = duly::QueueType::classic;
  if (const duly::Status fine = duly::check_rabbit_config(config.rabbit); !fine)
    leave(2, options.source("amqp") + ": " + fine.error().what);
  config.amqp_management = options.text("amqp-management");
  config.shards = static_cast<int>(options.integer("shards"));
  config.shards_given = options.given("shards");
  config.engine.lease_ttl = duly::milliseconds{options.integer("lease-ttl-ms")};
  config.engine.max_queued = options.integer("max-queued");
  auto retention = duly::read_retention(options.text("keep-ms"), options.list("keep"));
  if (!retention) leave(2, retention.error().what);
  config.engine.removal.retention = std::move(*retention);
  config.callbacks = callbacks(options);
  config.events = options.text("events") == "on";
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
  using Words = std::vector<std::string>;
  if (options.arguments() == Words{"config", "check"})
    return duly::check_config(configuration(options), options.on("connect"));
  if (options.arguments() == Words{"man"}) {
    std::fputs(duly::manual_page(table()).c_str(), stdout);
    return 0;
  }
  if (!options.arguments().empty()) return duly::run_maintenance(options);
  duly::ServerConfig config = configuration(options);
  duly::AsioLoop loop;
  duly::ServiceManager manager(duly::process_environment(), ::getpid());
  std::unique_ptr<duly::Server> server;
  const auto drain = [&] {
    manager.stopping();
    if (server) server->drain();
  };
  const auto reload = [&] {
    manager.reloading();
    if (server) server->reload();
    manager.ready();
  };
  // With nothing to read again SIGHUP ends the process as ever, unless it is how a manager says "reload".
  const bool reads = manager.there() || !config.api_keys.empty() || !config.agent_tokens.empty() ||
                     !config.tls.certificate.empty();
  const duly::Signals signals(loop, drain,
                              reads ? duly::Signals::Callback(reload) : duly::Signals::Callback());
  const auto spans = export_spans(options, config);  // a thread: after the signals that it must not take
  auto started = duly::Server::start(loop, std::move(config));
  if (!started) leave(1, started.error().what);
  server = std::move(*started);
  manager.ready();
  manager.watch(loop, {&server->engine_loop()});
  loop.run();
  server.reset();
  if (spans && !spans->stop(kSpansTime)) ::_exit(0);
  return 0;
}
