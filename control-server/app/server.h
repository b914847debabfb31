// The control server as a process: the engine on its thread, HTTP, link and broker on the other, and the
// wires between them.
//
// Concurrency.  The I/O loop's thread (main) makes it, runs it and destroys it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/amqp/rabbit_broker.h"
#include "common/amqp/rabbit_notifier.h"
#include "common/app/crash.h"
#include "common/app/host_port.h"
#include "common/link/asio_link.h"
#include "common/trace/span_exporter.h"
#include "control-server/api/api.h"
#include "control-server/api/doorkeeper.h"
#include "control-server/api/event_hub.h"
#include "control-server/api/http_server.h"
#include "control-server/api/stats_history.h"
#include "control-server/app/data_folder.h"
#include "control-server/app/disk_guard.h"
#include "control-server/app/queue_watch.h"
#include "control-server/app/server_tls.h"
#include "control-server/core/engine_host.h"
#include "control-server/ingest/intake.h"
#include "control-server/link/link_server.h"
#include "control-server/notify/callback_pool.h"
#include "control-server/notify/event_outlet.h"

namespace duly {

struct ServerConfig {
  HostPort http, link;
  std::string data;
  RabbitConfig rabbit;
  std::string amqp_management;  // where to ask for the settings of queues; empty = nowhere
  int shards = 64;
  bool shards_given = false;
  EngineConfig engine;
  bool fault_injection = false;
  std::shared_ptr<const CallbackConfig> callbacks;  // null = nobody is called back
  bool events = true;                               // to the exchange duly.events
  bool any_host = false;                            // answer for every Host header
  std::string api_keys;                             // file of them; empty = everybody may do everything
  RequestRate api_rate;                             // of keys that have none of their own
  std::string agent_tokens;                         // file of them; empty = every agent is let in
  ServerTlsFiles tls;
  Duration drain = seconds{10};
  SpanExporter* spans = nullptr;               // null = none are exported; outlives the server
  std::optional<std::int64_t> clock_start_ms;  // a virtual clock begins there; nothing = the machine's clock
};

class Server {
 public:
  // Opens the store and listens; an error is one line for the person who started it.
  static Result<std::unique_ptr<Server>> start(AsioLoop& loop, ServerConfig config);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes no new work, finishes what it has, then stops the loop.
  void drain();
  // The engine's: whoever watches over the process asks whether it still turns.
  [[nodiscard]] Loop& engine_loop() { return engine_loop_; }
  // Reads the files of API keys, agent tokens and certificates again.  One that is wrong is refused whole:
  // what it held before goes on.
  void reload();

 private:
  Server(AsioLoop& loop, ServerConfig config);
  Status open();
  Status read_keys();
  Status read_tokens();
  Status read_tls();
  Status open_link();
  Status listen();
  Status listen_for_http();
  void make_api();
  [[nodiscard]] EdgeStats edge_stats() const;
  void start_engine();
  void start_broker();
  void make_intake();
  void start_notifier();
  void start_callbacks();
  void call_back(const SendCallback& call);
  void tell(StateChanges& changes);
  Status watch_queues();
  [[nodiscard]] std::string queue_check() const;
  void settled(const SettledPublish& result);
  void release(std::vector<Effect>&& effects);
  void perform(Effect& effect);
  void deliver(const Answer& answer);
  void refused_full(const std::vector<ReplyTo>& replies);
  void tell_engine(Input input);
  void strike(const Strike& strike);
  void disconnect(Duration pause);
  void listen_for_links();
  void finish();

  AsioLoop& loop_;
  ServerConfig config_;
  std::unique_ptr<VirtualClock> clock_;  // null = the machine's
  AsioLoop engine_loop_;
  std::unique_ptr<DataFolder> folder_;
  std::unique_ptr<DiskGuard> disk_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<CrashPoints> crash_;
  std::unique_ptr<EngineHost> host_;
  std::unique_ptr<Desk> desk_;
  std::unique_ptr<LinkServer> links_;
  std::unique_ptr<AsioListener> listener_;
  ServerTls tls_;
  std::unique_ptr<RabbitBroker> broker_;
  std::unique_ptr<Intake> intake_;
  EventOutlet outlet_;
  std::unique_ptr<CallbackPool> pool_;        // null = nobody is called back
  std::unique_ptr<RabbitNotifier> notifier_;  // null = no --events; its thread uses the outlet
  std::unique_ptr<QueueWatch> queue_watch_;   // null = nobody is asked
  Doorkeeper doorkeeper_;
  std::unique_ptr<StatsHistory> history_;
  std::unique_ptr<EventHub> events_;  // outlives the connections of http_
  std::unique_ptr<Api> api_;
  std::unique_ptr<Router> router_;
  std::unique_ptr<HttpServer> http_;
  std::thread engine_thread_;
  bool broker_up_ = false, finished_ = false;
  bool gathering_ = false;  // changes, before the notifier is woken
};

}  // namespace duly
