#include "tests/sim/world/sim_server.h"

#include <utility>

namespace duly::sim {
namespace {

constexpr std::int64_t kReserveBytes = 8192;
constexpr int kPrefetch = 8;  // few, so that the queue is not always empty

}  // namespace

SimServer::SimServer(SimLoop& loop, SimNet& net, SimRabbit& rabbit, CrashVfs& disk, Config config,
                     Hooks hooks)
    : loop_(loop),
      net_(net),
      rabbit_(rabbit),
      disk_(disk),
      config_(std::move(config)),
      hooks_(std::move(hooks)) {}

void SimServer::start() {
  auto store = Store::open({"duly.db", disk_.name(), config_.shards, true});
  if (!store) return;  // the disk does not work yet: tried again later
  store_ = std::move(*store);
  alive_ = std::make_shared<bool>(true);
  fatal_ = false;
  node_loop_ = std::make_unique<NodeLoop>(loop_);
  EngineConfig engine;
  engine.lease_ttl = config_.lease_ttl;
  engine.max_queued = config_.max_queued;
  engine.lane_window = config_.lane_window;
  engine.long_batch = Duration{0};  // a batch takes no time here
  engine.operation_rows = 3;        // so that acts on many commands take many steps
  engine.removal = {config_.retention, 3, {}, hooks_.removing};
  if (config_.callbacks)
    engine.callbacks.origin_of = [](const std::string& url) -> Result<std::string> { return url; };
  engine.callbacks.retry = {60, 50, 2.0, 300, 0.2};
  engine.trace.exported = true;  // so that what is sampled gets spans of its own
  engine.before_commit = [this] {
    if (hooks_.crash_before_commit()) throw ServerCrash{};
  };
  engine.after_commit = [this] {
    if (hooks_.crash_after_commit()) throw ServerCrash{};
    wait_for_disk();
  };
  EnginePorts ports;
  ports.release = [this, alive = std::weak_ptr<bool>(alive_)](std::vector<Effect>&& effects) {
    node_loop_->post([this, alive, batch = std::make_shared<std::vector<Effect>>(std::move(effects))] {
      if (alive.expired()) return;
      for (Effect& effect : *batch) perform(effect);
    });
  };
  ports.disk_low = [this](std::int64_t bytes) { return disk_.room() < bytes + kReserveBytes; };
  ports.refused_full = [this, alive = std::weak_ptr<bool>(alive_)](std::vector<ReplyTo>&& replies) {
    node_loop_->post([this, alive, replies = std::move(replies)] {
      if (!alive.expired()) refused_full(replies);
    });
  };
  ports.fatal = [this](const Error&) { fatal_ = true; };
  host_ = std::make_unique<EngineHost>(*node_loop_, *store_, std::move(engine), std::move(ports));
  links_ = std::make_unique<LinkServer>([this](Input&& input) {
    if (const auto* said = std::get_if<SessionSaid>(&input)) hooks_.said(*said);
    if (const auto* closed = std::get_if<SessionClosed>(&input)) hooks_.closed(closed->session);
    return host_->submit(std::move(input));
  });
  net_.listen([this](std::unique_ptr<Link> link) {
    links_->accepted(std::make_unique<NodeLink>(*node_loop_, std::move(link)));
  });
  start_broker();
  host_->start();
  submit(EnsureQueues{});
}

void SimServer::start_broker() {
  broker_up_ = false;
  sim_broker_ = std::make_unique<SimBroker>(loop_, rabbit_);
  broker_ = std::make_unique<NodeBroker>(*node_loop_, *sim_broker_);
  make_intake();
  BrokerEvents events;
  events.publisher_state = [this](bool up) {
    broker_up_ = up;
    submit(BrokerState{up});
  };
  events.publisher_blocked = [](bool) {};
  events.settled = [this](const std::vector<SettledPublish>& results) {
    for (const SettledPublish& result : results) settled(result);
  };
  events.consumer_up = [] {};
  events.consumer_down = [this] { intake_->consumer_down(); };
  events.deliveries = [this](std::vector<Delivery> all) { intake_->delivered(std::move(all)); };
  events.inspected = [this](const QueueDepth& depth) { submit(QueueInspected{depth}); };
  broker_->start(std::move(events));
  if (config_.by_message) broker_->consume(Intake::kSubmitQueue, kPrefetch);
  if (config_.results) broker_->consume(Intake::kResultQueue, kPrefetch);
}

void SimServer::make_intake() {
  Intake::Ports ports;
  ports.submit = [this](Input&& input) { return host_->submit(std::move(input)); };
  ports.acknowledge = [this](std::uint64_t generation, std::uint64_t tag) {
    broker_->settle(generation, tag, Settle::ack);
  };
  ports.publish = [this](PublishTicket ticket, AmqpMessage message) {
    broker_->publish(ticket, std::move(message));
  };
  intake_ = std::make_unique<Intake>(*node_loop_, std::move(ports));
}

void SimServer::settled(const SettledPublish& result) {
  if (Intake::owns_ticket(result.ticket)) return intake_->settled(result);
  submit(DeadLetterSettled{result.ticket, result.outcome});
}

void SimServer::answered(const Answer& answer) {
  Intake::owns_reply(answer.reply) ? intake_->answered(answer) : hooks_.answered(answer);
}

void SimServer::crash(Death how) {
  net_.listen(nullptr);
  alive_.reset();
  disk_.freeze();  // closing the connection would checkpoint; a dead process does not
  links_.reset();
  host_.reset();
  intake_.reset();
  broker_.reset();
  sim_broker_.reset();
  store_.reset();
  node_loop_.reset();
  disk_.thaw();
  if (how == Death::power) disk_.power_loss();
}

void SimServer::pause() {
  if (node_loop_) node_loop_->pause();
}

void SimServer::resume() {
  if (node_loop_ && node_loop_->paused()) node_loop_->resume();
}

// What the commit makes true leaves the process when it is over, as everything else that waits.
void SimServer::wait_for_disk() {
  if (slow_disk_.count() == 0 || node_loop_->paused()) return;
  node_loop_->pause();
  loop_.at(loop_.now() + slow_disk_, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) resume();
  });
}

bool SimServer::submit(Input input) { return host_ && host_->submit(std::move(input)); }

void SimServer::perform(Effect& effect) {
  if (hooks_.crash_before_reply()) throw ServerCrash{};
  if (auto* answer = std::get_if<Answer>(&effect)) {
    answered(*answer);
  } else if (auto* message = std::get_if<SendMessage>(&effect)) {
    hooks_.sent(*message);
    links_->send(message->session, message->message);
  } else if (auto* close = std::get_if<CloseSession>(&effect)) {
    hooks_.closing(*close);
    links_->close(close->session, close->reason);
  } else if (auto* dead = std::get_if<PublishDeadLetter>(&effect)) {
    broker_->publish(dead->ticket, std::move(dead->message));
  } else if (auto* call = std::get_if<SendCallback>(&effect)) {
    call_back(*call);
  } else if (auto* inspect = std::get_if<InspectQueue>(&effect)) {
    broker_->inspect(inspect->queue);
  } else if (auto* ensure = std::get_if<EnsureQueue>(&effect)) {
    broker_->ensure_queue(ensure->queue);
  }
}

// As the real one does: what was taken back meanwhile is not told.
void SimServer::call_back(const SendCallback& call) {
  const auto row = store_->callback(call.id);
  if (!row || row->state != CallbackState::owed || row->ends != call.ends) {
    submit(CallbackSettled{call.id, call.ends, CallbackOutcome::moot, "", 0});
    return;
  }
  hooks_.called(call, [this, alive = std::weak_ptr<bool>(alive_)](CallbackSettled settled) {
    if (!alive.expired()) submit(std::move(settled));
  });
}

void SimServer::refused_full(const std::vector<ReplyTo>& replies) {
  ++fulls_;
  for (const ReplyTo reply : replies) answered({reply, Problem{507, "full", "", "", 0}});
  links_->close_all("full");
  submit(BrokerState{broker_up_});
}

}  // namespace duly::sim
