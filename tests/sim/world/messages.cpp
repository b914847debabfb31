// The publisher: a program that speaks only AMQP and submits by message, and the oracle that each message
// that the broker took is one command, or a dead letter when it cannot be one.
//
// A number in the payload tells which message a command is of; the store's idempotency keys are not asked.
#include <cstdio>
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr Duration kPatience = milliseconds{300};  // before what was not confirmed is published again

std::string payload_of(std::int64_t fails, std::int64_t ms, std::int64_t serial) {
  return "[" + std::to_string(fails) + "," + std::to_string(ms) + ",0," + std::to_string(serial) + "]";
}

}  // namespace

void World::start_publisher() {
  publisher_ = std::make_unique<SimBroker>(loop_, rabbit_);
  BrokerEvents events;
  events.publisher_state = [](bool) {};
  events.publisher_blocked = [](bool) {};
  events.settled = [this](const std::vector<SettledPublish>& results) {
    for (const SettledPublish& result : results) message_settled(result);
  };
  events.consumer_up = events.consumer_down = [] {};
  events.deliveries = [](const std::vector<Delivery>&) {};
  events.inspected = [](const QueueDepth&) {};
  publisher_->start(std::move(events));
}

MessageFacts World::draw_message() {
  MessageFacts facts;
  AmqpMessage& message = facts.message;
  const auto serial = static_cast<std::int64_t>(messages_.size()) + 1;
  message.exchange = topology::kSubmitExchange;
  message.routing_key = "some.event";
  message.message_id = "m" + std::to_string(serial);
  message.type = "work";
  const std::int64_t fails = rng_.chance(0.1) ? rng_.between(1, 3) : 0;
  message.body = make_bytes(payload_of(fails, rng_.between(0, 40), serial));
  message.headers["duly-queue"] = plan_.queues[rng_.below(plan_.queues.size())];
  if (rng_.chance(0.4)) message.headers["x-delay"] = rng_.between(-100, 4000);
  if (rng_.chance(0.3)) message.headers["duly-priority"] = rng_.between(0, 9) % plan_.priorities;
  if (plan_.keys && rng_.chance(0.3)) message.headers["duly-key"] = "key-" + std::to_string(rng_.below(3));
  facts.is_command = rng_.chance(0.85);
  if (!facts.is_command && rng_.chance(0.5)) {
    message.type.clear();
  } else if (!facts.is_command) {
    message.headers["x-delay"] = std::string("soon");
  }
  if (facts.is_command) ask_for_delivery(message);
  by_serial_[serial] = message.message_id;
  return facts;
}

void World::publish_messages() {
  const std::int64_t count = rng_.between(1, 4);
  for (std::int64_t i = 0; i < count; ++i) {
    MessageFacts facts = draw_message();
    const std::string id = facts.message.message_id;
    messages_.emplace(id, std::move(facts));
    publish_message(id);
    if (rng_.chance(0.15)) publish_message(id);  // the publisher did not wait for its confirm
  }
}

void World::publish_message(const std::string& message_id) {
  const PublishTicket ticket = ++last_message_;
  sending_[ticket] = message_id;
  publisher_->publish(ticket, messages_.at(message_id).message);
}

void World::message_settled(const SettledPublish& result) {
  const auto sent = sending_.extract(result.ticket);
  if (sent.empty()) return;
  if (result.outcome == PublishOutcome::confirmed) {
    messages_.at(sent.mapped()).confirmed = true;
    return;
  }
  // Whoever hears nothing, or a refusal, publishes again under the same id.
  sending_[result.ticket] = sent.mapped();
  loop_.at(loop_.now() + kPatience, [this, ticket = result.ticket] {
    const auto again = sending_.extract(ticket);
    publish_message(again.mapped());
  });
}

// The broker's disk is wiped: nothing that was in it is owed to anybody.
void World::forget_messages() {
  for (auto& [id, sent] : messages_) sent.lost = true;
}

void World::find_message_of(CommandId id) {
  const auto body = server_->store().body(id);
  long long serial = 0;
  if (!body || std::sscanf(body->payload->c_str(), "[%*d,%*d,%*d,%lld]", &serial) != 1) return;
  messages_.at(by_serial_.at(serial)).commands.insert(id);
  facts_.accepted.emplace(id, OnLost::retry);  // from here on it is judged like the others
}

std::size_t World::messages_on_their_way() const {
  return sending_.size() + rabbit_.ready(topology::kSubmitQueue).value_or(0) +
         rabbit_.unsettled(topology::kSubmitQueue).value_or(0);
}

// Delivered too often, because each time somebody died: a dead letter without a reason of ours.
bool World::given_up_by_broker(const std::string& message_id) const {
  for (const AmqpMessage& letter : rabbit_.messages(topology::kDeadQueue)) {
    if (letter.message_id == message_id && !letter.headers.contains("duly-reason")) return true;
  }
  return false;
}

void World::judge_messages(const std::map<CommandId, StateRow>& rows) {
  if (messages_.empty()) return;
  for (const auto& [id, row] : rows) find_message_of(id);
  for (const auto& [id, sent] : messages_) {
    if (sent.commands.size() > 1)
      throw Violation{"I8: message " + id + " is " + std::to_string(sent.commands.size()) + " commands"};
    if (!sent.is_command && !sent.commands.empty())
      throw Violation{"I9: message " + id + " cannot be understood, and is a command"};
    if (!sent.confirmed || sent.lost) continue;
    if (sent.is_command && sent.commands.empty() && !given_up_by_broker(id))
      throw Violation{"I1: message " + id + " was taken by the broker, and is no command"};
    if (!sent.is_command && !sent.parked)
      throw Violation{"I9: message " + id + " cannot be understood, and is in no queue"};
  }
}

}  // namespace duly::sim
