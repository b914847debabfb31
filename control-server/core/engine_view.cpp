// What people see of the engine's memory: agents, shards, queues, why a command is where it is, and the
// counters.
#include <algorithm>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

constexpr std::size_t kReasonsOfDependencies = 10;  // further ones are left out

std::string_view name_of(ShardMap::Phase phase) {
  switch (phase) {
    case ShardMap::Phase::free: return "free";
    case ShardMap::Phase::held: return "held";
    case ShardMap::Phase::moving: return "moving";
  }
  return "?";
}

Json rate_json(const QueueLimits& limits) {
  if (!limits.rate) return nullptr;
  return {{"count", limits.rate->count}, {"per_ms", limits.rate->per_ms}};
}

Json reason(const char* code, std::string detail) { return {{"code", code}, {"detail", std::move(detail)}}; }

// Why the limits of a queue let nothing go.
void add_limit(Json& reasons, QueueGate::Stop stop, const QueueLimits& limits, const std::string& queue) {
  const std::string most = "at most ";
  const std::string of = " commands of queue '" + queue + "'";
  if (stop == QueueGate::Stop::running)
    reasons.push_back(
        reason("queue_limit", most + std::to_string(*limits.max_running) + of + " run at a time"));
  if (stop == QueueGate::Stop::rate)
    reasons.push_back(reason("rate_limit", most + std::to_string(limits.rate->count) + of + " start within " +
                                               std::to_string(limits.rate->per_ms) + " ms"));
}

}  // namespace

// ---- agents
// ----------------------------------------------------------------------------------------------------

std::optional<std::string> Engine::agent_json(const std::string& name) const {
  const auto at = agents_.find(name);
  if (at == agents_.end()) return std::nullopt;
  const AgentRecord& record = at->second;
  const auto live = sessions_.find(record.session);
  const Agent* agent = live == sessions_.end() ? nullptr : &live->second;
  Json roles = Json::array();
  if (record.dispatch) roles.push_back("dispatch");
  if (record.execute) roles.push_back("execute");
  Json shards = Json::array();
  if (agent != nullptr) {
    for (const ShardId shard : shards_.held_by(record.session)) shards.push_back(shard.value);
  }
  const Heartbeat last = agent != nullptr ? agent->last : Heartbeat{};
  Json body = {
      {"name", name},
      {"roles", std::move(roles)},
      {"state", agent == nullptr                    ? "lost"
                : record.draining || agent->leaving ? "draining"
                                                    : "live"},
      {"shards", std::move(shards)},
      {"connected_at", format_instant(record.connected_ms)},
      {"last_heartbeat_at", format_instant(agent != nullptr ? agent->heartbeat_ms : record.heartbeat_ms)},
      {"in_flight", last.in_flight},
      {"running", last.running},
      {"published", last.published},
      {"executed", last.executed},
      {"version", record.version},
      {"address", record.address}};
  if (agent != nullptr) {
    body["queues"] = agent->queues;
    body["broker"] = last.broker_blocked ? "blocked" : last.broker_up ? "up" : "down";
  }
  return dump_json(body);
}

std::string Engine::agents_json() const {
  std::string items;
  for (const auto& [name, record] : agents_) {
    if (!items.empty()) items += ',';
    items += *agent_json(name);
  }
  return "{\"items\":[" + items + "],\"next_cursor\":null}";
}

// ---- shards
// ----------------------------------------------------------------------------------------------------

std::string Engine::shards_json() {
  std::vector<std::pair<std::int64_t, std::int64_t>> loads(static_cast<std::size_t>(shards_.count()));
  for (const ReadyWindow::Load& load : window_.loads(now_ms())) {
    auto& [scheduled, due] = loads[static_cast<std::size_t>(load.lane.shard.value)];
    scheduled += load.held;
    due += load.eligible;
  }
  Json items = Json::array();
  for (const ShardMap::Shard& shard : shards_.all()) {
    const auto& [scheduled, due] = loads[static_cast<std::size_t>(shard.row.shard.value)];
    const bool held = shard.phase != ShardMap::Phase::free;
    items.push_back({{"shard", shard.row.shard.value},
                     {"agent", held ? Json(shard.row.agent) : Json(nullptr)},
                     {"epoch", shard.row.epoch.value},
                     {"state", name_of(shard.phase)},
                     {"pinned", !shard.row.pinned.empty()},
                     {"scheduled", scheduled},
                     {"due", due}});
  }
  return dump_json({{"count", shards_.count()}, {"items", std::move(items)}});
}

// ---- queues
// ----------------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t kCircuitsShown = 100;  // of one queue

Json circuit_json(const std::string& agent, const OpenCircuit& circuit) {
  return {{"agent", agent}, {"target", circuit.target}, {"state", circuit.probing ? "half_open" : "open"}};
}

}  // namespace

std::optional<std::string> Engine::queue_json(const std::string& name) {
  const auto number = store_.find_queue(name);
  if (!number) return std::nullopt;
  const QueueInfo& info = queues_[*number];
  const QueueLimits& limits = info.gate.limits();
  std::int64_t executors = 0;
  Json circuits = Json::array();
  for (const auto& [session, agent] : sessions_) {
    if (!agent.execute || std::count(agent.queues.begin(), agent.queues.end(), name) == 0) continue;
    ++executors;
    for (const OpenCircuit& circuit : agent.last.circuits) {
      if (circuits.size() < kCircuitsShown) circuits.push_back(circuit_json(agent.name, circuit));
    }
  }
  Json counts;
  for (const State state : kStates) counts[std::string(duly::name_of(state))] = store_.count(*number, state);
  const Json body = {{"name", name},
                     {"paused", info.paused},
                     {"max_running", limits.max_running ? Json(*limits.max_running) : Json(nullptr)},
                     {"rate", rate_json(limits)},
                     {"bundle", limits.bundle},
                     {"running", store_.count(*number, State::running)},
                     {"commands", std::move(counts)},
                     {"unstarted", store_.count(*number, State::queued)},
                     {"max_queued", config_.max_queued},
                     {"handed_out", info.handed},
                     {"executors", executors},
                     {"circuits", std::move(circuits)},
                     {"broker",
                      {{"depth", info.ready ? Json(*info.ready) : Json(nullptr)},
                       {"consumers", info.consumers},
                       {"reachable", info.reachable}}},
                     {"last_problem", info.last_problem.empty() ? Json(nullptr) : Json(info.last_problem)}};
  return dump_json(body);
}

std::string Engine::queues_json() {
  std::string items;
  for (const QueueRow& row : store_.queues()) {
    if (!items.empty()) items += ',';
    items += *queue_json(row.name);
  }
  return "{\"items\":[" + items + "],\"next_cursor\":null}";
}

// ---- explain
// ---------------------------------------------------------------------------------------------------

void Engine::explain_scheduled(const StateRow& row, Json& reasons) {
  const QueueInfo& info = queues_[row.queue];
  const std::string queue = store_.queue_name(row.queue);
  const ShardMap::Shard& shard = shards_.at(row.shard);
  if (row.due_ms > now_ms()) {
    const bool backing_off = row.attempt > row.base_attempt;
    reasons.push_back(
        reason(backing_off ? "backing_off" : "not_due", "due at " + format_instant(row.due_ms)));
  }
  if (info.paused) reasons.push_back(reason("queue_paused", "queue '" + queue + "' is paused"));
  if (row.key_hash != 0) {
    const auto head = store_.key_head(row.key_hash);
    if (head && head->id != row.id) {
      reasons.push_back(
          reason("waits_for_key", format_command_id(head->id) + " of the same key comes first"));
    }
  }
  if (!info.paused && !queue_open(row.queue)) {
    reasons.push_back(
        reason("queue_limit", "max_queued commands of queue '" + queue + "' wait in the broker already"));
  }
  if (!handed_.contains(row.id))
    add_limit(reasons, hand_out_stop(row.queue, info), info.gate.limits(), queue);
  if (shard.phase != ShardMap::Phase::held) {
    reasons.push_back(reason(
        "no_agent", "shard " + std::to_string(row.shard.value) + " is " + std::string(name_of(shard.phase))));
  } else if (const Agent& agent = sessions_.at(shard.holder);
             !agent.last.broker_up || agent.last.broker_blocked) {
    reasons.push_back(reason("broker_down", "agent '" + agent.name + "' cannot publish now"));
  }
  if (!info.last_problem.empty())
    reasons.push_back(reason("publish_failed", "the last publish was " + info.last_problem));
  if (handed_.contains(row.id))
    reasons.push_back(reason("publishing", "handed to agent '" + shard.row.agent + "'"));
  if (reasons.empty())
    reasons.push_back(reason("due", "waits for its turn on shard " + std::to_string(row.shard.value)));
}

void Engine::explain_waiting(const StateRow& row, Json& reasons) {
  for (const CommandId id_of_parent : store_.parents(row.id)) {
    const auto parent = store_.find(id_of_parent);
    if (!parent || is_success(parent->state)) continue;
    reasons.push_back(reason("waits_for_dependency", format_command_id(id_of_parent) + " is " +
                                                         std::string(duly::name_of(parent->state))));
    if (reasons.size() == kReasonsOfDependencies) break;
  }
}

bool Engine::has_executor(QueueNumber number) const {
  const auto info = queues_.find(number);
  if (info != queues_.end() && info->second.consumers > 0) return true;
  const std::string queue = store_.queue_name(number);
  return std::any_of(sessions_.begin(), sessions_.end(), [&](const auto& s) {
    return s.second.execute && std::count(s.second.queues.begin(), s.second.queues.end(), queue) > 0;
  });
}

std::optional<std::string> Engine::explain_json(CommandId id) {
  const auto row = store_.find(id);
  if (!row) return std::nullopt;
  Json reasons = Json::array();
  const QueueInfo& info = queues_[row->queue];
  const std::string queue = store_.queue_name(row->queue);
  if (row->state == State::scheduled) {
    explain_scheduled(*row, reasons);
  } else if (row->state == State::queued) {
    add_limit(reasons, permit_stop(row->queue, info), info.gate.limits(), queue);
    reasons.push_back(
        has_executor(row->queue)
            ? reason("in_queue", "in the broker's queue since " + format_instant(row->queued_ms))
            : reason("no_executor", "nobody consumes queue '" + queue + "'"));
  } else if (row->state == State::running) {
    reasons.push_back(reason(
        "running", "attempt " + std::to_string(row->attempt) + " since " + format_instant(row->started_ms)));
  } else if (row->state == State::waiting) {
    explain_waiting(*row, reasons);
  } else {
    reasons.push_back(
        reason("ended", std::string(duly::name_of(row->state)) + " at " + format_instant(row->finished_ms)));
  }
  return dump_json(
      {{"id", format_command_id(id)}, {"state", duly::name_of(row->state)}, {"reasons", std::move(reasons)}});
}

// ---- counters
// --------------------------------------------------------------------------------------------------

void Engine::add_queues(StatsSnapshot& s) const {
  std::map<std::string_view, std::int64_t> executors;
  for (const auto& [session, agent] : sessions_) {
    if (!agent.execute) continue;
    for (const std::string& queue : agent.queues) ++executors[queue];
  }
  s.queue_count = static_cast<std::int64_t>(store_.queue_count());
  for (const auto& [number, info] : queues_) {
    if (s.queues.size() >= QueueStats::kShown) return;
    QueueStats& queue = s.queues.emplace_back();
    queue.name = store_.queue_name(number);
    for (std::size_t i = 0; i < QueueStats::kOpen.size(); ++i)
      queue.open[i] = store_.count(number, QueueStats::kOpen[i]);
    const auto at = executors.find(queue.name);
    queue.executors = at == executors.end() ? 0 : at->second;
    queue.paused = info.paused;
  }
}

StatsSnapshot Engine::snapshot() {
  StatsSnapshot s = stats_;
  for (const State state : kStates) s.by_state[static_cast<std::size_t>(state)] = store_.count(state);
  // The current second is still filling: rates are over the ten before it.
  std::size_t counted = 0;
  for (auto second = seconds_.rbegin() + (seconds_.empty() ? 0 : 1);
       second != seconds_.rend() && counted < 10; ++second) {
    s.accepted_per_s += static_cast<double>(second->accepted);
    s.started_per_s += static_cast<double>(second->started);
    s.ended_per_s += static_cast<double>(second->ended);
    ++counted;
  }
  if (counted > 0) {
    s.accepted_per_s /= static_cast<double>(counted);
    s.started_per_s /= static_cast<double>(counted);
    s.ended_per_s /= static_cast<double>(counted);
  }
  for (const Second& second : seconds_) s.recent_lateness.add(second.lateness);
  for (const ReadyWindow::Load& load : window_.loads(now_ms())) {
    s.backlog_due += load.eligible;
    s.oldest_due_age_ms = std::max(s.oldest_due_age_ms, now_ms() - load.oldest_due_ms.value_or(now_ms()));
  }
  add_queues(s);
  s.window_commands = static_cast<std::int64_t>(window_.size());
  for (const auto& [name, record] : agents_) {
    if (record.session.value == 0) continue;
    record.draining ? ++s.agents_draining : ++s.agents_live;
  }
  for (const ShardMap::Shard& shard : shards_.all()) {
    ++(shard.phase == ShardMap::Phase::held     ? s.shards_held
       : shard.phase == ShardMap::Phase::moving ? s.shards_moving
                                                : s.shards_free);
  }
  s.running = static_cast<std::int64_t>(running_.size());
  s.callbacks_owed = callbacks_.owed();
  s.dead_letters_waiting = static_cast<std::int64_t>(dead_letters_.size());
  s.broker_up = broker_up_;
  s.disk_low = disk_low_;
  s.draining = draining_;
  s.uptime_ms = to_ms(now_.mono - started_);
  s.sessions = static_cast<std::int64_t>(sessions_.size());
  return s;
}

// ---- for those who listen
// ---------------------------------------------------------------------------------------------

// Of every state that this batch has changed: the store notes each, so that none is forgotten.
void Engine::tell_changes() {
  StateChanges changes = store_.take_changes();
  if (changes.empty()) return;
  for (StateChange& change : changes.items) change.at_ms = now_ms();
  effects_.push_back(std::move(changes));
}

}  // namespace duly
