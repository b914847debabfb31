#include "control-server/core/shard_map.h"

#include <algorithm>

#include "common/base/assert.h"
#include "common/base/planted.h"

namespace duly {
namespace {

const ShardMap::Candidate* named(const std::vector<ShardMap::Candidate>& agents, const std::string& name) {
  const auto at =
      std::find_if(agents.begin(), agents.end(), [&](const auto& agent) { return agent.name == name; });
  return at == agents.end() ? nullptr : &*at;
}

const ShardMap::Candidate* with_session(const std::vector<ShardMap::Candidate>& agents, SessionId session) {
  const auto at =
      std::find_if(agents.begin(), agents.end(), [&](const auto& agent) { return agent.session == session; });
  return at == agents.end() ? nullptr : &*at;
}

// The agent with the least load other than `avoid` (unless it is the only one); ties go to the first name.
const ShardMap::Candidate* least_loaded(const std::vector<ShardMap::Candidate>& agents,
                                        const std::map<std::string, int>& loads, const std::string& avoid) {
  const ShardMap::Candidate* best = nullptr;
  for (const auto& agent : agents) {
    if (agent.name == avoid && agents.size() > 1) continue;
    if (best == nullptr || loads.at(agent.name) < loads.at(best->name)) best = &agent;
  }
  return best;
}

}  // namespace

ShardMap::ShardMap(int count, const std::vector<ShardRow>& rows, MonoTime reserved_until) {
  shards_.resize(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) shards_[static_cast<std::size_t>(i)].row.shard = ShardId{i};
  for (const ShardRow& row : rows) {
    DULY_ASSERT(valid(row.shard));
    shard(row.shard).row = row;
    if (!row.agent.empty()) shard(row.shard).reserved_until = reserved_until;
  }
}

bool ShardMap::holds(SessionId session, ShardId id, Epoch epoch) const {
  if (!valid(id)) return false;
  const Shard& s = at(id);
  return s.phase != Phase::free && s.holder == session && s.row.epoch == epoch;
}

bool ShardMap::reclaim(const Holding& holding, SessionId session, const std::string& name,
                       Incarnation incarnation) {
  if (!valid(holding.shard)) return false;
  Shard& s = shard(holding.shard);
  const bool the_holder =
      s.row.epoch == holding.epoch && s.row.agent == name && s.row.incarnation == incarnation;
  if (s.phase != Phase::free || (!the_holder && !DULY_PLANTED("reclaim.stale"))) return false;
  if (!s.row.pinned.empty() && s.row.pinned != name) return false;
  s.phase = Phase::held;
  s.holder = session;
  return true;
}

const ShardRow& ShardMap::grant(ShardId id, SessionId session, const std::string& name,
                                Incarnation incarnation) {
  Shard& s = shard(id);
  DULY_ASSERT(s.phase == Phase::free);
  s.row.epoch = Epoch{s.row.epoch.value + (DULY_PLANTED("epoch.bump") ? 0 : 1)};
  s.row.agent = name;
  s.row.incarnation = incarnation;
  s.phase = Phase::held;
  s.holder = session;
  s.target.clear();
  return s.row;
}

void ShardMap::begin_move(ShardId id, MonoTime until) {
  Shard& s = shard(id);
  DULY_ASSERT(s.phase == Phase::held);
  s.phase = Phase::moving;
  s.moving_until = until;
}

void ShardMap::release(ShardId id) {
  Shard& s = shard(id);
  s.phase = Phase::free;
  s.holder = SessionId{0};
  s.reserved_until = MonoTime{};
}

std::vector<ShardId> ShardMap::held_by(SessionId session) const {
  std::vector<ShardId> held;
  for (const Shard& s : shards_) {
    if (s.phase != Phase::free && s.holder == session) held.push_back(s.row.shard);
  }
  return held;
}

const ShardRow& ShardMap::pin(ShardId id, const std::string& agent) {
  Shard& s = shard(id);
  s.row.pinned = agent;
  s.avoid.clear();
  return s.row;
}

const ShardRow& ShardMap::unassign(ShardId id) {
  Shard& s = shard(id);
  s.row.pinned.clear();
  s.avoid = s.row.agent;
  return s.row;
}

void ShardMap::clear_avoidance() {
  for (Shard& s : shards_) s.avoid.clear();
}

ShardMap::Loads ShardMap::loads(const std::vector<Candidate>& agents) const {
  Loads loads;
  for (const Candidate& agent : agents) loads[agent.name] = 0;
  for (const Shard& s : shards_) {
    if (s.phase == Phase::held) {
      if (const auto* agent = with_session(agents, s.holder)) ++loads[agent->name];
    } else if (s.phase == Phase::moving && loads.contains(s.target)) {
      ++loads[s.target];
    }
  }
  return loads;
}

ShardMap::Plan ShardMap::balance(const std::vector<Candidate>& agents, MonoTime now) {
  Plan plan;
  if (agents.empty()) return plan;
  Loads current = loads(agents);
  plan_pins(agents, current, plan);
  plan_departures(agents, current, plan);
  plan_free(agents, now, current, plan);
  plan_levelling(agents, current, plan);
  return plan;
}

void ShardMap::plan_revoke(Shard& s, const std::string& target, Loads& loads, Plan& plan) {
  s.target = target;
  ++loads[target];
  plan.revokes.push_back(s.row.shard);
}

// A pinned shard goes to its agent whenever that is live.
void ShardMap::plan_pins(const std::vector<Candidate>& agents, Loads& loads, Plan& plan) {
  for (Shard& s : shards_) {
    const Candidate* wanted = s.row.pinned.empty() ? nullptr : named(agents, s.row.pinned);
    if (wanted == nullptr || s.phase != Phase::held || s.holder == wanted->session) continue;
    if (const auto* holder = with_session(agents, s.holder)) --loads[holder->name];
    plan_revoke(s, wanted->name, loads, plan);
  }
}

// Shards of agents that drain, and those taken from an agent by hand, leave it.
void ShardMap::plan_departures(const std::vector<Candidate>& agents, Loads& loads, Plan& plan) {
  for (Shard& s : shards_) {
    if (s.phase != Phase::held) continue;
    if (std::find(plan.revokes.begin(), plan.revokes.end(), s.row.shard) != plan.revokes.end()) continue;
    const Candidate* holder = with_session(agents, s.holder);
    const bool avoided = holder != nullptr && s.avoid == holder->name && agents.size() > 1;
    if (holder != nullptr && !avoided) continue;
    if (holder != nullptr) --loads[holder->name];
    plan_revoke(s, least_loaded(agents, loads, s.avoid)->name, loads, plan);
  }
}

void ShardMap::plan_free(const std::vector<Candidate>& agents, MonoTime now, Loads& loads, Plan& plan) {
  for (Shard& s : shards_) {
    if (s.phase != Phase::free || s.reserved_until > now) continue;
    const Candidate* to = s.row.pinned.empty() ? nullptr : named(agents, s.row.pinned);
    if (to == nullptr && !s.target.empty()) to = named(agents, s.target);
    if (to == nullptr || (to->name == s.avoid && agents.size() > 1))
      to = least_loaded(agents, loads, s.avoid);
    ++loads[to->name];
    plan.grants.emplace_back(s.row.shard, to->session);
  }
}

// A shard of `from` that may go to `to`: one that was taken from `to` by hand only when there is no other.
ShardMap::Shard* ShardMap::movable(const Candidate& from, const std::string& to, const Plan& plan) {
  Shard* taken_away = nullptr;
  for (Shard& s : shards_) {
    const bool planned =
        std::find(plan.revokes.begin(), plan.revokes.end(), s.row.shard) != plan.revokes.end();
    if (s.phase != Phase::held || s.holder != from.session || !s.row.pinned.empty() || planned) continue;
    if (s.avoid != to) return &s;
    taken_away = &s;
  }
  return taken_away;
}

// One shard at a time from the fullest that has one to give to the emptiest, until they are at most one
// apart.
void ShardMap::plan_levelling(const std::vector<Candidate>& agents, Loads& loads, Plan& plan) {
  for (std::size_t moves = 0; moves < shards_.size(); ++moves) {
    const auto by_load = [](const auto& a, const auto& b) { return a.second < b.second; };
    const std::string low = std::min_element(loads.begin(), loads.end(), by_load)->first;
    std::vector<std::pair<int, std::string>> fuller;
    for (const auto& [name, load] : loads) {
      if (load - loads.at(low) > 1) fuller.emplace_back(-load, name);
    }
    std::sort(fuller.begin(), fuller.end());
    Shard* moved = nullptr;
    for (const auto& [load, name] : fuller) {
      moved = movable(*named(agents, name), low, plan);
      if (moved == nullptr) continue;  // what it has is pinned, moving already, or was just granted
      --loads.at(name);
      moved->avoid.clear();
      plan_revoke(*moved, low, loads, plan);
      break;
    }
    if (moved == nullptr) return;
  }
}

std::optional<MonoTime> ShardMap::next_deadline() const {
  std::optional<MonoTime> next;
  const auto consider = [&](MonoTime at) { next = next ? std::min(*next, at) : at; };
  for (const Shard& s : shards_) {
    if (s.phase == Phase::free && s.reserved_until != MonoTime{}) consider(s.reserved_until);
    if (s.phase == Phase::moving) consider(s.moving_until);
  }
  return next;
}

}  // namespace duly
