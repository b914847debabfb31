// Oracles on the wires: what must hold of every message as it passes.  Numbers are those of the design's
// invariants.
#include <string>

#include "common/model/limits.h"
#include "common/wire/bundle.h"
#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr std::size_t kCopies = 3;
constexpr int kTimesInASecond = 20;

// Of the commands in the message: one, several of a bundle, or none when it is not an execution message.
std::vector<MessageKey> keys_of(const AmqpMessage& message) {
  std::vector<MessageKey> keys;
  if (const auto read = read_executions(message)) {
    for (const Execution& one : *read) keys.emplace_back(one.id, one.attempt, one.token.value);
  }
  return keys;
}

}  // namespace

// ---- the link, towards the server
// ------------------------------------------------------------------------------

void World::watch_said(const SessionSaid& said) {
  wire_.heard[said.session] = loop_.now();
  if (const auto* hello = std::get_if<Hello>(&said.message))
    who_[said.session] = {hello->name, hello->incarnation};
  const auto* marks = std::get_if<Marks>(&said.message);
  if (marks == nullptr) return;
  for (const MarkItem& item : marks->items) {
    if (item.outcome != MarkOutcome::published) {
      watch_delivery(item);
    } else if (!wire_.confirmed.contains({item.id, item.attempt, item.token.value}))
      throw Violation{"I13: " + format_command_id(item.id) +
                      " was reported published, and the broker never confirmed it"};
  }
}

// ---- the link, towards the agents
// ------------------------------------------------------------------------------

void World::watch_sent(const SendMessage& message) {
  if (const auto* begun = std::get_if<Begun>(&message.message)) {
    for (const BegunItem& item : begun->items) {
      wire_.answered.insert({item.id, item.attempt});
      if (item.verdict == Verdict::go) {
        watch_start({item.id, item.attempt});
        watch_parents(item.id);
      }
    }
  }
  const bool renews = std::holds_alternative<HeartbeatAck>(message.message) ||
                      std::holds_alternative<Welcome>(message.message);
  if (const auto who = who_.find(message.session); renews && who != who_.end())
    wire_.acknowledged[who->second.first] = loop_.now();
  if (const auto* lease = std::get_if<Lease>(&message.message)) watch_lease(*lease, message.session);
}

// I4: per shard epochs rise strictly, and an epoch has one holder, ever: that incarnation of that agent.
void World::watch_lease(const Lease& lease, SessionId session) {
  const auto who = who_.find(session);
  if (who == who_.end()) throw Violation{"I4: a lease for somebody who never said who it is"};
  for (const Holding& holding : lease.items) {
    note(static_cast<std::uint64_t>(holding.epoch.value));
    Epoch& highest = highest_[holding.shard];
    const std::string shard = std::to_string(holding.shard.value);
    if (holding.epoch < highest) throw Violation{"I4: epoch of shard " + shard + " fell"};
    const auto [at, fresh] = holder_.emplace(std::pair{holding.shard, holding.epoch}, who->second);
    if (!fresh && at->second != who->second)
      throw Violation{"I4: shard " + shard + " has two holders in one epoch: " + at->second.first + ", " +
                      who->second.first};
    for (Epoch gone{highest.value}; gone < holding.epoch; gone = Epoch{gone.value + 1})
      superseded_ms_.emplace(std::pair{holding.shard, gone}, server_wall_ms());
    highest = holding.epoch;
  }
}

// I16: a permit is never granted before the command is due by the server's clock, nor after it has expired.
void World::watch_start(AttemptRef ref) {
  const auto row = server_->store().find(ref.id);
  if (!row) throw Violation{"a permit for a command that is not stored"};
  const bool this_attempt = row->state == State::running && row->attempt == ref.attempt;
  // The hand-over is decided by the server's clock, which stands still when the wall goes back, publishing by
  // the agent's elapsed time: in a world with such steps what was handed over ahead of its time may be early
  // by as much.
  const std::int64_t tolerance_ms = plan_.rates.wall_step.count() > 0 ? limits::kLookAhead.count() : 0;
  if (this_attempt && row->due_ms > server_wall_ms() + tolerance_ms)
    throw Violation{"I16: " + format_command_id(ref.id) + " began early"};
  if (this_attempt && row->expires_ms != 0 && row->started_ms >= row->expires_ms)
    throw Violation{"I16: " + format_command_id(ref.id) + " began after it had expired"};
  if (this_attempt && row->key_hash != 0) {
    for (const StateRow& other : server_->store().running()) {
      if (other.key_hash == row->key_hash && other.id != ref.id)
        throw Violation{"I6: " + format_command_id(ref.id) + " and " + format_command_id(other.id) +
                        " of one key run at a time"};
    }
  }
  if (this_attempt && plan_.rates.queue_limit.count() > 0) watch_limits(*row);
  note(static_cast<std::uint64_t>(ref.id.value) + static_cast<std::uint64_t>(ref.attempt));
}

// I7: whoever says nothing is found out, also by a server whose disk is slow.  One that is itself stopped
// finds nobody.
void World::watch_silence() {
  if (plan_.rates.server_pause.count() > 0) return;
  for (const auto& [session, at] : wire_.heard) {
    if (loop_.now() - at > plan_.ttl * 3 + seconds{5})
      throw Violation{"I7: " + who_[session].first + " has been silent for long and is not found out"};
  }
}

// ---- the broker
// ------------------------------------------------------------------------------------------------

void World::watch_broker() {
  SimRabbitWatch watch;
  watch.confirmed = [this](const AmqpMessage& message) {
    if (message.verbatim) watch_delivery_confirmed(message);
    if (message.exchange != topology::kExecuteExchange) return;
    for (const MessageKey& key : keys_of(message)) wire_.confirmed.insert(key);
  };
  watch.stored = [this](const AmqpMessage& message) { watch_stored(message); };
  // Design decision 5: acknowledged to the broker only when the permit, or its refusal, is durable.
  watch.settled = [this](const AmqpMessage& message) {
    watch_report_settled(message);
    for (const auto& [id, attempt, token] : keys_of(message)) {
      if (!wire_.answered.contains({id, attempt}))
        throw Violation{"I9: " + format_command_id(id) + " was acknowledged to the broker before its permit"};
    }
  };
  rabbit_.set_watch(std::move(watch));
}

// Whatever happens to the server, and however often: nobody is told the same more than a few times a second.
void World::watch_flood(const std::string& what) {
  auto& [since, count] = told_often_[what];
  if (loop_.now() - since >= seconds{1}) {
    since = loop_.now();
    count = 0;
  }
  if (++count > kTimesInASecond) throw Violation{"I7: " + what + " goes out again and again"};
}

void World::watch_stored(const AmqpMessage& message) {
  if (!message.verbatim &&
      (message.exchange == topology::kDeadExchange || message.exchange == topology::kExecuteExchange))
    watch_flood(message.exchange + "." + message.message_id);
  if (message.exchange == topology::kDeadExchange) {
    if (const auto sent = messages_.find(message.message_id); sent != messages_.end())
      sent->second.parked = true;
    const auto id = parse_command_id(message.correlation_id);
    const auto attempt = message.headers.find("duly-attempt");
    if (id && attempt != message.headers.end())
      wire_.dead_kept.insert({*id, static_cast<int>(std::get<std::int64_t>(attempt->second))});
    return;
  }
  if (!plan_.calm || message.verbatim) return;
  // Decision 6: published again only when its queue is empty; two copies can be a race, three are not.
  std::size_t copies = 0;
  for (const AmqpMessage& other : rabbit_.messages(topology::execute_queue(message.routing_key)))
    copies += other.message_id == message.message_id ? 1 : 0;
  if (copies >= kCopies)
    throw Violation{"I12: copies of " + message.message_id + " pile up in a calm broker"};
}

// Design decision 7: an agent stops publishing before its lease can have ended.
void World::watch_published(std::size_t index, PublishTicket ticket, const AmqpMessage& message) {
  if (message.exchange != topology::kExecuteExchange) return;
  publishes_.insert({index, ticket});
  if (keys_of(message).size() > 1) ++counts_.strikes["bundle"];
  const auto heard = wire_.acknowledged.find(agents_[index]->name());
  if (heard == wire_.acknowledged.end() || loop_.now() - heard->second > plan_.ttl)
    throw Violation{"I4: " + agents_[index]->name() + " published " + message.message_id +
                    " a lease TTL after the server last answered it"};
}

// With a broker that never failed, each publish is settled for good.
void World::watch_settled(std::size_t index, const std::vector<SettledPublish>& results) {
  for (const SettledPublish& result : results) {
    const auto at = publishes_.find({index, result.ticket});
    if (at == publishes_.end()) continue;
    publishes_.erase(at);
    if (plan_.calm && result.outcome == PublishOutcome::in_doubt)
      throw Violation{"I7: a publish ended in doubt with a broker that works"};
  }
}

}  // namespace duly::sim
