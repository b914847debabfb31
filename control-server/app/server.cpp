#include "control-server/app/server.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <random>
#include <utility>

#include "common/app/token_file.h"
#include "common/base/log.h"
#include "control-server/app/key_files.h"
#include "control-server/app/producer_span.h"

namespace duly {
namespace {

constexpr int kFatalStore = 70;  // EX_SOFTWARE: the outcome of a commit is unknown, recovery decides

std::string random_hex() {
  std::random_device random;
  char text[17];
  std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

}  // namespace

Server::Server(AsioLoop& loop, ServerConfig config)
    : loop_(loop), config_(std::move(config)), doorkeeper_(loop) {}

Server::~Server() { finish(); }

Result<std::unique_ptr<Server>> Server::start(AsioLoop& loop, ServerConfig config) {
  std::unique_ptr<Server> server(new Server(loop, std::move(config)));
  if (const Status opened = server->open(); !opened) return opened.error();
  if (const Status watching = server->watch_queues(); !watching) return watching.error();
  server->start_engine();
  if (const Status listening = server->listen(); !listening) return listening.error();
  server->start_broker();
  return server;
}

Status Server::open() {
  if (const Status keys = read_keys(); !keys) return keys;
  auto folder = DataFolder::open(config_.data);
  if (!folder) return folder.error();
  folder_ = std::move(*folder);
  disk_ = std::make_unique<DiskGuard>(folder_->path());
  auto store = Store::open({folder_->store(), "", config_.shards, config_.shards_given});
  if (!store) return store.error();
  store_ = std::move(*store);
  auto reader = Reader::open(folder_->store());
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  if (config_.clock_start_ms) {
    clock_ = std::make_unique<VirtualClock>(wall_from_ms(*config_.clock_start_ms));
    loop_.use_clock(*clock_);
    engine_loop_.use_clock(*clock_);
    // Agents wait in their own time, which goes on: what is handed over early would come early.
    config_.engine.look_ahead = Duration{0};
  }
  return ok_status();
}

void Server::start_engine() {
  crash_ = std::make_unique<CrashPoints>(
      server_crash_points(), [this](Duration pause) { loop_.post([this, pause] { disconnect(pause); }); });
  EngineConfig engine = config_.engine;
  if (const auto callbacks = config_.callbacks)
    engine.callbacks.origin_of = [callbacks](const std::string& url) {
      return callback_origin(callbacks->allowed, url);
    };
  if (config_.fault_injection) {
    engine.before_commit = [this] { crash_->pass("store.before-commit"); };
    engine.after_commit = [this] { crash_->pass("store.after-commit"); };
  }
  EnginePorts ports;
  ports.release = [this](std::vector<Effect>&& effects) {
    if (effects.empty()) return;
    loop_.post([this, batch = std::make_shared<std::vector<Effect>>(std::move(effects))] {
      release(std::move(*batch));
    });
  };
  ports.disk_low = [this](std::int64_t bytes) { return disk_->low(bytes); };
  ports.refused_full = [this](std::vector<ReplyTo>&& replies) {
    disk_->full();
    loop_.post([this, replies = std::move(replies)] { refused_full(replies); });
  };
  ports.fatal = [](const Error& error) {
    log(LogLevel::error, "server", "the store failed; ending so that recovery can decide",
        {{"error", error.what}});
    ::_exit(kFatalStore);
  };
  host_ = std::make_unique<EngineHost>(engine_loop_, *store_, std::move(engine), std::move(ports));
  const auto submit = [this](Input&& input) { return host_->submit(std::move(input)); };
  desk_ = std::make_unique<Desk>(loop_, submit);
  links_ = std::make_unique<LinkServer>(submit);
}

void Server::make_api() {
  events_ = std::make_unique<EventHub>(loop_, random_hex(),
                                       [this](CommandId id) { return reader_->workflow_of(id); });
  events_->learn(store_->names());
  outlet_.learn(store_->names());
  history_ = std::make_unique<StatsHistory>(loop_, *desk_);
  api_ = std::make_unique<Api>(Api{*desk_, *reader_, loop_});
  api_->history = history_.get();
  api_->fault_injection = config_.fault_injection;
  if (config_.fault_injection) api_->before_reply = [this] { crash_->pass("api.before-reply"); };
  api_->strike_server = [this](const Strike& s) { strike(s); };
  api_->clock = clock_.get();
  api_->events = events_.get();
  api_->doorkeeper = &doorkeeper_;
  api_->edge = [this] { return edge_stats(); };
  api_->stats_at_hand = [this] { return host_->stats_at_hand(); };
  if (queue_watch_) api_->queue_check = [this] { return queue_check(); };
  api_->link_listening = [this] { return listener_ != nullptr; };
  router_ = std::make_unique<Router>(make_router(*api_));
}

Status Server::listen_for_http() {
  HttpConfig http;
  http.request_id_seed = std::uint64_t{std::random_device{}()} << 32;
  if (!config_.any_host) http.allowed_hosts = loopback_hosts();
  http.tls = tls_.http;
  if (http.tls) http.connections = kHttpsConnections;
  HttpHandlers handlers;
  handlers.handle = [this](HttpRequest request, Respond respond) {
    router_->handle(std::move(request), std::move(respond));
  };
  handlers.max_body = max_request_body;
  handlers.body_optional = body_is_optional;
  handlers.refuse_early = [this](std::string_view method, std::string_view target, const auto& fields,
                                 const std::string& peer) {
    return router_->refuse_early(method, target, fields, peer);
  };
  auto server =
      HttpServer::listen(loop_, config_.http.host, config_.http.port, std::move(http), std::move(handlers));
  if (!server) return Error{server.error().code, "--http: " + server.error().what};
  http_ = std::move(*server);
  return ok_status();
}

// The store is still this thread's: the engine's begins at the end.
Status Server::listen() {
  if (const Status tokens = read_tokens(); !tokens) return tokens;
  if (const Status tls = read_tls(); !tls) return tls;
  if (!config_.tls.link_clients.empty()) links_->require_certificates();
  make_api();
  if (const Status http = listen_for_http(); !http) return http;
  if (const Status link = open_link(); !link) return Error{link.error().code, "--link: " + link.error().what};
  config_.link.port = listener_->port();
  engine_loop_.post([this] { host_->start(); });
  history_->start();
  engine_thread_ = std::thread([this] { engine_loop_.run(); });
  log(LogLevel::info, "server", "ready",
      {{"http", format_host_port({config_.http.host, http_->port()})},
       {"link", format_host_port(config_.link)},
       {"data", folder_->path()},
       {"shards", store_->shards()}});
  return ok_status();
}

Status Server::open_link() {
  const auto accepted = [this](std::unique_ptr<Link> link) { links_->accepted(std::move(link)); };
  auto listener = AsioListener::open(loop_, config_.link.host, config_.link.port, accepted, tls_.link);
  if (!listener) return listener.error();
  listener_ = std::move(*listener);
  return ok_status();
}

void Server::start_broker() {
  config_.rabbit.connection_name = "duly-server";
  config_.rabbit.largest_body = limits::kMessageBytes;
  broker_ = std::make_unique<RabbitBroker>(loop_, config_.rabbit);
  make_intake();
  BrokerEvents events;
  events.publisher_state = [this](bool up) {
    broker_up_ = up;
    tell_engine(BrokerState{up});
  };
  events.publisher_blocked = [](bool) {};
  events.settled = [this](const std::vector<SettledPublish>& results) {
    for (const SettledPublish& result : results) settled(result);
  };
  events.consumer_up = [] {};
  events.consumer_down = [this] { intake_->consumer_down(); };
  events.deliveries = [this](std::vector<Delivery> all) { intake_->delivered(std::move(all)); };
  events.inspected = [this](const QueueDepth& depth) { tell_engine(QueueInspected{depth}); };
  broker_->start(std::move(events));
  // Queues of commands that are already stored; later ones come as effects.
  tell_engine(EnsureQueues{});
  broker_->consume(Intake::kSubmitQueue, limits::kSubmitPrefetch);
  broker_->consume(Intake::kResultQueue, limits::kResultPrefetch);
  if (config_.events) start_notifier();
  if (config_.callbacks) start_callbacks();
}

void Server::make_intake() {
  Intake::Ports ports;
  ports.submit = [this](Input&& input) { return host_->submit(std::move(input)); };
  ports.acknowledge = [this](std::uint64_t generation, std::uint64_t tag) {
    broker_->settle(generation, tag, Settle::ack);
  };
  ports.publish = [this](PublishTicket ticket, AmqpMessage message) {
    broker_->publish(ticket, std::move(message));
  };
  intake_ = std::make_unique<Intake>(loop_, std::move(ports));
}

Status Server::watch_queues() {
  if (config_.amqp_management.empty()) return ok_status();
  auto watch =
      QueueWatch::start(config_.amqp_management, config_.rabbit.urls.front(), config_.rabbit.ca_file);
  if (!watch) return Error{watch.error().code, "--amqp-management " + watch.error().what};
  queue_watch_ = std::move(*watch);
  return ok_status();
}

// For /readyz, which everybody may ask: without names.
std::string Server::queue_check() const {
  const QueueReport report = queue_watch_->report();
  if (!report.asked) return "degraded: not asked for yet";
  if (!report.failure.empty()) return "degraded: the settings of queues are not known, see the log";
  if (report.problems == 0) return "ok";
  return "degraded: " + std::to_string(report.problems) + " settings of queues lose messages, see the log";
}

void Server::settled(const SettledPublish& result) {
  if (Intake::owns_ticket(result.ticket)) {
    intake_->settled(result);
  } else {
    tell_engine(DeadLetterSettled{result.ticket, result.outcome});
  }
}

void Server::tell_engine(Input input) {
  if (host_->submit(std::move(input))) return;
  // The mailbox is full: say it again when it has been worked on.  `input` is untouched.
  loop_.at(loop_.now() + milliseconds{10}, [this, again = std::move(input)] { tell_engine(again); });
}

// ---- effects
// ---------------------------------------------------------------------------------------------------

void Server::release(std::vector<Effect>&& effects) {
  for (Effect& effect : effects) perform(effect);
}

void Server::perform(Effect& effect) {
  if (auto* answer = std::get_if<Answer>(&effect)) {
    deliver(*answer);
  } else if (auto* message = std::get_if<SendMessage>(&effect)) {
    if (config_.fault_injection) crash_->pass("link.before-reply");
    links_->send(message->session, message->message);
  } else if (auto* close = std::get_if<CloseSession>(&effect)) {
    links_->close(close->session, close->reason);
  } else if (auto* dead = std::get_if<PublishDeadLetter>(&effect)) {
    broker_->publish(dead->ticket, std::move(dead->message));
  } else if (auto* call = std::get_if<SendCallback>(&effect)) {
    call_back(*call);
  } else if (auto* inspect = std::get_if<InspectQueue>(&effect)) {
    broker_->inspect(inspect->queue);
  } else if (auto* ensure = std::get_if<EnsureQueue>(&effect)) {
    broker_->ensure_queue(ensure->queue);
  } else if (auto* traced = std::get_if<CommandTraced>(&effect)) {
    config_.spans->add(producer_span(*traced, loop_.wall()));
  } else if (auto* changes = std::get_if<StateChanges>(&effect)) {
    tell(*changes);
  }
}

void Server::deliver(const Answer& answer) {
  if (Intake::owns_reply(answer.reply)) {
    intake_->answered(answer);
  } else {
    desk_->deliver(answer);
  }
}

void Server::refused_full(const std::vector<ReplyTo>& replies) {
  for (const ReplyTo reply : replies) {
    deliver(
        {reply, Problem{507, "Insufficient storage", "the disk is full: nothing of this was stored", "", 0}});
  }
  // The engine has begun again from the store: what it knew of the world has to be told anew.
  links_->close_all("the server begins again after a full disk");
  tell_engine(BrokerState{broker_up_});
}

// ---- crash simulation
// ------------------------------------------------------------------------------------------

void Server::strike(const Strike& strike) {
  if (const Status armed = crash_->arm(strike); !armed) {
    log(LogLevel::warn, "server", "cannot arm a crash", {{"error", armed.error().what}});
  }
}

void Server::disconnect(Duration pause) {
  listener_->close();
  links_->close_all("simulated");
  broker_->drop_connections(pause);
  if (notifier_) notifier_->drop(pause);
  loop_.at(loop_.now() + pause, [this] { listen_for_links(); });
}

void Server::listen_for_links() {
  if (finished_) return;
  if (!open_link()) loop_.at(loop_.now() + milliseconds{100}, [this] { listen_for_links(); });
}

// ---- who is let in
// ------------------------------------------------------------------------------------------------

Status Server::read_keys() {
  if (config_.api_keys.empty()) return ok_status();
  auto keys = read_api_keys(config_.api_keys);
  if (!keys) return Error{keys.error().code, "--api-keys " + keys.error().what};
  log(LogLevel::info, "server", "API keys read", {{"keys", static_cast<std::int64_t>(keys->size())}});
  doorkeeper_.use(std::move(*keys), config_.api_rate);
  return ok_status();
}

Status Server::read_tokens() {
  if (config_.agent_tokens.empty()) return ok_status();
  const auto tokens = read_token_file(config_.agent_tokens);
  if (!tokens) return Error{tokens.error().code, "--agent-token-file " + tokens.error().what};
  log(LogLevel::info, "server", "agent tokens read", {{"tokens", static_cast<std::int64_t>(tokens->size())}});
  links_->require_tokens(*tokens);
  return ok_status();
}

Status Server::read_tls() {
  auto tls = read_server_tls(config_.tls);
  if (!tls) return tls.error();
  tls_ = std::move(*tls);
  // At the start there is neither yet.
  if (http_ && tls_.http) http_->use_tls(tls_.http);
  if (listener_ && tls_.link) listener_->use_tls(tls_.link);
  return ok_status();
}

void Server::reload() {
  const Status keys = read_keys();
  const Status tokens = read_tokens();
  const Status tls = read_tls();
  std::string wrong = keys ? "" : keys.error().what;
  for (const Status* other : {&tokens, &tls}) {
    if (!*other) wrong += (wrong.empty() ? "" : "; ") + other->error().what;
  }
  if (!wrong.empty())
    log(LogLevel::error, "server", "not read again; what was there before goes on", {{"error", wrong}});
  desk_->tell(RecordAct{0, "server", "keys.reload", "", wrong});
  if (keys) events_->end_all();  // who may still listen comes back and resumes
}

// ---- leaving
// ---------------------------------------------------------------------------------------------------

void Server::drain() {
  log(LogLevel::info, "server", "draining");
  tell_engine(Drain{});
  broker_->cancel_consumers();
  http_->stop([this] { loop_.stop(); });
  loop_.at(loop_.now() + config_.drain, [this] { loop_.stop(); });
}

// The loop has stopped.  The engine applies what it was given, and its thread ends.
void Server::finish() {
  if (std::exchange(finished_, true)) return;
  if (engine_thread_.joinable()) {
    engine_loop_.post([this] { engine_loop_.stop(); });
    engine_thread_.join();
  }
}

}  // namespace duly
