// Agents come, speak and go; shards follow them.
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

constexpr std::size_t kAgentRecords = 1000;
constexpr std::size_t kRecordsDropped = 100;
constexpr Duration kHoldOffFirst = milliseconds{50};  // up to 64 times that

bool good_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::kNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '_' || c == '-';
         });
}

}  // namespace

// ---- sessions
// --------------------------------------------------------------------------------------------------

void Engine::on(SessionOpened& input) {
  if (sessions_.size() >= limits::kSessions) {
    effects_.push_back(CloseSession{input.session, "too many connections"});
    return;
  }
  Agent agent;
  agent.session = input.session;
  agent.address = input.address;
  agent.opened = agent.heard = awake();
  sessions_.emplace(input.session, std::move(agent));
}

void Engine::on(SessionClosed& input) {
  const auto at = sessions_.find(input.session);
  if (at == sessions_.end()) return;
  const Agent agent = std::move(at->second);
  sessions_.erase(at);
  if (agent.name.empty()) return;
  for (const ShardId shard : shards_.held_by(agent.session)) {
    shards_.release(shard);  // at once: the next epoch makes that safe
    forget_holding(shard);
  }
  // A closed connection is a dead process or a short break: a living one is back long before this is over.
  executor_away(agent.party, config_.lease_ttl / 16);
  AgentRecord& record = agents_[agent.name];
  if (record.session == agent.session) {
    record.session = SessionId{0};
    record.lost = true;
    if (agent.leaving) agents_.erase(agent.name);
  }
  if (!agent.leaving) ++stats_.agents_lost;
  shards_.clear_avoidance();
  rebalance_needed_ = true;
  log(agent.leaving ? LogLevel::info : LogLevel::warn, "engine", "agent gone",
      {{"agent", agent.name}, {"reason", input.reason}});
}

void Engine::drop_session(SessionId session, const std::string& reason) {
  effects_.push_back(CloseSession{session, reason});
  SessionClosed closed{session, reason};
  on(closed);
}

void Engine::on(SessionSaid& input) {
  const auto at = sessions_.find(input.session);
  if (at == sessions_.end()) return;
  Agent& agent = at->second;
  agent.heard = awake();
  const bool hello = std::holds_alternative<Hello>(input.message);
  if (hello == !agent.name.empty()) {
    return drop_session(input.session, hello ? "hello was said already" : "hello must come first");
  }
  std::visit([&](auto& message) { said(agent, message); }, input.message);
}

void Engine::said(Agent& agent, Hello& hello) {
  const SessionId session = agent.session;
  std::string refusal;
  if (hello.protocol != kProtocolVersion) {
    refusal = "this server speaks protocol " + std::to_string(kProtocolVersion) + ", not " +
              std::to_string(hello.protocol);
  } else if (!good_name(hello.name)) {
    refusal = "the agent's name is not made of 1 to 128 letters, digits, '.', '_' and '-'";
  }
  const auto known = agents_.find(hello.name);
  if (refusal.empty() && known != agents_.end() && known->second.session.value != 0) {
    const Agent& other = sessions_.at(known->second.session);
    if (other.incarnation == hello.incarnation) {
      drop_session(other.session, "the same agent has connected again");
    } else {
      refusal = "an agent named '" + hello.name + "' is live";
    }
  }
  if (!refusal.empty()) {
    log(LogLevel::warn, "engine", "agent refused", {{"agent", hello.name}, {"reason", refusal}});
    send(session, Refused{refusal});
    return drop_session(session, refusal);
  }
  agent.name = hello.name;
  agent.incarnation = hello.incarnation;
  agent.party = store_.party_number(hello.name, hello.incarnation);
  agent.dispatch = hello.dispatch;
  agent.execute = hello.execute;
  agent.leaving = hello.draining;
  agent.fault_injection = hello.fault_injection;
  agent.queues = hello.queues;
  agent.version = hello.version;
  agent.connected_ms = agent.heartbeat_ms = now_ms();
  if (agents_.size() >= kAgentRecords) {
    std::size_t dropped = 0;
    std::erase_if(agents_, [&](const auto& r) { return r.second.lost && ++dropped <= kRecordsDropped; });
  }
  AgentRecord& record = agents_[hello.name];
  // A drain by hand stays with the name until it is resumed.
  record = AgentRecord{record.draining, false,         session,       now_ms(),     now_ms(), 0, 0,
                       hello.dispatch,  hello.execute, hello.version, agent.address};
  send(session, Welcome{to_ms(config_.lease_ttl), store_.generation(), bundles_of(agent.queues)});
  reclaim(agent, hello);
  executor_back(agent, hello.attempts);
  rebalance_needed_ = true;
  log(LogLevel::info, "engine", "agent connected",
      {{"agent", hello.name},
       {"address", agent.address},
       {"holdings", static_cast<std::int64_t>(hello.holdings.size())}});
}

void Engine::said(Agent& agent, Heartbeat& heartbeat) {
  const bool usable = heartbeat.broker_up && !heartbeat.broker_blocked;
  const bool was_usable = agent.last.sequence == 0 || (agent.last.broker_up && !agent.last.broker_blocked);
  if (usable != was_usable) rebalance_needed_ = true;
  agent.last = heartbeat;
  agent.heartbeat_ms = now_ms();
  send(agent.session, HeartbeatAck{heartbeat.sequence});
}

void Engine::said(Agent& agent, Credit& credit) {
  agent.room =
      std::min<std::int64_t>(agent.room + credit.room, static_cast<std::int64_t>(limits::kAgentInHand));
}

void Engine::said(Agent& agent, GiveBack& given) {
  for (const GiveBackItem& item : given.items) {
    if (!shards_.holds(agent.session, item.shard, item.epoch)) {
      ++stats_.stale_marks;
      continue;
    }
    const Handed* at = handed_.find(item.id);
    if (at == nullptr) continue;
    ++stats_.given_back;
    const Handed handed = *at;
    forget_hand_out(item.id);
    queues_[handed.queue].last_problem = item.reason == GiveBackReason::drained ? "" : name_of(item.reason);
    if (item.reason == GiveBackReason::returned)
      effects_.push_back(EnsureQueue{store_.queue_name(handed.queue)});
    const auto row = store_.find(item.id);
    if (!row || row->state != State::scheduled) continue;  // a lost `queued` one is found again by inspection
    window_.hold_off(lane_of(*row), ready_row(*row),
                     now_.mono + hold_off(queues_[handed.queue], item.reason));
  }
}

// A queue that was missing has just been declared, so the first try comes soon; each further failure in a row
// doubles the wait.
Duration Engine::hold_off(QueueInfo& info, GiveBackReason reason) {
  if (reason != GiveBackReason::returned && reason != GiveBackReason::rejected) return Duration{0};
  const int doublings = std::min(info.failures_in_a_row++, 6);
  return kHoldOffFirst * (1 << doublings);
}

void Engine::said(Agent& agent, Released& released) {
  for (const Holding& holding : released.items) {
    if (!shards_.holds(agent.session, holding.shard, holding.epoch)) continue;
    shards_.release(holding.shard);
    forget_holding(holding.shard);
    rebalance_needed_ = true;
  }
}

void Engine::said(Agent& agent, Leaving&) {
  agent.leaving = true;
  agents_[agent.name].draining = true;
  rebalance_needed_ = true;
}

// ---- shards
// ----------------------------------------------------------------------------------------------------

// What was handed out under a holding is known only as long as the holding lives.
void Engine::forget_holding(ShardId shard) {
  if (DULY_PLANTED("hand-out.forgotten")) return window_.reset(shard);
  for (const CommandId id : handed_in(shard).ids()) forget_hand_out(id);
  window_.reset(shard);
}

// The agent kept its leases while this server was away: they go on under the same epochs, with what is in
// hand.
void Engine::reclaim(Agent& agent, const Hello& hello) {
  Lease lease;
  for (const Holding& holding : hello.holdings) {
    if (agent.dispatch && !agent.leaving &&
        shards_.reclaim(holding, agent.session, agent.name, agent.incarnation)) {
      lease.items.push_back(holding);
    }
  }
  for (const AttemptRef& ref : hello.in_hand) {
    const auto row = store_.find(ref.id);
    if (!row || row->state != State::scheduled || row->next_attempt() != ref.attempt) continue;
    const ShardMap::Shard& shard = shards_.at(row->shard);
    if (shard.phase != ShardMap::Phase::held || shard.holder != agent.session || handed_.contains(ref.id))
      continue;
    window_.remove(lane_of(*row), ref.id);
    const bool delivers = store_.delivers(ref.id);
    handed_.try_emplace(ref.id, Handed{ready_row(*row), row->shard, shard.row.epoch, row->queue, agent.party,
                                       false, delivers});
    handed_in(row->shard).try_emplace(ref.id, {});
    if (row->key_hash != 0) handed_keys_[row->key_hash] = ref.id;
    ++queues_[row->queue].handed;
    if (delivers) ++queues_[row->queue].handed_to_others;
  }
  // Also when empty: the first lease after a welcome says what the agent may keep.
  send(agent.session, std::move(lease));
}

std::vector<ShardMap::Candidate> Engine::candidates() const {
  std::vector<ShardMap::Candidate> able;    // their broker takes messages
  std::vector<ShardMap::Candidate> unable;  // better than nobody
  for (const auto& [name, record] : agents_) {
    if (record.session.value == 0 || record.draining) continue;
    const Agent& agent = sessions_.at(record.session);
    if (!agent.dispatch || agent.leaving) continue;
    // One that has only just said hello has not told yet: it counts as able, or each newcomer would move
    // shards.
    const bool untold = agent.last.sequence == 0;
    const bool usable = untold || (agent.last.broker_up && !agent.last.broker_blocked);
    (usable ? able : unable).push_back({agent.session, name});
  }
  return able.empty() ? unable : able;
}

void Engine::rebalance() {
  if (!std::exchange(rebalance_needed_, false)) return;
  for (const ShardMap::Shard& shard : shards_.all()) {
    if (shard.phase != ShardMap::Phase::moving || shard.moving_until > awake()) continue;
    const ShardId id = shard.row.shard;  // its holder did not answer; the epoch makes taking it safe
    shards_.release(id);
    forget_holding(id);
  }
  const ShardMap::Plan plan = shards_.balance(candidates(), awake());
  // What was just granted can be moved by the next plan only, when a newcomer is still short.
  if (!plan.grants.empty()) rebalance_needed_ = true;
  std::map<SessionId, Lease> leases;
  std::map<SessionId, Revoke> revokes;
  for (const auto& [shard, session] : plan.grants) {
    const Agent& agent = sessions_.at(session);
    const bool moved = !shards_.at(shard).row.agent.empty();
    const ShardRow& row = shards_.grant(shard, session, agent.name, agent.incarnation);
    store_.put_shard(row);
    window_.reset(shard);
    leases[session].items.push_back({shard, row.epoch});
    if (moved) ++stats_.shard_moves;
  }
  for (const ShardId shard : plan.revokes) {
    const ShardMap::Shard& held = shards_.at(shard);
    revokes[held.holder].items.push_back({shard, held.row.epoch});
    shards_.begin_move(shard, awake() + config_.lease_ttl);
  }
  for (auto& [session, lease] : leases) send(session, std::move(lease));
  for (auto& [session, revoke] : revokes) send(session, std::move(revoke));
}

// ---- executors
// -------------------------------------------------------------------------------------------------

void Engine::executor_away(PartyNumber party, Duration grace) {
  const auto at = executors_.find(party);
  if (at == executors_.end()) return;
  at->second.session = SessionId{0};
  at->second.lost_at = awake() + grace;
}

void Engine::expire_executors() {
  std::vector<CommandId> lost;
  for (auto& [party, executor] : executors_) {
    if (executor.session.value != 0 || !executor.lost_at || *executor.lost_at > awake()) continue;
    const std::vector<CommandId> its = executor.running.ids();
    lost.insert(lost.end(), its.begin(), its.end());
  }
  for (const CommandId id : lost) lose_attempt(id, "its executor is gone");
  while (const auto over = running_deadlines_.take_over(awake())) {
    const Running* running = running_.find(over->second);
    if (running == nullptr || running->deadline > awake())
      continue;  // it has ended, or has given a sign since
    lose_attempt(over->second, running->foreign ? "no sign of its executor for timeout_ms"
                                                : "no report long after its time-out");
  }
  std::erase_if(executors_,
                [](const auto& e) { return e.second.session.value == 0 && e.second.running.empty(); });
}

void Engine::executor_back(Agent& agent, const std::vector<AttemptRef>& attempts) {
  for (auto& [party, executor] : executors_) {
    // The name is live again in another process: that one is gone.
    if (party != agent.party && executor.name == agent.name && executor.lost_at) executor.lost_at = awake();
  }
  Executor& executor = executors_[agent.party];
  executor.name = agent.name;
  executor.session = agent.session;
  executor.lost_at.reset();
  const std::set<AttemptRef> known(attempts.begin(), attempts.end());
  std::vector<CommandId> unknown;
  for (const CommandId id : executor.running.ids()) {
    if (!known.contains(AttemptRef{id, running_.find(id)->attempt})) unknown.push_back(id);
  }
  for (const CommandId id : unknown) lose_attempt(id, "its executor does not know it");
  // And the other way round: what we have given up must not go on running there.
  CancelRun given_up;
  for (const AttemptRef& ref : attempts) {
    const Running* at = running_.find(ref.id);
    const bool ours = at != nullptr && at->attempt == ref.attempt && at->executor == agent.party;
    if (!ours) given_up.items.push_back(ref);
  }
  if (!given_up.items.empty()) send(agent.session, std::move(given_up));
}

}  // namespace duly
