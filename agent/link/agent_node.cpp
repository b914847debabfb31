#include "agent/link/agent_node.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/wire/envelope.h"

namespace duly {
namespace {

constexpr PublishTicket kParkTickets = PublishTicket{1} << 63;  // apart from the dispatcher's
constexpr Duration kBackoffFirst = milliseconds{50};
constexpr Duration kBackoffMost = milliseconds{1000};
constexpr int kHeartbeatsPerTtl = 5;
constexpr std::size_t kHeartbeatsKept = 64;
constexpr Duration kConsumptionLook = seconds{1};
constexpr int kStarvedLooks = 2;
// A broker connection that is away for less than this is not worth moving shards for.
constexpr Duration kBrokerGrace = seconds{2};

}  // namespace

AgentNode::AgentNode(Loop& loop, LinkConnector connect, Broker& broker, AgentPorts ports, AgentConfig config)
    : loop_(loop),
      connect_(std::move(connect)),
      broker_(broker),
      ports_(std::move(ports)),
      config_(std::move(config)),
      executor_(config_.execute ? config_.concurrency : 0),  // without a slot it takes nothing
      next_park_(kParkTickets) {}

AgentNode::~AgentNode() = default;

void AgentNode::start() {
  broker_changed_ = loop_.now();
  broker_.start(broker_events());
  if (config_.execute) watch_consumption();
  connect();
}

BrokerEvents AgentNode::broker_events() {
  BrokerEvents events;
  events.publisher_state = [this](bool up) {
    publisher_up_ = up;
    counters_.broker_connects += up ? 1 : 0;
    if (!up) publisher_blocked_ = false;
    broker_state_changed();
  };
  events.publisher_blocked = [this](bool blocked) {
    publisher_blocked_ = blocked;
    broker_state_changed();
  };
  events.settled = [this](std::vector<SettledPublish> results) { settled(std::move(results)); };
  events.consumer_up = [] {};
  events.consumer_down = [this] {
    ++counters_.consumers_lost;
    executor_.consumer_down();
    act_soon();
  };
  events.deliveries = [this](std::vector<Delivery> deliveries) {
    delivered_ = loop_.now();
    for (Delivery& delivery : deliveries) {
      pass("execute.after-delivery");
      executor_.delivered(loop_.now(), std::move(delivery));
    }
    act_soon();
  };
  events.inspected = [this](const QueueDepth& depth) { inspected(depth); };
  return events;
}

void AgentNode::broker_state_changed() {
  broker_changed_ = loop_.now();
  dispatcher_.broker_usable(config_.dispatch && publisher_up_ && !publisher_blocked_);
  act_soon();
}

void AgentNode::settled(std::vector<SettledPublish> results) {
  for (const SettledPublish& result : results) {
    if (result.outcome == PublishOutcome::confirmed) pass("dispatch.after-confirm");
    const auto parked = parked_.find(result.ticket);
    if (parked == parked_.end()) continue;
    const bool kept = result.outcome == PublishOutcome::confirmed;
    broker_.settle(parked->second.generation, parked->second.tag, kept ? Settle::ack : Settle::reject);
    parked_.erase(parked);
  }
  if (ports_.settled) ports_.settled(results);
  dispatcher_.settled(loop_.now(), results);
  act_soon();
}

// ---- the link
// --------------------------------------------------------------------------------------------------

// A quorum queue that was deleted and declared anew under load can keep a consumer to which it never delivers
// (seen with RabbitMQ 3.10).  Who has free slots, gets nothing, and sees messages twice in a row begins
// again.
void AgentNode::watch_consumption() {
  loop_.at(loop_.now() + kConsumptionLook, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired()) return;
    const bool idle = !draining_ && welcomed_ && executor_.running() < config_.concurrency &&
                      loop_.now() - delivered_ >= kConsumptionLook;
    if (!idle) starved_looks_ = 0;
    for (const std::string& queue : config_.queues) {
      if (idle) broker_.inspect(queue);
    }
    watch_consumption();
  });
}

void AgentNode::inspected(const QueueDepth& depth) {
  if (loop_.now() - delivered_ < kConsumptionLook || depth.ready.value_or(0) == 0) return;
  if (++starved_looks_ < kStarvedLooks) return;
  starved_looks_ = 0;
  log(LogLevel::warn, "agent", "messages wait, slots are free, and nothing is delivered; reconnecting",
      {{"queue", depth.queue}, {"ready", *depth.ready}});
  broker_.drop_connections(Duration{0});
}

void AgentNode::connect() {
  if (link_ || std::exchange(connecting_, true)) return;
  connect_([this, alive = std::weak_ptr<bool>(alive_)](std::unique_ptr<Link> link, const std::string& error) {
    if (alive.expired()) return;
    connecting_ = false;
    if (link && loop_.now() >= no_link_before_) return connected(std::move(link));
    if (failures_ == 0) log(LogLevel::warn, "agent", "no connection to the server", {{"error", error}});
    connect_later();
  });
}

// Exponential backoff with full jitter, so that a restarted server is not run over by all agents at once.
void AgentNode::connect_later() {
  const int doublings = std::min(failures_++, 8);
  const Duration span = std::min(kBackoffFirst * (1 << doublings), kBackoffMost);
  const std::uint64_t dice = mix(config_.incarnation.value ^ static_cast<std::uint64_t>(failures_));
  const Duration wait{static_cast<std::int64_t>(dice % static_cast<std::uint64_t>(span.count())) + 1000};
  loop_.at(std::max(loop_.now() + wait, no_link_before_), [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) connect();
  });
}

void AgentNode::connected(std::unique_ptr<Link> link) {
  link_ = std::move(link);
  const std::uint64_t number = ++link_number_;
  welcomed_ = false;
  heartbeats_.clear();
  heard_ = loop_.now();
  link_->start({[this, number](const Frame& frame) {
                  if (number == link_number_ && link_) received(frame);
                },
                [this, number](const std::string& reason) {
                  if (number == link_number_ && link_) link_lost(reason);
                }});
  say_hello();
  schedule_heartbeat();
}

void AgentNode::link_lost(const std::string& reason) {
  log(LogLevel::warn, "agent", "link to the server lost", {{"reason", reason}});
  ++counters_.links_lost;
  link_->close(reason);
  link_.reset();
  if (welcomed_) failures_ = 0;
  welcomed_ = false;
  dispatcher_.link_lost();
  executor_.link_lost();
  act_soon();
  connect_later();
}

void AgentNode::drop_link(Duration pause) {
  no_link_before_ = loop_.now() + pause;
  if (link_) link_lost("simulated");
}

void AgentNode::say_hello() {
  Hello hello;
  hello.name = config_.name;
  hello.incarnation = config_.incarnation;
  hello.dispatch = config_.dispatch;
  hello.execute = config_.execute;
  if (config_.execute) hello.queues = config_.queues;
  hello.concurrency = config_.concurrency;
  hello.version = config_.version;
  hello.token = config_.token;
  hello.holdings = dispatcher_.holdings();
  hello.in_hand = dispatcher_.in_hand();
  hello.attempts = executor_.attempts();
  hello.draining = draining_;
  hello.fault_injection = config_.fault_injection;
  hello_sent_ = loop_.now();
  send(hello);
}

void AgentNode::heartbeat() {
  const MonoTime now = loop_.now();
  if (now - heard_ > ttl_) return link_lost("the server was silent for the lease TTL");
  if (welcomed_) {
    Heartbeat beat;
    beat.sequence = next_heartbeat_++;
    beat.in_flight = dispatcher_.in_flight();
    beat.running = executor_.running();
    beat.published = dispatcher_.published();
    beat.executed = executor_.executed();
    beat.broker_up = publisher_up_ || now - broker_changed_ < kBrokerGrace;
    beat.broker_blocked = publisher_blocked_ && now - broker_changed_ >= kBrokerGrace;
    if (ports_.circuits) beat.circuits = ports_.circuits();
    heartbeats_[beat.sequence] = now;
    if (heartbeats_.size() > kHeartbeatsKept) heartbeats_.erase(heartbeats_.begin());
    send(beat);
  }
  schedule_heartbeat();
}

void AgentNode::schedule_heartbeat() {
  const Duration every = std::max<Duration>(ttl_ / kHeartbeatsPerTtl, milliseconds{1});
  loop_.at(loop_.now() + every, [this, number = link_number_, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired() && number == link_number_ && link_) heartbeat();
  });
}

void AgentNode::received(const Frame& frame) {
  heard_ = loop_.now();
  auto message = decode_server_message(frame);
  if (!message) return link_lost("bad frame from the server: " + message.error().what);
  std::visit([this](auto& m) { on(m); }, *message);
  act_soon();
}

void AgentNode::on(const Welcome& message) {
  welcomed_ = true;
  ++counters_.links_made;
  failures_ = 0;
  ttl_ = milliseconds{message.lease_ttl_ms};
  bundles_.clear();
  on(Bundles{message.bundles});
  dispatcher_.welcome(hello_sent_, ttl_);
  if (draining_) dispatcher_.drain();
  executor_.welcome();
  log(LogLevel::info, "agent", "connected to the server",
      {{"server", link_->peer()}, {"lease_ttl_ms", message.lease_ttl_ms}});
  heartbeat();
}

void AgentNode::on(const Bundles& message) {
  for (const QueueBundle& item : message.items) bundles_[item.queue] = item.bundle;
  if (executor_.consuming()) consume_all();
}

// What matters is how many commands wait here: twice what may run.
void AgentNode::consume_all() {
  for (const std::string& queue : config_.queues) {
    const auto at = bundles_.find(queue);
    const int bundle = at == bundles_.end() ? 1 : at->second;
    const int messages = bundle == 1 ? config_.prefetch : 2 * config_.prefetch / bundle;
    broker_.consume(queue, std::clamp(messages, std::min(2, config_.prefetch), config_.prefetch));
  }
}

void AgentNode::on(const Refused& message) {
  ++counters_.refused;
  log(LogLevel::warn, "agent", "refused by the server", {{"reason", message.reason}});
  if (ports_.refused) ports_.refused(message.reason);
}

void AgentNode::on(const HeartbeatAck& message) {
  const auto at = heartbeats_.find(message.sequence);
  if (at == heartbeats_.end()) return;
  dispatcher_.heartbeat_acknowledged(at->second);
  counters_.heartbeat.add(loop_.now() - at->second);
  heartbeats_.erase(heartbeats_.begin(), std::next(at));
}

void AgentNode::on(const Lease& message) { dispatcher_.lease(message); }
void AgentNode::on(const Revoke& message) { dispatcher_.revoke(message); }

void AgentNode::on(HandOut& message) {
  pass("dispatch.after-poll");
  dispatcher_.hand_out(loop_.now(), std::move(message));
}

void AgentNode::on(const MarksAck& message) { dispatcher_.marks_acknowledged(message.sequence); }
void AgentNode::on(const Begun& message) {
  executor_.begun(loop_.now(), message);
  if (std::any_of(message.items.begin(), message.items.end(),
                  [](const BegunItem& i) { return i.verdict == Verdict::go; })) {
    pass("execute.after-begin");
  }
}

void AgentNode::on(const Finished& message) { executor_.finished(message); }
void AgentNode::on(const CancelRun& message) { executor_.cancel_run(message); }
void AgentNode::on(const Strike& message) {
  if (ports_.strike) ports_.strike(message);
}

void AgentNode::send(const AgentMessage& message) {
  if (link_) link_->send(encode(message));
}

}  // namespace duly
