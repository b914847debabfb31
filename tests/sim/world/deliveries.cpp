// Commands in deliver mode: a program that asks for them, an exchange of somebody else that they go to, and
// the oracle that what is called delivered was confirmed there, when it was due, and what had no way was not.
#include <utility>

#include "common/model/message_properties.h"
#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr const char* kExchange = "world";
constexpr const char* kWays[] = {"there", "there", "there", "there", "late", "nowhere"};

std::string properties_of(const std::string& message_id) {
  MessageProperties properties;
  properties.message_id = message_id;
  return write_properties(properties);
}

}  // namespace

NewCommand World::draw_delivery() {
  NewCommand command;
  CommandSpec& spec = command.spec;
  Rng& dice = *delivery_dice_;
  spec.type = "work";
  spec.queue = plan_.queues[dice.below(plan_.queues.size())];
  spec.payload = make_bytes("[" + std::to_string(dice.below(3)) + "]");  // many are alike
  if (dice.chance(0.6)) spec.delay_ms = dice.between(0, 4000);
  if (plan_.keys && dice.chance(0.3)) spec.key = "key-" + std::to_string(dice.below(3));
  spec.retry = {static_cast<int>(dice.between(1, 4)), 50, 2.0, 300, 0.2};
  if (dice.chance(0.05)) spec.expires_at_ms = to_ms(loop_.wall()) + spec.delay_ms.value_or(0) + 8000;
  const bool missing = dice.chance(0.1);
  spec.deliver =
      DeliverTarget{missing ? "missing" : kExchange, kWays[dice.below(std::size(kWays))], properties_of("")};
  command.idempotency_key = "d" + std::to_string(next_key_++);
  command.body_hash = stable_hash(command.idempotency_key);
  ask_for_callback(command);
  return command;
}

void World::start_deliveries() {
  if (plan_.rates.deliver.count() <= 0) return;
  delivery_dice_ = std::make_shared<Rng>(seed_ ^ stable_hash("deliveries"));
  rabbit_.bind(kExchange, "there", "theirs");
  loop_.at(loop_.now() + plan_.hurt / 2, [this] { rabbit_.bind(kExchange, "late", "theirs"); });
  every(
      plan_.rates.deliver, [this] { submit_delivery(); }, delivery_dice_);
  every(
      plan_.rates.deliver * 2, [this] { act_on_delivery(); }, delivery_dice_);
}

void World::submit_delivery() {
  if (healing_) return;
  std::vector<NewCommand> commands{draw_delivery()};
  const ReplyTo reply = next_reply_++;
  if (!server_->submit(Submit{reply, "client", commands})) {
    unknown_.push_back({std::move(commands), false});
    return;
  }
  pending_[reply] = Pending{std::move(commands), CommandId{}, "submit", {}, {}, {}};
}

void World::act_on_delivery() {
  if (deliveries_.empty() || healing_) return;
  Rng& dice = *delivery_dice_;
  const std::size_t recent = std::min<std::size_t>(deliveries_.size(), 6);
  const CommandId id = deliveries_[deliveries_.size() - 1 - dice.below(recent)];
  const ReplyTo reply = next_reply_++;
  Input input = RescheduleCommand{reply, "client", id, to_ms(loop_.wall()) + dice.between(0, 3000)};
  std::string action = "reschedule";
  if (dice.chance(0.2)) {
    input = CancelCommand{reply, "client", id};
    action = "cancel";
  } else if (dice.chance(0.2)) {
    input = RedriveCommand{reply, "client", id};
    facts_.redriven.insert(id);
    action = "redrive";
  }
  if (server_->submit(std::move(input))) pending_[reply] = Pending{{}, id, action, {}, {}, {}};
}

// Half of what is submitted by message, if there are deliveries at all; the same for the same message.
void World::ask_for_delivery(AmqpMessage& message) const {
  if (!delivery_dice_ || stable_hash(message.message_id) % 2 == 0) return;
  message.headers["duly-deliver-exchange"] = std::string(kExchange);
  message.headers["duly-deliver-routing-key"] = std::string("there");
  message.properties = properties_of(message.message_id);
}

void World::watch_delivery(const MarkItem& item) {
  if (item.outcome != MarkOutcome::delivered) return;
  const auto row = server_->store().find(item.id);
  const auto body = server_->store().body(item.id);
  if (!row || !body || is_end(row->state)) return;  // it may have been removed: said again, and refused
  if (!body->deliver || !wire_.delivered.contains(name_of_delivery(item.id, *body)))
    throw Violation{"I13: " + format_command_id(item.id) +
                    " was reported delivered, and the broker never confirmed it"};
  const std::int64_t tolerance_ms = plan_.rates.wall_step.count() > 0 ? to_ms(limits::kLookAhead) : 0;
  if (item.token == row->token && row->due_ms > server_wall_ms() + tolerance_ms)
    throw Violation{"I16: " + format_command_id(item.id) + " was delivered before it was due"};
}

// The id under which its message goes out.
std::string World::name_of_delivery(CommandId id, const CommandBody& body) const {
  const auto properties = read_properties(body.deliver->properties);
  return properties && properties->message_id != "" ? *properties->message_id : format_command_id(id);
}

void World::watch_delivery_confirmed(const AmqpMessage& message) {
  const auto properties = read_properties(message.properties);
  if (message.exchange != kExchange || !properties) return;
  wire_.delivered.insert(properties->message_id.value_or(""));
  ++counts_.strikes["deliver"];
}

// I16 and I3: at its time, and to a place that is there.
void World::judge_deliveries(const std::map<CommandId, StateRow>& rows) {
  // Where the wall steps, a server that starts anew may write an earlier instant than that of the delivery.
  const bool steps = plan_.rates.wall_step.count() > 0;
  for (const auto& [id, row] : rows) {
    if (row.state != State::delivered) continue;
    const auto body = server_->store().body(id);
    if (!body) continue;  // removed
    if (!body->deliver) throw Violation{"I3: " + format_command_id(id) + " was never to be delivered"};
    if (!wire_.delivered.contains(name_of_delivery(id, *body)))
      throw Violation{"I3: " + format_command_id(id) + " is delivered, and no such message was confirmed"};
    if (!steps && row.finished_ms < row.due_ms)
      throw Violation{"I16: " + format_command_id(id) + " was delivered before it was due"};
  }
}

}  // namespace duly::sim
