// The consuming half of SimRabbit: deliveries, settlements, and what operators do to queues.
#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/sim/base/sim_rabbit.h"

namespace duly::sim {
namespace {

constexpr int kDeliveryLimit = 20;

}  // namespace

void SimRabbit::consume(ConnectionId id, const std::string& queue, int prefetch) {
  receive(id, [this, id, queue, prefetch](Connection&) {
    const std::string name = topology::broker_queue(queue);
    queues_[name].consumers.insert_or_assign({id, queue}, Consumer{id, prefetch});
    deliver(name);
  });
}

void SimRabbit::cancel(ConnectionId id, const std::string& queue) {
  receive(id, [this, id, queue](Connection&) {
    const auto found = queues_.find(topology::broker_queue(queue));
    if (found != queues_.end()) found->second.consumers.erase({id, queue});
  });
}

void SimRabbit::settle(ConnectionId id, std::uint64_t tag, Settle how) {
  receive(id, [this, tag, how](Connection& connection) { on_settle(connection, tag, how); });
}

void SimRabbit::on_settle(Connection& connection, std::uint64_t tag, Settle how) {
  auto node = connection.unsettled.extract(tag);
  if (node.empty()) return;
  Unsettled& unsettled = node.mapped();
  const auto queue = queues_.find(unsettled.name);
  if (queue == queues_.end()) return;  // deleted meanwhile, with all that was in it
  const auto consumer = queue->second.consumers.find(unsettled.consumer);
  if (consumer != queue->second.consumers.end()) --consumer->second.open;
  if (how == Settle::ack && watch_.settled) watch_.settled(unsettled.stored.message);
  if (how == Settle::requeue) requeue(unsettled.name, std::move(unsettled.stored));
  if (how == Settle::reject) dead_letter(unsettled.name, unsettled.stored);
  deliver(unsettled.name);
}

void SimRabbit::requeue(const std::string& name, Stored stored) {
  const auto queue = queues_.find(name);
  if (queue == queues_.end()) return;
  if (stored.deliveries > kDeliveryLimit) return dead_letter(name, stored);
  const std::uint64_t number = stored.number;
  queue->second.ready.emplace(number, std::move(stored));
}

void SimRabbit::dead_letter(const std::string& name, const Stored& stored) {
  if (name == topology::kDeadQueue || !queues_.contains(topology::kDeadQueue)) return;
  AmqpMessage message = stored.message;
  message.exchange = topology::kDeadExchange;
  put(topology::kDeadQueue, message);
  deliver(topology::kDeadQueue);
}

void SimRabbit::look(ConnectionId id, const std::string& queue) {
  receive(id, [this, id, queue](Connection&) {
    QueueDepth depth{queue, std::nullopt, 0, /*reachable=*/true};
    if (const auto found = queues_.find(topology::broker_queue(queue)); found != queues_.end()) {
      depth.ready = static_cast<std::int64_t>(found->second.ready.size());
      depth.consumers = static_cast<std::int64_t>(found->second.consumers.size());
    }
    send(id, [depth](const SimFrames& frames) { frames.depth(depth); });
  });
}

void SimRabbit::deliver(const std::string& name) {
  const auto found = queues_.find(name);
  if (found == queues_.end() || !running_) return;
  while (!found->second.ready.empty() && deliver_one(name, found->second)) continue;
}

// To the next consumer in turn that has room; false when none has.
bool SimRabbit::deliver_one(const std::string& name, Queue& queue) {
  const std::size_t count = queue.consumers.size();
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [key, consumer] =
        *std::next(queue.consumers.begin(), static_cast<long>(queue.turn++ % count));
    Connection* connection = open_connection(consumer.connection);
    if (connection == nullptr || consumer.open >= consumer.prefetch) continue;
    ++queue.consumers.at(key).open;
    Stored stored = std::move(queue.ready.extract(queue.ready.begin()).mapped());
    const std::uint64_t tag = ++connection->delivery_tag;
    const bool redelivered = stored.deliveries++ > 0;
    send(consumer.connection,
         [tag, redelivered, asked = key.second, message = stored.message](const SimFrames& frames) {
           frames.delivery(tag, redelivered, asked, message);
         });
    connection->unsettled.emplace(tag, Unsettled{name, key, std::move(stored)});
    if (strikes(faults_.drop_consumer, "drop_consumer")) {
      loop_.post([this, id = consumer.connection] { close(id); });
    }
    return true;
  }
  return false;
}

void SimRabbit::delete_queue(const std::string& name) {
  auto node = queues_.extract(name);
  if (node.empty()) return;
  for (auto& [id, connection] : connections_) {
    std::erase_if(connection.unsettled, [&name](const auto& entry) { return entry.second.name == name; });
  }
  for (const auto& [key, consumer] : node.mapped().consumers) {
    send(consumer.connection, [asked = key.second](const SimFrames& frames) { frames.cancelled(asked); });
  }
}

void SimRabbit::purge_queue(const std::string& name) {
  if (const auto found = queues_.find(name); found != queues_.end()) found->second.ready.clear();
}

void SimRabbit::inject(const std::string& name, AmqpMessage message) {
  if (!queues_.contains(name)) return;
  put(name, message);
  deliver(name);
}

void SimRabbit::replay() {
  if (past_.empty()) return;
  const AmqpMessage message = past_[rng_.below(past_.size())];
  inject(topology::execute_queue(message.routing_key), message);
}

std::optional<std::size_t> SimRabbit::ready(const std::string& name) const {
  const auto found = queues_.find(name);
  if (found == queues_.end()) return std::nullopt;
  return found->second.ready.size();
}

std::optional<std::size_t> SimRabbit::unsettled(const std::string& name) const {
  if (!queues_.contains(name)) return std::nullopt;
  std::size_t count = 0;
  for (const auto& [id, connection] : connections_) {
    for (const auto& [tag, entry] : connection.unsettled) count += entry.name == name ? 1 : 0;
  }
  return count;
}

std::vector<AmqpMessage> SimRabbit::messages(const std::string& name) const {
  std::vector<AmqpMessage> all;
  const auto found = queues_.find(name);
  if (found == queues_.end()) return all;
  for (const auto& [number, stored] : found->second.ready) all.push_back(stored.message);
  return all;
}

}  // namespace duly::sim
