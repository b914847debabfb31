// The batch: apply, commit, release.  And the clock-driven work.
#include "control-server/core/engine.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr Duration kLongPause = milliseconds{1000};  // worth a line in the log
constexpr int kNode = 0;

// There are eight sweeps a TTL, and the time between two runs counts as silence for a quarter of a TTL at
// most.
Duration sweep_every(Duration lease_ttl) {
  return std::clamp<Duration>(lease_ttl / 8, milliseconds{25}, milliseconds{100});
}
Duration longest_silence_between_runs(Duration lease_ttl) {
  if (DULY_PLANTED("lease.own-pause")) return Duration::max();
  if (DULY_PLANTED("lease.short-pause")) return kLongPause;
  return std::clamp<Duration>(lease_ttl / 4, milliseconds{50}, milliseconds{250});
}

}  // namespace

Engine::Engine(Store& store, EngineConfig config, Moment now)
    : store_(store),
      config_(std::move(config)),
      now_(now),
      last_run_(now.mono),
      ids_(store.last_id(), kNode),
      producer_spans_(config_.trace, now.wall),
      shards_(store.shards(), store.shard_rows(), now.mono + config_.lease_ttl),
      window_(
          store, [this](CommandId id) { return handed_.contains(id); }, config_.lane_window),
      handed_by_shard_(static_cast<std::size_t>(store.shards())),
      callbacks_(store, config_.callbacks),
      remover_(store, removal(), now.mono),
      started_(now.mono) {
  load(now);
}

// Everything in memory as the store has it.  What was handed out is forgotten: agents say what they still
// have.
void Engine::load(Moment now) {
  now_.mono = now.mono;
  now_.wall = std::max(now_.wall, now.wall);
  for (const LaneKey& lane : store_.lanes()) window_.open_unknown(lane);
  load_queues();
  for (const StateRow& row : store_.running()) {
    const auto body = store_.body(row.id);
    const auto party = store_.party(row.executor);
    note_running(row, body ? body->timeout_ms : 0, party && party->second.value == 0);
  }
  for (auto& [number, executor] : executors_) {
    const auto party = store_.party(number);
    executor.name = party ? party->first : "";
    const bool foreign = party && party->second.value == 0;
    if (!foreign) executor.lost_at = now.mono + config_.lease_ttl;
  }
  next_fire_ms_ = store_.next_wake_ms().value_or(INT64_MAX);
  schedules_ = store_.schedule_count();
  open_fires_ = store_.open_fire_count();
  open_workflows_ = DULY_PLANTED("workflow.open") ? 0 : store_.open_workflow_count();
  load_operations();
  stats_.generation = store_.generation();
  restored_ = store_.restored();
}

Engine::Batch Engine::run(std::vector<Input>& inputs, Moment now) {
  enter(now);
  effects_.clear();
  if (restored_) end_what_ran_before_restore();
  for (Input& input : inputs) apply(input);
  fire_schedules();
  step_operations();
  settle_dependants();
  stats_.removed += remover_.step(now_, disk_low_);
  if (may_tell() || DULY_PLANTED("full.calls")) callbacks_.step(now_ms(), effects_);
  rebalance();
  hand_out();
  if (may_tell() || DULY_PLANTED("full.letters")) publish_dead_letters();
  answer_clock();
  tell_changes();
  stats_.committed_inputs += inputs.size();
  if (config_.before_commit) config_.before_commit();
  Batch batch;
  const bool later = DULY_PLANTED("effects.before-commit") && now_.mono.time_since_epoch().count() % 2 == 0;
  if (!later) batch.status = store_.commit();
  if (!batch.status) {
    keep_waits(inputs);
    return batch;
  }
  ++stats_.commits;
  if (config_.after_commit) config_.after_commit();
  batch.effects = std::move(effects_);
  effects_.clear();
  return batch;
}

// For users' tests, on a clock that is moved by hand: all lanes are asked, which no other answer does.
void Engine::answer_clock() {
  if (clock_asked_.empty()) return;
  ClockState state;
  const auto consider = [&](std::int64_t at) {
    if (at <= now_ms()) {
      state.busy = true;
    } else if (!state.next_ms || at < *state.next_ms) {
      state.next_ms = at;
    }
  };
  std::set<QueueNumber> waited_for;
  if (next_fire_ms_ != INT64_MAX) consider(next_fire_ms_);
  if (const auto expiry = store_.next_expiry()) consider(*expiry);
  for (const LaneKey& lane : store_.lanes()) {
    if (const auto due = store_.next_due(lane, {INT64_MIN, CommandId{0}})) {
      consider(*due);
      if (*due <= now_ms()) waited_for.insert(lane.queue);
    }
    if (const auto later = store_.next_due(lane, {now_ms() + 1, CommandId{0}})) consider(*later);
  }
  for (const auto& [queue, info] : queues_)
    if (store_.count(queue, State::queued) + store_.count(queue, State::running) > 0)
      waited_for.insert(queue);
  for (const QueueNumber queue : waited_for) state.served = state.served && has_executor(queue);
  const bool anybody = !sessions_.empty() || !executors_.empty();
  state.busy = anybody && (state.busy || !operations_.empty() || store_.count(State::queued) > 0 ||
                           store_.count(State::running) > 0);
  for (const ReplyTo reply : std::exchange(clock_asked_, {})) effects_.push_back(Answer{reply, state});
}

// What ran when the copy was made may have run to its end since: a person decides whether it is tried again.
void Engine::end_what_ran_before_restore() {
  restored_ = false;
  store_.forget_restored();
  for (StateRow& row : store_.running()) {
    end_attempt(row, AttemptOutcome::lost, "the store was restored from a copy", nullptr);
    die(row, DeadReason::restored);
    store_.jump_attempts(row);
  }
}

// Accepted after the copy was made that this store comes from: listed, so that somebody can look.
void Engine::note_missing(CommandId id, const std::string& how) {
  if (store_.generation() <= 1 || missing_.size() >= limits::kMissing || !missing_.insert(id).second) return;
  store_.append_audit(now_ms(), "server", "command.missing", format_command_id(id), how);
}

// Of a batch that failed nothing may be told, but those who wait since earlier are still owed an answer.
void Engine::keep_waits(const std::vector<Input>& inputs) {
  std::set<ReplyTo> asked_now;
  for (const Input& input : inputs) asked_now.insert(reply_of(input));
  std::erase_if(effects_, [&](const Effect& effect) {
    const auto* answered = std::get_if<Answer>(&effect);
    return answered == nullptr || asked_now.contains(answered->reply);
  });
}

// What is told to a receiver or the broker comes back to be recorded.  While there is no room for that, it
// would be told again and again.
bool Engine::may_tell() const { return !disk_low_ && now_.mono >= rest_until_; }

std::vector<Effect> Engine::answers_to_questions(std::vector<Input>& questions, Moment now) {
  enter(now);
  for (Input& input : questions) on(std::get<Query>(input));
  return std::exchange(effects_, {});
}

void Engine::enter(Moment now) {
  now_.mono = now.mono;
  now_.wall = std::max(now_.wall, now.wall);
  count_own_pause();
  roll_rates();
}

void Engine::apply(Input& input) {
  std::visit([this](auto& i) { on(i); }, input);
}

ReplyTo Engine::reply_of(const Input& input) {
  return std::visit(
      [](const auto& i) -> ReplyTo {
        if constexpr (requires { i.reply; }) {
          return i.reply;
        } else if constexpr (requires { i.work.reply; }) {
          return i.work.reply;
        } else {
          return 0;
        }
      },
      input);
}

MonoTime Engine::next_wakeup(Moment now) const {
  MonoTime next = next_sweep_;
  if (!wait_deadlines_.empty()) next = std::min(next, wait_deadlines_.begin()->first);
  if (!operations_.empty()) next = std::min(next, next_operation_);
  next = std::min(next, remover_.next());
  if (rate_frees_) next = std::min(next, *rate_frees_);
  if (const auto held = window_.next_release()) next = std::min(next, *held);
  if (key_refusals_ >= limits::kKeyRefusals)
    next = now.mono;  // the rest of the lane is still to be looked at
  const auto lane_open = [this](LaneKey lane) {
    return shards_.at(lane.shard).phase == ShardMap::Phase::held;
  };
  const std::int64_t wall_ms = to_ms(std::max(now_.wall, now.wall));
  // What is eligible already waits for credit or for its queue, and those announce themselves.
  if (const auto due = window_.next_ms(lane_open, wall_ms))
    next = std::min(next, now.mono + milliseconds{*due - wall_ms});
  if (rest_until_ > now.mono) next = std::min(next, rest_until_);
  if (const std::int64_t call_ms = callbacks_.next_ms(); call_ms < INT64_MAX && may_tell())
    next = std::min(next, now.mono + milliseconds{std::max<std::int64_t>(call_ms - wall_ms, 0)});
  if (next_fire_ms_ < INT64_MAX && !draining_ && !disk_low_)
    next = std::min(next, now.mono + milliseconds{std::max<std::int64_t>(next_fire_ms_ - wall_ms, 0)});
  return std::max(next, now.mono);
}

// ---- the clock
// -------------------------------------------------------------------------------------------------

void Engine::on(Tick&) {
  if (now_.mono < next_sweep_) return;
  next_sweep_ = now_.mono + sweep_every(config_.lease_ttl);
  expire_sessions();
  expire_strangers();
  expire_executors();
  expire_commands();
  inspect_queues();
  answer_waits();
  store_.prune_idempotent(now_ms(), limits::kSweepRows);
  store_.prune_fires(limits::kSweepRows);
  store_.prune_audit(limits::kAuditKept, limits::kSweepRows);
  if (const auto deadline = shards_.next_deadline(); deadline && *deadline <= awake())
    rebalance_needed_ = true;
}

// While this process was stopped, or waited for its disk, nobody could renew: that time is no silence of
// theirs (fault model F22).  But each run counts for something, so that on a disk that is always slow the
// silent are found all the same (F75).
void Engine::count_own_pause() {
  const Duration gap = now_.mono - last_run_;
  last_run_ = now_.mono;
  const Duration most = longest_silence_between_runs(config_.lease_ttl);
  if (gap <= most) return;
  slept_ += DULY_PLANTED("lease.slow-disk") ? gap : gap - most;
  if (gap >= kLongPause)
    log(LogLevel::warn, "engine", "was asleep; all leases are longer by that", {{"ms", to_ms(gap)}});
}

void Engine::expire_sessions() {
  std::vector<SessionId> silent;
  for (const auto& [session, agent] : sessions_) {
    const Duration silence = DULY_PLANTED("lease.wall-clock")
                                 ? Duration{milliseconds{now_ms() - agent.heartbeat_ms}}
                                 : awake() - agent.heard;
    if (!agent.name.empty() && silence > config_.lease_ttl) silent.push_back(session);
  }
  for (const SessionId session : silent) {
    log(LogLevel::warn, "engine", "agent silent for a lease TTL", {{"agent", sessions_.at(session).name}});
    drop_session(session, "silent for the lease TTL");
  }
}

// Connections that never said who they are.
void Engine::expire_strangers() {
  std::vector<SessionId> silent;
  for (const auto& [session, agent] : sessions_) {
    if (agent.name.empty() && awake() - agent.opened > limits::kHelloTime) silent.push_back(session);
  }
  for (const SessionId session : silent) drop_session(session, "no hello in time");
}

void Engine::expire_commands() {
  for (const CommandId id : store_.expiring(now_ms(), limits::kSweepRows)) {
    if (auto row = store_.find(id)) expire(*row);
  }
}

void Engine::on(DiskSpace& input) { disk_low_ = input.low; }

void Engine::on(Drain&) { draining_ = true; }

void Engine::roll_rates() {
  const std::int64_t second = std::chrono::floor<seconds>(now_.mono.time_since_epoch()).count();
  if (seconds_.empty()) seconds_.emplace_back();
  for (; current_second_ < second && current_second_ != 0; ++current_second_) {
    seconds_.emplace_back();
    if (seconds_.size() > 61) seconds_.pop_front();
    if (second - current_second_ > 120) current_second_ = second - 62;
  }
  current_second_ = second;
}

// ---- answers
// ---------------------------------------------------------------------------------------------------

void Engine::answer(ReplyTo reply, JsonBody body) { effects_.push_back(Answer{reply, std::move(body)}); }
void Engine::answer(ReplyTo reply, Problem problem) { effects_.push_back(Answer{reply, std::move(problem)}); }
void Engine::answer(ReplyTo reply, Done done) { effects_.push_back(Answer{reply, done}); }
void Engine::send(SessionId session, ServerMessage message) {
  effects_.push_back(SendMessage{session, std::move(message)});
}

}  // namespace duly
