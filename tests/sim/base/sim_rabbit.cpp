#include "tests/sim/base/sim_rabbit.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace duly::sim {
namespace {

constexpr seconds kMissedHeartbeats{20};
constexpr milliseconds kHoldConfirms{5};
constexpr std::size_t kPast = 64;
constexpr double kLanded = 0.5;         // of publishes whose connection breaks, or that are refused
constexpr double kSurvivesCrash = 0.5;  // of messages not yet confirmed

}  // namespace

// --- the life of the broker
// --------------------------------------------------------------------------------------

void SimRabbit::set_blocked(bool blocked) {
  blocked_ = blocked;
  for (auto& [id, connection] : connections_) {
    if (!connection.publishes || !connection.open) continue;
    send(id, [blocked](const SimFrames& frames) { frames.blocked(blocked); });
    if (blocked) continue;
    loop_.post([this, reader = id] {
      Connection* unblocked = open_connection(reader);
      if (unblocked == nullptr) return;
      for (const Handler& handler : std::exchange(unblocked->unread, {})) handle(reader, handler);
    });
  }
}

void SimRabbit::stop(Lose lose) {
  running_ = false;
  paused_ = false;
  while_paused_.clear();
  drop_all_connections();
  for (auto& [name, queue] : queues_) queue.consumers.clear();
  lose_unwritten();
  if (lose == Lose::unconfirmed_maybe) return;
  queues_.clear();
  has_topology_ = false;
  for (const auto& [way, name] : bindings_) queues_[name];
}

void SimRabbit::lose_unwritten() {
  for (const std::uint64_t number : std::exchange(unwritten_, {})) {
    if (rng_.chance(kSurvivesCrash)) continue;
    for (auto& [name, queue] : queues_) queue.ready.erase(number);
  }
}

void SimRabbit::pause() {
  if (paused_) return;
  paused_ = true;
  loop_.at(loop_.now() + kMissedHeartbeats, [this, pause = ++pauses_] {
    if (paused_ && pauses_ == pause) drop_all_connections();
  });
}

void SimRabbit::resume() {
  paused_ = false;
  loop_.post([this] {
    for (const auto& held : std::exchange(while_paused_, {})) handle(held.first, held.second);
  });
}

void SimRabbit::drop_all_connections() {
  std::vector<ConnectionId> ids;
  for (const auto& [id, connection] : connections_) ids.push_back(id);
  for (const ConnectionId id : ids) close(id);
}

// --- connections and frames
// --------------------------------------------------------------------------------------

std::optional<SimRabbit::ConnectionId> SimRabbit::connect(SimFrames frames) {
  if (!running_ || paused_) return std::nullopt;
  const ConnectionId id = ++next_connection_;
  connections_[id].frames = std::make_shared<const SimFrames>(std::move(frames));
  return id;
}

SimRabbit::Connection* SimRabbit::open_connection(ConnectionId id) {
  const auto found = connections_.find(id);
  return found == connections_.end() || !found->second.open ? nullptr : &found->second;
}

void SimRabbit::abandon(ConnectionId id) {
  if (Connection* connection = open_connection(id)) {
    connection->open = false;
    give_back(*connection, id);
  }
  connections_.erase(id);
}

void SimRabbit::close(ConnectionId id) {
  Connection* connection = open_connection(id);
  if (connection == nullptr) return;
  connection->open = false;
  const MonoTime when = std::max(connection->last_out, loop_.now() + latency());
  loop_.at(when, [this, id] {
    auto gone = connections_.extract(id);
    if (!gone.empty()) gone.mapped().frames->closed();
  });
  give_back(*connection, id);
}

// What was delivered on it and not settled goes back to its place in its queue.
void SimRabbit::give_back(Connection& connection, ConnectionId id) {
  std::set<std::string> touched;
  for (auto& [name, queue] : queues_) {
    std::erase_if(queue.consumers, [id](const auto& consumer) { return consumer.first.first == id; });
  }
  for (auto& [tag, unsettled] : std::exchange(connection.unsettled, {})) {
    touched.insert(unsettled.name);
    requeue(unsettled.name, std::move(unsettled.stored));
  }
  for (const std::string& name : touched) deliver(name);
}

void SimRabbit::receive(ConnectionId id, Handler handler) {
  Connection* connection = open_connection(id);
  if (connection == nullptr) return;
  connection->last_in = std::max(connection->last_in, loop_.now() + latency());
  loop_.at(connection->last_in, [this, id, work = std::move(handler)] { handle(id, work); });
}

// What comes after something that was held back is held back too: the order of a connection is never broken.
void SimRabbit::handle(ConnectionId id, const Handler& handler) {
  Connection* connection = open_connection(id);
  if (connection == nullptr) return;
  if (paused_ || !while_paused_.empty()) {
    while_paused_.emplace_back(id, handler);
  } else if ((blocked_ && connection->publishes) || !connection->unread.empty()) {
    connection->unread.push_back(handler);
  } else {
    handler(*connection);
  }
}

void SimRabbit::send(ConnectionId id, std::function<void(const SimFrames&)> frame) {
  Connection* connection = open_connection(id);
  if (connection == nullptr) return;
  connection->last_out = std::max(connection->last_out, loop_.now() + latency());
  loop_.at(connection->last_out, [this, id, call = std::move(frame)] {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const auto frames =
        found->second.frames;  // the client may give the connection up while it handles the frame
    call(*frames);
  });
}

// --- publishing
// ----------------------------------------------------------------------------------------------------

void SimRabbit::declare_topology(ConnectionId id) {
  receive(id, [this](Connection&) {
    has_topology_ = true;
    for (const auto& name : {topology::kDeadQueue, topology::kSubmitQueue, topology::kResultsQueue})
      queues_[name];
  });
}

void SimRabbit::declare_queue(ConnectionId id, const std::string& queue) {
  receive(id, [this, name = topology::broker_queue(queue)](Connection&) { queues_[name]; });
}

void SimRabbit::publish(ConnectionId id, AmqpMessage message) {
  if (Connection* connection = open_connection(id); connection != nullptr && !connection->publishes) {
    connection->publishes = true;
    if (blocked_) send(id, [](const SimFrames& frames) { frames.blocked(true); });
  }
  receive(id, [this, id, message = std::move(message)](Connection& connection) {
    on_publish(id, connection, message);
  });
}

void SimRabbit::on_publish(ConnectionId id, Connection& connection, const AmqpMessage& message) {
  const std::uint64_t tag = ++connection.publish_tag;
  if (const auto reason = refusal(message.exchange)) {
    send(id, [reason = *reason](const SimFrames& frames) { frames.refused(reason); });
    close(id);
    return;
  }
  const bool exchange_exists = has_topology_ || message.verbatim || message.exchange.empty();
  if (!exchange_exists || strikes(faults_.drop_connection, "drop_connection")) {
    if (exchange_exists && rng_.chance(kLanded)) write_later(id, tag, message, Confirm::none);
    close(id);
    return;
  }
  if (strikes(faults_.nack, "nack")) {
    if (rng_.chance(kLanded)) write_later(id, tag, message, Confirm::none);
    send(id, [tag](const SimFrames& frames) { frames.nack(tag, false); });
    return;
  }
  if (route(message).empty()) {
    send(id, [tag, message](const SimFrames& frames) {
      frames.returned(message);
      frames.ack(tag, false);
    });
    return;
  }
  connection.unwritten.insert(tag);
  write_later(id, tag, message,
              strikes(faults_.lose_confirm, "lose_confirm") ? Confirm::lost : Confirm::sent);
}

bool SimRabbit::strikes(double chance, const char* fault) {
  if (!rng_.chance(chance)) return false;
  ++struck_[fault];
  return true;
}

void SimRabbit::bind(const std::string& exchange, const std::string& key, const std::string& name) {
  bindings_[{exchange, key}] = name;
  queues_[name];
}

std::optional<std::string> SimRabbit::refusal(const std::string& exchange) const {
  if (exchange == "amq.rabbitmq.trace")
    return "ACCESS_REFUSED - cannot publish to internal exchange '" + exchange + "' in vhost '/'";
  const bool always = exchange.empty() || exchange.starts_with("amq.") || exchange.starts_with("duly.");
  const auto bound = bindings_.lower_bound({exchange, ""});
  if (always || (bound != bindings_.end() && bound->first.first == exchange)) return std::nullopt;
  return "NOT_FOUND - no exchange '" + exchange + "' in vhost '/'";
}

std::vector<std::string> SimRabbit::route(const AmqpMessage& message) const {
  const auto bound = bindings_.find({message.exchange, message.routing_key});
  std::string name = bound == bindings_.end() ? "" : bound->second;
  if (message.exchange.empty()) name = message.routing_key;
  if (message.exchange == topology::kExecuteExchange) name = topology::execute_queue(message.routing_key);
  if (message.exchange == topology::kDeadExchange) name = topology::kDeadQueue;
  if (message.exchange == topology::kSubmitExchange) name = topology::kSubmitQueue;
  return queues_.contains(name) ? std::vector{name} : std::vector<std::string>{};
}

std::vector<std::uint64_t> SimRabbit::store(const AmqpMessage& message) {
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : route(message)) {
    numbers.push_back(put(name, message));
    if (strikes(faults_.duplicate_delivery, "duplicate_delivery")) numbers.push_back(put(name, message));
    if (watch_.stored) watch_.stored(message);
    deliver(name);
  }
  unwritten_.insert(numbers.begin(), numbers.end());
  return numbers;
}

std::uint64_t SimRabbit::put(const std::string& name, const AmqpMessage& message) {
  const std::uint64_t number = ++next_number_;
  queues_.at(name).ready.emplace(number, Stored{number, message});
  return number;
}

void SimRabbit::write_later(ConnectionId id, std::uint64_t tag, const AmqpMessage& message, Confirm confirm) {
  if (message.exchange == topology::kExecuteExchange) {
    if (past_.size() >= kPast) past_.erase(past_.begin());
    past_.push_back(message);
  }
  const std::vector<std::uint64_t> numbers = store(message);
  Duration delay = latency();
  if (strikes(faults_.late_confirm, "late_confirm"))
    delay += rng_.between(Duration{0}, faults_.late_confirm_time);
  loop_.at(loop_.now() + delay, [this, id, tag, confirm, numbers, message] {
    if (!running_) return;
    for (const std::uint64_t number : numbers) unwritten_.erase(number);
    if (confirm != Confirm::none && watch_.confirmed) watch_.confirmed(message);
    written(id, tag, confirm == Confirm::sent);
  });
}

void SimRabbit::written(ConnectionId id, std::uint64_t tag, bool confirms) {
  Connection* connection = open_connection(id);
  if (connection == nullptr || paused_)
    return;  // a pause loses the confirm: the client gives up by its deadline
  connection->unwritten.erase(tag);
  if (!confirms) return;
  if (!strikes(faults_.multiple_confirm, "multiple_confirm")) {
    send(id, [tag](const SimFrames& frames) { frames.ack(tag, /*multiple=*/false); });
    return;
  }
  if (connection->held.empty()) loop_.at(loop_.now() + kHoldConfirms, [this, id] { flush_held(id); });
  connection->held.insert(tag);
}

// One confirm for everything up to the last tag below which all is written, and single ones for the rest.
void SimRabbit::flush_held(ConnectionId id) {
  Connection* connection = open_connection(id);
  if (connection == nullptr) return;
  const std::uint64_t limit = connection->unwritten.empty() ? UINT64_MAX : *connection->unwritten.begin();
  std::uint64_t together = 0;
  for (const std::uint64_t tag : std::exchange(connection->held, {})) {
    if (tag < limit) {
      together = tag;
    } else {
      send(id, [tag](const SimFrames& frames) { frames.ack(tag, /*multiple=*/false); });
    }
  }
  if (together != 0)
    send(id, [together](const SimFrames& frames) { frames.ack(together, /*multiple=*/true); });
}

}  // namespace duly::sim
