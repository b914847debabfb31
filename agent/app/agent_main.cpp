#include "agent/app/agent_main.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "agent/app/agent_metrics.h"
#include "agent/app/agent_spans.h"
#include "agent/app/config_check.h"
#include "agent/app/link_tls.h"
#include "agent/app/metrics_server.h"
#include "agent/handlers/builtins.h"
#include "agent/handlers/worker_pool.h"
#include "agent/link/agent_node.h"
#include "common/amqp/rabbit_broker.h"
#include "common/app/common_options.h"
#include "common/app/crash.h"
#include "common/app/host_port.h"
#include "common/app/options.h"
#include "common/app/service_manager.h"
#include "common/app/signals.h"
#include "common/app/token_file.h"
#include "common/base/log.h"
#include "common/link/asio_link.h"
#include "common/model/limits.h"
#include "common/trace/span_exporter.h"

namespace duly {
namespace {

constexpr Duration kConnectLimit = seconds{3};
constexpr Duration kSpansTime = seconds{2};  // for the last spans, at the end
constexpr Duration kLastWords = milliseconds{50};

OptionTable table() {
  OptionTable t;
  t.program = "duly-agent";
  t.summary = "an agent of Duly: publishes the due commands of its shards, and executes commands";
  t.options = {
      {"link", OptionKind::list, "127.0.0.1:7070", "control servers, tried in turn", "HOST:PORT,..."},
      {"name", OptionKind::text, "", "unique among live agents (default: host name and random letters)",
       "NAME"},
      {"roles",
       OptionKind::list,
       "dispatch,execute",
       "dispatch: hold shards and publish; execute: consume and run",
       "ROLE,...",
       INT64_MIN,
       INT64_MAX,
       {"dispatch", "execute"}},
      {"queues", OptionKind::list, "default", "queues that the execute role consumes", "NAME,..."},
      {"concurrency", OptionKind::integer, "64", "commands run at once", "N", 1, limits::kConcurrency},
      {"prefetch", OptionKind::integer, "0", "deliveries waiting for a permit (default: as concurrency)", "N",
       0, 2000},
      {"append-dir", OptionKind::text, "", "where builtin.append may write", "DIR"},
      {"allow-exec", OptionKind::repeated, "", "what builtin.exec may run (absolute path)", "PROGRAM"},
      {"allow-http", OptionKind::repeated, "",
       "where builtin.http may send requests: https://host/path and what lies below it", "PREFIX"},
      {"allow-http-internal", OptionKind::toggle, "false",
       "names in --allow-http may lead to this machine and to private networks"},
      {"http-ca", OptionKind::text, "",
       "who may have signed certificates, in place of whom the system trusts", "FILE"},
      {"agent-token-file", OptionKind::text, "",
       "what to say to the server to be let in: the first line of it", "FILE"},
      {"tls-ca", OptionKind::text, "",
       "speak TLS at the link, with a server whose certificate is signed by one in here (system: whom the "
       "system trusts)",
       "FILE"},
      {"tls-cert", OptionKind::text, "",
       "certificate to show to the server (PEM, with its chain): it must speak for --name; read again for "
       "each connection",
       "FILE"},
      {"tls-key", OptionKind::text, "", "the key of --tls-cert, readable by its owner only", "FILE"},
      {"fault-injection", OptionKind::toggle, "false", "arms the crash simulation"},
      {"drain-ms", OptionKind::integer, "10000", "time for orderly leaving after SIGTERM", "N", 0, 3'600'000},
      {"metrics", OptionKind::text, "", "serve /metrics (Prometheus) and /healthz there", "HOST:PORT"},
      {"metrics-token-file", OptionKind::text, "",
       "what /metrics must be asked with, Authorization: Bearer TOKEN; one token a line", "FILE"},
      {"insecure", OptionKind::toggle, "false",
       "allow --metrics beyond loopback without --metrics-token-file"},
  };
  add_options(t, broker_options());
  add_options(t, log_options());
  add_options(t, trace_options());
  t.options.push_back(
      {"connect", OptionKind::toggle, "false", "config check: see whether the broker lets us in, too"});
  t.max_arguments = 2;
  t.argument_help = "[config check | man]";
  t.words = {{"config check",
              "Says what a start with these flags would find, and changes nothing: 0 = it would start."},
             {"man", "Prints this page."}};
  return t;
}

[[noreturn]] void leave(int code, const std::string& line) {
  std::fprintf(stderr, "duly-agent: %s\n", line.c_str());
  std::exit(code);
}

std::vector<std::pair<std::string, std::uint16_t>> servers(const Options& options) {
  std::vector<std::pair<std::string, std::uint16_t>> addresses;
  for (const std::string& text : options.list("link")) {
    const auto parsed = parse_host_port(text);
    if (!parsed) leave(2, options.source("link") + ": " + parsed.error().what);
    addresses.emplace_back(parsed->host, parsed->port);
  }
  if (addresses.empty()) leave(2, options.source("link") + ": names no server");
  return addresses;
}

TlsSource tls_of_link(const Options& options) {
  auto tls = link_tls(options);
  if (!tls) leave(tls.error().code == Errc::invalid ? 2 : 1, tls.error().what);
  return std::move(*tls);
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "agent";
  std::string text = name;
  for (char& c : text) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    if (!fine) c = '-';
  }
  return text.substr(0, 64);
}

AgentConfig configuration(const Options& options) {
  std::random_device entropy;
  AgentConfig config;
  config.incarnation = {static_cast<std::uint64_t>(entropy()) << 32 | entropy()};
  config.name = options.text("name");
  if (config.name.empty()) {
    char suffix[16];
    std::snprintf(suffix, sizeof suffix, "-%06x",
                  static_cast<unsigned>(config.incarnation.value & 0xFFFFFFU));
    config.name = host_name() + suffix;
  }
  config.dispatch = config.execute = false;
  for (const std::string& role : options.list("roles"))
    (role == "dispatch" ? config.dispatch : config.execute) = true;
  config.queues = options.list("queues");
  config.concurrency = static_cast<int>(options.integer("concurrency"));
  const auto prefetch = static_cast<int>(options.integer("prefetch"));
  config.prefetch = prefetch > 0 ? prefetch : std::min(config.concurrency, 2000);
  config.version = DULY_VERSION;
  config.fault_injection = options.on("fault-injection");
  if (options.given("agent-token-file")) {
    const auto tokens = read_token_file(options.text("agent-token-file"));
    if (!tokens) leave(1, "--agent-token-file " + tokens.error().what);
    config.token = tokens->front();
  }
  return config;
}

HttpHandlerConfig http_jobs(const Options& options) {
  HttpHandlerConfig config;
  auto allowed = AllowedUrls::parse(options.list("allow-http"));
  if (!allowed) leave(2, options.source("allow-http") + ": " + allowed.error().what);
  config.allowed = std::move(*allowed);
  HttpClientConfig client;
  client.ca_file = options.text("http-ca");
  client.inner_networks = options.on("allow-http-internal");
  client.body_bytes = limits::kHttpJobBodyBytes;
  auto made = HttpClient::make(std::move(client));
  if (!made) leave(1, options.source("http-ca") + ": " + made.error().what);
  config.client = std::move(*made);
  config.circuits = std::make_shared<CircuitBoard>();
  return config;
}

RabbitConfig rabbit_configuration(const Options& options, const std::string& name) {
  RabbitConfig config;
  config.urls = options.list("amqp");
  config.ca_file = options.text("amqp-ca");
  config.cert_file = options.text("amqp-cert");
  config.key_file = options.text("amqp-key");
  config.connection_name = "duly-agent " + name;
  if (options.text("queue-type") == "classic") config.queue_type = QueueType::classic;
  if (const Status fine = check_rabbit_config(config); !fine)
    leave(2, options.source("amqp") + ": " + fine.error().what);
  return config;
}

// Nothing = none is wanted.
std::unique_ptr<MetricsServer> serve_metrics(const Options& options, AsioLoop& loop,
                                             std::function<std::string()> metrics) {
  if (options.text("metrics").empty()) {
    if (options.given("metrics-token-file"))
      leave(2, options.source("metrics-token-file") + " needs --metrics");
    return nullptr;
  }
  const auto address = parse_host_port(options.text("metrics"));
  if (!address) leave(2, options.source("metrics") + ": " + address.error().what);
  ScrapeDoor door;
  door.loopback_only = is_loopback(address->host);
  if (options.given("metrics-token-file")) {
    const auto tokens = read_token_file(options.text("metrics-token-file"));
    if (!tokens) leave(1, "--metrics-token-file " + tokens.error().what);
    for (const std::string& token : *tokens) door.tokens.push_back(sha256(token));
  }
  const std::string where = "--metrics " + options.text("metrics");
  if (!door.loopback_only && door.tokens.empty()) {
    const std::string open =
        where + " is reachable from other machines, and there is no --metrics-token-file";
    if (!options.on("insecure")) leave(1, open + ": refused without --insecure");
    log(LogLevel::warn, "agent", open);
  }
  auto server = MetricsServer::listen(loop, *address, std::move(door), std::move(metrics));
  if (!server) leave(1, where + ": " + server.error().what);
  log(LogLevel::info, "agent", "metrics", {{"host", address->host}, {"port", (*server)->port()}});
  return std::move(*server);
}

// What heartbeats tell of the circuits: those that are not closed.
std::vector<OpenCircuit> open_circuits(const CircuitBoard& board) {
  std::vector<OpenCircuit> open;
  for (const CircuitView& circuit : board.view()) {
    if (circuit.state != CircuitState::closed && open.size() < limits::kCircuitsTold)
      open.push_back({circuit.target, circuit.state == CircuitState::half_open});
  }
  return open;
}

// Null = none are wanted.
std::unique_ptr<SpanExporter> export_spans(const Options& options, const std::string& name) {
  if (options.text("otlp").empty()) return nullptr;
  SpanExporter::Config config;
  config.endpoint = options.text("otlp");
  config.source = {"duly-agent", name};
  auto exporter = SpanExporter::start(std::move(config));
  if (!exporter) leave(2, options.source("otlp") + ": " + exporter.error().what);
  return std::move(*exporter);
}

std::string_view outcome_of(const HandlerResult& result) {
  if (result.succeeded) return name_of(AttemptOutcome::succeeded);
  return name_of(result.handed_back ? AttemptOutcome::handed_back : AttemptOutcome::failed);
}

void log_begin(const Execution& e) {
  if (!log_enabled(LogLevel::debug)) return;
  log(LogLevel::debug, "agent", "attempt begins",
      {{"command", e.id},
       {"attempt", e.attempt},
       {"type", e.type},
       {"queue", e.queue},
       {"trace_id", e.trace ? e.trace->trace_id() : ""}});
}

// Not the error: it is the handler's, and may tell of the payload.
void log_end(const AttemptRef& ref, const HandlerResult& result) {
  if (!log_enabled(LogLevel::debug)) return;
  log(LogLevel::debug, "agent", "attempt ended",
      {{"command", ref.id}, {"attempt", ref.attempt}, {"outcome", outcome_of(result)}});
}

// `spans` null = none are exported.
void trace_publishes(AgentPorts& p, AgentSpans* spans) {
  if (spans == nullptr) return;
  p.publishing = [spans](PublishTicket ticket, HandOutItem& item) { spans->publishing(ticket, item); };
  p.settled = [spans](const std::vector<SettledPublish>& results) { spans->settled(results); };
}

// Ties the node to the pool and to the crash points.
AgentPorts ports(WorkerPool& pool, std::unique_ptr<AgentNode>& node, CrashPoints& crash, bool armed,
                 AgentSpans* spans) {
  AgentPorts p;
  trace_publishes(p, spans);
  p.run = [&pool, &node, spans](Execution execution) {
    log_begin(execution);
    if (spans != nullptr) spans->begin(execution);
    pool.run(std::move(execution), [&node, spans](const AttemptRef& ref, HandlerResult result) {
      log_end(ref, result);
      if (spans != nullptr) spans->end(ref, {std::string(outcome_of(result)), result.error});
      node->handler_done(ref, {result.succeeded, result.retryable, std::move(result.error),
                               std::move(result.result), result.retry_after_ms, result.handed_back});
    });
  };
  p.stop = [&pool, spans](const AttemptRef& ref, const std::string& reason) {
    if (spans != nullptr) spans->stop(ref, reason);
    pool.cancel(ref, reason);
  };
  if (armed) {
    p.passed = [&crash](const char* point) { crash.pass(point); };
    p.strike = [&crash](const Strike& strike) {
      if (const Status done = crash.arm(strike); !done) log(LogLevel::warn, "agent", done.error().what);
    };
  }
  return p;
}

int say_manual(const std::vector<std::string>& words) {
  if (words != std::vector<std::string>{"man"})
    leave(2, "'" + words[0] + "' is not understood: config check or man");
  std::fputs(manual_page(table()).c_str(), stdout);
  return 0;
}

}  // namespace

int run_agent(int argc, char** argv, HandlerRegistry& handlers) {
  const Options options = parse_options_or_exit(table(), argc, argv);
  configure_logging(options);
  const bool checks = options.arguments() == std::vector<std::string>{"config", "check"};
  if (!options.arguments().empty() && !checks) return say_manual(options.arguments());
  const AgentConfig config = configuration(options);
  const BuiltinConfig builtins{options.text("append-dir"), options.list("allow-exec"), http_jobs(options)};
  AsioLoop loop;
  LinkConnector connector = asio_connector(loop, servers(options), kConnectLimit, tls_of_link(options));
  if (checks)
    return check_config(builtins, rabbit_configuration(options, config.name), options.on("connect"));
  if (const Status registered = register_builtins(handlers, builtins); !registered)
    leave(1, registered.error().what);
  ServiceManager manager(process_environment(), ::getpid());
  std::unique_ptr<AgentNode> node;
  const Duration drain = milliseconds{options.integer("drain-ms")};
  const Signals signals(loop, [&] {
    log(LogLevel::info, "agent", "draining");
    manager.stopping();
    // What was said last still has to go out.
    node->drain(drain, [&loop] { loop.at(loop.now() + kLastWords, [&loop] { loop.stop(); }); });
  });
  WorkerPool pool(loop, handlers, config.concurrency);
  RabbitBroker broker(loop, rabbit_configuration(options, config.name));
  CrashPoints crash(agent_crash_points(), [&](Duration pause) {
    loop.post([&, pause] {
      node->drop_link(pause);
      broker.drop_connections(pause);
    });
  });
  const auto exporter = export_spans(options, config.name);
  std::optional<AgentSpans> spans;
  if (exporter)
    spans.emplace(
        loop, [&](Span span) { exporter->add(std::move(span)); }, mix(config.incarnation.value));
  AgentPorts links = ports(pool, node, crash, config.fault_injection, spans ? &*spans : nullptr);
  links.circuits = [circuits = builtins.http.circuits] { return open_circuits(*circuits); };
  node = std::make_unique<AgentNode>(loop, std::move(connector), broker, std::move(links), config);
  const auto metrics = serve_metrics(options, loop, [&] {
    const auto counts = exporter ? exporter->counts() : SpanCounts{};
    return agent_metrics_text(node->stats(), builtins.http.circuits->view(), counts);
  });
  log(LogLevel::info, "agent", "starting", {{"name", config.name}, {"version", config.version}});
  loop.post([&] {
    node->start();
    manager.ready();
    manager.watch(loop, {});
  });
  loop.run();
  log(LogLevel::info, "agent", "leaving");
  // A handler that does not stop must not keep the process: its attempt was handed back or will be declared
  // lost.
  const bool quiet = pool.stop(seconds{1});
  node.reset();  // the server hears at once that it is gone, and not when the last spans are out
  const bool told = !exporter || exporter->stop(kSpansTime);
  if (!quiet || !told) ::_exit(0);
  return 0;
}

}  // namespace duly
