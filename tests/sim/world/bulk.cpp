// Acts on many commands: the operator who cancels what a filter finds, and the oracle that it leaves nothing.
#include <string>

#include "common/wire/json.h"
#include "tests/sim/world/world.h"

namespace duly::sim {

void World::cancel_many() {
  BulkFacts facts;
  if (plan_.keys && rng_.chance(0.5)) {
    facts.key = "key-" + std::to_string(rng_.below(3));
  } else {
    facts.queue = plan_.queues[rng_.below(plan_.queues.size())];
  }
  StartOperation start;
  start.reply = next_reply_++;
  start.actor = "client";
  start.filter.match.queue = facts.queue;
  start.filter.match.key = facts.key;
  const ReplyTo reply = start.reply;
  if (server_->submit(std::move(start))) pending_[reply] = Pending{{}, CommandId{}, "bulk", {}, {}, facts};
}

void World::bulk_answered(const BulkFacts& asked, const Answer& answer) {
  const auto* body = std::get_if<JsonBody>(&answer.what);
  if (body == nullptr) return;  // refused: a full disk, or too many at once
  const auto json = parse_json(body->body, 4);
  const auto id = parse_operation_id((*json)["id"].get<std::string>());
  if (!id) throw Violation{"I13: an operation without an id"};
  bulk_.emplace(*id, asked);
}

// What was accepted before it began has ended when it is done, unless it was redriven since.
void World::watch_bulk() {
  Store& store = server_->store();
  for (auto& entry : bulk_) {
    const CommandId operation = entry.first;
    BulkFacts& facts = entry.second;
    if (facts.done) continue;
    const auto row = store.operation(operation);
    if (!row) throw Violation{"I1: " + format_operation_id(operation) + " was accepted and is lost"};
    facts.done = row->state == OperationState::done;
    if (!facts.done) continue;
    const auto queue = store.find_queue(facts.queue);
    store.each_state([&](const StateRow& command) {
      const bool meant =
          facts.queue.empty() ? command.key_hash == key_hash_of(facts.key) : queue && command.queue == *queue;
      if (!meant || command.id > operation || is_end(command.state) || facts_.redriven.contains(command.id) ||
          facts_.revivable.contains(command.id))
        return;
      throw Violation{"I13: " + format_operation_id(operation) + " is done and " +
                      format_command_id(command.id) + " is " + std::string(name_of(command.state))};
    });
  }
}

}  // namespace duly::sim
