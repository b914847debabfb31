#include "tests/sim/base/sim_broker.h"

#include <algorithm>
#include <utility>

namespace duly::sim {
namespace {

constexpr milliseconds kFirstBackoff{100};
constexpr milliseconds kLongestBackoff{2000};

}  // namespace

SimBroker::SimBroker(SimLoop& loop, SimRabbit& rabbit, SimBrokerConfig config)
    : loop_(loop), rabbit_(rabbit), config_(config), self_(std::make_shared<SimBroker*>(this)) {}

SimBroker::~SimBroker() {
  if (publisher_.id) rabbit_.abandon(*publisher_.id);
  if (deliverer_.id) rabbit_.abandon(*deliverer_.id);
  if (consumer_.id) rabbit_.abandon(*consumer_.id);
}

void SimBroker::later(Duration after, std::function<void()> task) {
  loop_.at(loop_.now() + after, [alive = std::weak_ptr(self_), work = std::move(task)] {
    if (!alive.expired()) work();
  });
}

// --- connections
// -------------------------------------------------------------------------------------------------

void SimBroker::start(BrokerEvents events) {
  events_ = std::move(events);
  publisher_.backoff = consumer_.backoff = kFirstBackoff;
  open_later(publisher_, rabbit_.latency(), &SimBroker::open_publisher);
  open_later(consumer_, rabbit_.latency(), &SimBroker::open_consumer);
}

void SimBroker::open_later(Line& line, Duration after, void (SimBroker::*open)()) {
  later(after, [this, &line, open, attempt = ++line.attempt] {
    if (line.attempt == attempt && !line.id) (this->*open)();
  });
}

Duration SimBroker::next_backoff(Line& line) {
  const Duration length = rabbit_.rng().between(line.backoff / 2, line.backoff);
  line.backoff = std::min<Duration>(line.backoff * 2, kLongestBackoff);
  return length;
}

void SimBroker::open_publisher() {
  if (loop_.now() >= paused_until_) {
    SimFrames frames;
    frames.returned = [this](const AmqpMessage& message) {
      tracker_.on_return(fingerprint_of(message, Compare::by_id));
    };
    frames.refused = [](const std::string&) {};
    frames.ack = [this](std::uint64_t tag, bool multiple) { report(tracker_.on_ack(tag, multiple)); };
    frames.nack = [this](std::uint64_t tag, bool multiple) { report(tracker_.on_nack(tag, multiple)); };
    frames.blocked = [this](bool blocked) { on_blocked(blocked); };
    frames.closed = [this] { publisher_lost(); };
    publisher_.id = rabbit_.connect(std::move(frames));
  }
  if (!publisher_.id) return open_later(publisher_, next_backoff(publisher_), &SimBroker::open_publisher);
  publisher_.backoff = kFirstBackoff;
  rabbit_.declare_topology(*publisher_.id);
  for (const std::string& queue : ensured_) rabbit_.declare_queue(*publisher_.id, queue);
  open_deliverer();
  pump();
  events_.publisher_state(/*up=*/true);
}

void SimBroker::open_deliverer() {
  if (!publisher_.id) return;
  SimFrames frames;
  frames.returned = [this](const AmqpMessage& message) {
    deliveries_.on_return(fingerprint_of(message, Compare::by_content), "NO_ROUTE");
  };
  frames.refused = [this](const std::string& reason) { refused_ = reason; };
  frames.ack = [this](std::uint64_t tag, bool multiple) { report(deliveries_.on_ack(tag, multiple)); };
  frames.nack = [this](std::uint64_t tag, bool multiple) { report(deliveries_.on_nack(tag, multiple)); };
  frames.blocked = [this](bool blocked) { on_blocked(blocked); };
  frames.closed = [this] { deliverer_closed(); };
  deliverer_.id = rabbit_.connect(std::move(frames));
  if (deliverer_.id) return pump();
  open_later(deliverer_, kFirstBackoff, &SimBroker::open_deliverer);
}

// The channel only: the connection that it is on goes on.
void SimBroker::deliverer_closed() {
  deliverer_.id.reset();
  const std::string reason = std::exchange(refused_, {});
  open_later(deliverer_, rabbit_.latency(), &SimBroker::open_deliverer);
  report(reason.empty() ? deliveries_.on_channel_lost() : deliveries_.on_channel_refused(reason));
}

void SimBroker::open_consumer() {
  if (loop_.now() >= paused_until_) {
    SimFrames frames;
    frames.delivery = [this](std::uint64_t tag, bool redelivered, const std::string& queue,
                             const AmqpMessage& message) { on_delivery(tag, redelivered, queue, message); };
    frames.cancelled = [this](const std::string& queue) { on_cancelled(queue); };
    frames.depth = [this](const QueueDepth& depth) { on_depth(depth); };
    frames.closed = [this] { consumer_lost(); };
    consumer_.id = rabbit_.connect(std::move(frames));
  }
  if (!consumer_.id) return open_later(consumer_, next_backoff(consumer_), &SimBroker::open_consumer);
  consumer_.backoff = kFirstBackoff;
  ++generation_;
  rabbit_.declare_topology(*consumer_.id);
  for (const auto& [queue, prefetch] : wanted_) {
    rabbit_.declare_queue(*consumer_.id, queue);
    rabbit_.consume(*consumer_.id, queue, prefetch);
  }
  events_.consumer_up();
}

void SimBroker::publisher_lost() {
  publisher_.id.reset();
  open_later(publisher_, next_backoff(publisher_), &SimBroker::open_publisher);
  if (deliverer_.id) rabbit_.abandon(*std::exchange(deliverer_.id, std::nullopt));
  refused_.clear();
  report(tracker_.on_channel_lost());
  report(deliveries_.on_channel_lost());
  on_blocked(false);
  events_.publisher_state(/*up=*/false);
}

void SimBroker::consumer_lost() {
  consumer_.id.reset();
  open_later(consumer_, next_backoff(consumer_), &SimBroker::open_consumer);
  unsettled_.clear();
  for (const std::string& queue : std::exchange(looks_, {})) {
    events_.inspected(QueueDepth{queue, std::nullopt, 0, /*reachable=*/false});
  }
  events_.consumer_down();
}

void SimBroker::drop_connections(Duration pause) {
  paused_until_ = loop_.now() + pause;
  for (Line* line : {&publisher_, &consumer_}) {
    if (line->id) rabbit_.abandon(*line->id);
  }
  const bool publisher = publisher_.id.has_value();
  const bool consumer = consumer_.id.has_value();
  later(Duration{0}, [this, publisher, consumer] {
    if (publisher && publisher_.id) publisher_lost();
    if (consumer && consumer_.id) consumer_lost();
  });
}

// --- publishing
// ----------------------------------------------------------------------------------------------------

void SimBroker::publish(PublishTicket ticket, AmqpMessage message) {
  if (queue_.size() >= 2 * config_.publish_window) {
    later(Duration{0}, [this, ticket] { report({{ticket, PublishOutcome::in_doubt}}); });
    return;
  }
  queue_.push_back({ticket, std::move(message), loop_.now() + config_.publish_deadline});
  pump();
}

void SimBroker::ensure_queue(const std::string& queue) {
  ensured_.insert(queue);
  if (publisher_.id) rabbit_.declare_queue(*publisher_.id, queue);
}

void SimBroker::pump() {
  while (publisher_.id && !blocked_ && !queue_.empty() &&
         tracker_.open() + deliveries_.open() < config_.publish_window) {
    Waiting& next = queue_.front();
    const bool verbatim = next.message.verbatim;
    if (verbatim && !deliverer_.id) break;
    const Compare how = verbatim ? Compare::by_content : Compare::by_id;
    (verbatim ? deliveries_ : tracker_)
        .on_publish(next.ticket, fingerprint_of(next.message, how), loop_.now());
    rabbit_.publish(verbatim ? *deliverer_.id : *publisher_.id, std::move(next.message));
    queue_.pop_front();
  }
  arm_deadline();
}

std::optional<MonoTime> SimBroker::oldest() const {
  const auto own = tracker_.oldest();
  const auto foreign = deliveries_.oldest();
  return own && foreign ? std::min(*own, *foreign) : own ? own : foreign;
}

// One timer counts, for the first moment at which something may have waited too long.
void SimBroker::arm_deadline() {
  MonoTime next = queue_.empty() ? MonoTime::max() : queue_.front().deadline;
  if (const auto first = oldest()) next = std::min(next, *first + config_.confirm_deadline);
  if (next >= armed_for_) return;
  armed_for_ = next;
  later(next - loop_.now(), [this, next] {
    if (armed_for_ != next) return;  // an earlier one has been armed since, and will arm the next
    armed_for_ = MonoTime::max();
    check_deadlines();
  });
}

void SimBroker::check_deadlines() {
  std::vector<SettledPublish> expired;
  while (!queue_.empty() && queue_.front().deadline <= loop_.now()) {
    expired.push_back({queue_.front().ticket, PublishOutcome::in_doubt});
    queue_.pop_front();
  }
  const auto first = oldest();
  const bool silent = first && *first + config_.confirm_deadline <= loop_.now();
  report(std::move(expired));
  if (silent && publisher_.id) {
    rabbit_.abandon(*publisher_.id);
    publisher_lost();
  }
}

void SimBroker::report(std::vector<SettledPublish> settled) {
  pump();
  if (!settled.empty()) events_.settled(std::move(settled));
}

void SimBroker::on_blocked(bool blocked) {
  if (blocked == blocked_) return;
  blocked_ = blocked;
  pump();
  events_.publisher_blocked(blocked);
}

// --- consuming
// -----------------------------------------------------------------------------------------------------

void SimBroker::consume(const std::string& queue, int prefetch) {
  const auto known = wanted_.find(queue);
  if (known != wanted_.end() && known->second == prefetch) return;
  wanted_.insert_or_assign(queue, prefetch);
  if (!consumer_.id) return;
  rabbit_.cancel(*consumer_.id, queue);
  rabbit_.declare_queue(*consumer_.id, queue);
  rabbit_.consume(*consumer_.id, queue, prefetch);
}

void SimBroker::cancel_consumers() {
  for (const auto& [queue, prefetch] : std::exchange(wanted_, {})) {
    if (consumer_.id) rabbit_.cancel(*consumer_.id, queue);
  }
}

void SimBroker::settle(std::uint64_t generation, std::uint64_t tag, Settle how) {
  if (generation != generation_ || unsettled_.erase(tag) == 0 || !consumer_.id) return;
  rabbit_.settle(*consumer_.id, tag, how);
}

void SimBroker::inspect(const std::string& queue) {
  if (consumer_.id) {
    looks_.insert(queue);
    return rabbit_.look(*consumer_.id, queue);
  }
  later(Duration{0}, [this, queue] {
    events_.inspected(QueueDepth{queue, std::nullopt, 0, /*reachable=*/false});
  });
}

void SimBroker::on_delivery(std::uint64_t tag, bool redelivered, const std::string& queue,
                            const AmqpMessage& message) {
  unsettled_.insert(tag);
  // It was under way when its consumer was cancelled.
  if (!wanted_.contains(queue)) return settle(generation_, tag, Settle::requeue);
  events_.deliveries({Delivery{generation_, tag, redelivered, queue, message}});
}

void SimBroker::on_cancelled(const std::string& queue) {
  const auto wanted = wanted_.find(queue);
  if (wanted == wanted_.end() || !consumer_.id) return;
  rabbit_.declare_queue(*consumer_.id, queue);
  rabbit_.consume(*consumer_.id, queue, wanted->second);
}

void SimBroker::on_depth(QueueDepth depth) {
  if (const auto asked = looks_.find(depth.queue); asked != looks_.end()) looks_.erase(asked);
  events_.inspected(std::move(depth));
}

}  // namespace duly::sim
