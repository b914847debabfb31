// The heart of the control server: requests in, effects out, one transaction between them.  No I/O of its
// own.
//
// Operation.  run() applies a batch of inputs to the store and to what is in memory, commits once, and only
// then gives the effects: nothing leaves the process before the commit that makes it true.  When the commit
// fails with Errc::full nothing was applied, memory is loaded anew from the store, and the caller must close
// every session; any other failure is fatal and the process must end without answering (the outcome is
// unknown). Concurrency.  Engine thread only.  Time is an argument. Limits.  Memory is bounded by the window,
// the hand-outs in flight and the permits granted, not by the backlog.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/core/callbacks.h"
#include "control-server/core/deadlines.h"
#include "control-server/core/effects.h"
#include "control-server/core/engine_world.h"
#include "control-server/core/inputs.h"
#include "control-server/core/permit.h"
#include "control-server/core/producer_spans.h"
#include "control-server/core/ready_window.h"
#include "control-server/core/remover.h"
#include "control-server/core/shard_map.h"
#include "control-server/core/stats.h"
#include "control-server/store/store.h"

namespace duly {

struct EngineConfig {
  Duration lease_ttl = seconds{5};
  std::int64_t max_queued = 10'000;
  std::size_t lane_window = limits::kLaneWindow;
  // How long before they are due commands are handed over.
  Duration look_ahead = limits::kLookAhead;
  // How long a batch takes after which the counters are kept at hand (EngineHost::stats_at_hand).
  Duration long_batch = microseconds{100};
  int operation_rows = limits::kOperationRows;  // changed in one step of an operation
  Remover::Config removal;                      // of what has ended
  Callbacks::Config callbacks;
  TraceConfig trace;  // spans of new commands
  // Crash simulation points inside a batch; empty = none.
  std::function<void()> before_commit;
  std::function<void()> after_commit;
};

class Engine {
 public:
  Engine(Store& store, EngineConfig config, Moment now);

  struct Batch {
    Status status = ok_status();
    std::vector<Effect> effects;  // empty unless status is ok
  };
  Batch run(std::vector<Input>& inputs, Moment now);
  void took(Duration batch) { stats_.commit.add(batch); }
  // The counters and gauges as they are now.
  [[nodiscard]] StatsSnapshot snapshot();
  // Whether that is soon done: it looks at each lane.
  [[nodiscard]] bool counts_soon() const { return window_.lanes().size() <= limits::kLanesCounted; }

  // When run() wants to be called at the latest, even with nothing but a Tick.
  [[nodiscard]] MonoTime next_wakeup(Moment now) const;

  // After a failed batch: answers for those who wait for an end, for a caller that drops this engine.  Each
  // is told to look at what is.
  [[nodiscard]] std::vector<Effect> answers_to_waits(const std::vector<Input>& inputs);

  // After a full disk, in a new engine: until then no callback and no dead letter leaves.  Hand-outs do: they
  // begin with a connection of each agent, which is pause enough.
  void rest_until(MonoTime until) { rest_until_ = until; }

  // The answers to inputs that are all a Query, from what was committed last: without a batch, nothing is
  // stored.
  [[nodiscard]] std::vector<Effect> answers_to_questions(std::vector<Input>& questions, Moment now);

  // The request's reply, for a caller that must answer a batch that failed; 0 = none expected.
  static ReplyTo reply_of(const Input& input);

 private:
  using Agent = world::Agent;
  using AgentRecord = world::AgentRecord;
  using Handed = world::Handed;
  using Running = world::Running;
  using Executor = world::Executor;
  using QueueInfo = world::QueueInfo;
  using Operation = world::Operation;
  using Second = world::Second;

  // ---- inputs, one function each (engine_*.cpp)
  Remover::Config removal();
  void load(Moment now);
  void enter(Moment now);
  void apply(Input& input);
  void end_what_ran_before_restore();
  void answer_clock();
  [[nodiscard]] bool may_tell() const;
  void tell_changes();
  void note_missing(CommandId id, const std::string& how);
  void keep_waits(const std::vector<Input>& inputs);
  void on(Submit& input);
  void on(SubmitWorkflow& input);
  void on(ChangeWorkflow& input);
  void on(CancelCommand& input);
  void on(RedriveCommand& input);
  void on(RescheduleCommand& input);
  void on(AwaitEnd& input);
  void on(ForgetWait& input);
  void on(PutQueue& input);
  void on(StartOperation& input);
  void on(StopOperation& input);
  void on(PinShard& input);
  void on(UnassignShard& input);
  void on(DrainAgent& input);
  void on(AskClock& input) { clock_asked_.push_back(input.reply); }
  void on(RecordAct& input);
  void on(CrashAgent& input);
  void on(Query& input);
  void on(PutSchedule& input);
  void on(ChangeSchedule& input);
  void on(BackfillSchedule& input);
  void on(HttpBegin& input);
  void on(HttpHeartbeat& input);
  void on(HttpFinish& input);
  void on(ResultMessage& input);
  void on(SessionOpened& input);
  void on(SessionClosed& input);
  void on(SessionSaid& input);
  void on(BrokerState& input);
  void on(QueueInspected& input);
  void on(DeadLetterSettled& input);
  void on(CallbackSettled& input);
  void on(Tick& input);
  void on(DiskSpace& input);
  void on(Drain& input);
  void on(EnsureQueues& input);

  void said(Agent& agent, Hello& hello);
  void said(Agent& agent, Heartbeat& heartbeat);
  void said(Agent& agent, Credit& credit);
  void said(Agent& agent, Marks& marks);
  void said(Agent& agent, GiveBack& given);
  static Duration hold_off(QueueInfo& info, GiveBackReason reason);
  void said(Agent& agent, Released& released);
  void said(Agent& agent, Leaving& leaving);
  void said(Agent& agent, Begin& begin);
  void said(Agent& agent, Finish& finish);

  // ---- submitting
  std::optional<Problem> refuse_submit(const Submit& input) const;
  // When `spec` would bring a queue or a type too many.
  std::optional<Problem> refuse_names(const CommandSpec& spec) const;
  [[nodiscard]] std::optional<Problem> refuse_callback(const CommandSpec& spec, const std::string& at) const;
  std::optional<Problem> refuse_expired(const CommandSpec& spec, std::size_t index) const;
  // With `unmet` parents that have not succeeded it waits for them.
  StateRow accept(NewCommand& command, std::int64_t unmet = 0);
  void accept_into(Submitted& submitted, NewCommand& command, bool alone);
  QueueNumber ensure_queue(const std::string& name);

  // ---- steps of a life
  Permit permit(const PermitRequest& request);
  void count_start(const StateRow& row, bool just_now);
  bool mark(const MarkItem& item, const Agent& agent);
  void mark_delivery(StateRow& row, const MarkItem& item, const Agent& agent);  // engine_deliver.cpp
  // False when the report is stale.
  bool finish(const FinishItem& item, PartyNumber executor);
  void lose_attempt(CommandId id, const std::string& why);
  void end_attempt(StateRow& row, AttemptOutcome outcome, const std::string& error, Bytes result);
  void retry_or_die(StateRow& row, bool retryable, DeadReason final_reason, std::int64_t least_ms = 0);
  void retry(StateRow& row, std::int64_t due_ms);
  void die(StateRow& row, DeadReason reason);
  void end(StateRow& row, Move move);
  void expire(StateRow& row);
  void became_scheduled(const StateRow& row, BodyPtr body);
  void forget_hand_out(CommandId id);
  void forget_running(CommandId id);
  void release_key(std::int64_t key_hash);
  void end_waits(CommandId id);

  // ---- executors that are no agents of ours (engine_foreign.cpp)
  [[nodiscard]] PartyNumber foreign_runner(CommandId id, int attempt, const std::string& name) const;
  bool was_cancelled(const HttpHeartbeat& input);
  bool record(const ResultMessage& input, const StateRow& row);

  // ---- workflows and dependencies (engine_workflows.cpp)
  std::optional<Problem> refuse_parents(const CommandSpec& spec, std::size_t index);
  CommandId accept_dependent(NewCommand& command);
  CommandId accept_workflow(SubmitWorkflow& input);
  void settle_dependants();
  void parent_ended(StateRow child, const StateRow& parent);
  void release(StateRow& row);
  Status fill_payload(const StateRow& row);
  void node_ended(const StateRow& row);
  void node_reopened(CommandId id);
  void stop_workflow(CommandId id);
  void cancel_workflow(WorkflowRow& row, const ChangeWorkflow& input);
  void retry_workflow(WorkflowRow& row, const ChangeWorkflow& input);
  bool take_up(CommandId id, const Actor& who);
  void revive(StateRow& row, const Actor& who);

  // ---- schedules (engine_schedules.cpp)
  std::optional<Problem> refuse_schedule(const PutSchedule& input, const ScheduleRow* known) const;
  std::optional<ScheduleRow> schedule_up_to_now(const std::string& name);
  void save_schedule(ScheduleRow& row, const Actor& actor, const std::string& what);
  void pause_schedule(const ChangeSchedule& input, ScheduleRow& row, bool pause);
  void remove_schedule(const ChangeSchedule& input, const ScheduleRow& row);
  void trigger_schedule(const ChangeSchedule& input, ScheduleRow& row);
  void fire_schedules();
  void fire_due(ScheduleRow& row);
  void skip_missed(ScheduleRow& row, const Timetable& timetable);
  void fire(ScheduleRow& row, std::int64_t fire_ms);
  CommandId launch(ScheduleRow& row, std::int64_t fire_ms, FireKind kind);
  void close_fire(CommandId id);
  void reopen_fire(CommandId id);

  // ---- handing out
  void hand_out();
  using Places = std::vector<std::pair<ShardId, QueueNumber>>;
  [[nodiscard]] std::map<SessionId, Places> promising_places() const;
  void hand_out_to(Agent& agent, Places& places);
  bool fill(Agent& agent, ShardId shard, QueueNumber queue, HandOut& batch, std::size_t& bytes);
  std::optional<HandOutItem> prepare(const WindowEntry& entry, ShardId shard, Epoch epoch);
  bool key_allows(const WindowEntry& entry);
  [[nodiscard]] bool queue_open(QueueNumber queue) const;

  // ---- what limits a queue (engine_limits.cpp)
  void load_queues();
  [[nodiscard]] Refusal limit_refuses(const StateRow& row);
  void hold_back(const StateRow& row);
  void charge_start(const StateRow& row);
  // Messages that may still come to the permit.
  [[nodiscard]] std::int64_t promised(QueueNumber queue, const QueueInfo& info) const;
  [[nodiscard]] QueueGate::Stop permit_stop(QueueNumber queue, const QueueInfo& info) const;
  [[nodiscard]] QueueGate::Stop hand_out_stop(QueueNumber queue, const QueueInfo& info) const;
  bool limits_allow(QueueNumber queue, const QueueInfo& info);
  void change_limits(const PutQueue& input, QueueNumber number, QueueInfo& info);
  [[nodiscard]] std::vector<QueueBundle> bundles_of(const std::vector<std::string>& queues) const;

  // ---- acts on many commands (engine_operations.cpp)
  void load_operations();
  void step_operations();
  void act(OperationRow& operation, CommandId id);
  void end_operation(OperationRow& row, OperationState state, const Actor& who);
  // `why` ends the event's detail.  The state allows it.
  void cancel(StateRow& row, const Actor& who, const std::string& why);
  void redrive(StateRow& row, const Actor& who, const std::string& why);
  [[nodiscard]] std::optional<std::string> one_operation_json(CommandId id);
  [[nodiscard]] std::string operations_json();

  // ---- agents, shards, time
  void drop_session(SessionId session, const std::string& reason);
  void forget_holding(ShardId shard);
  void rebalance();
  [[nodiscard]] std::vector<ShardMap::Candidate> candidates() const;
  void executor_away(PartyNumber party, Duration grace);
  [[nodiscard]] MonoTime attempt_deadline(const Running& running) const;
  void note_running(const StateRow& row, std::int64_t timeout_ms, bool foreign);
  void watch_deadline(CommandId id, const Running& running);
  void expire_strangers();
  void executor_back(Agent& agent, const std::vector<AttemptRef>& attempts);
  void reclaim(Agent& agent, const Hello& hello);
  void count_own_pause();
  void expire_sessions();
  void expire_executors();
  void expire_commands();
  void inspect_queues();
  void answer_waits();
  void publish_dead_letters();
  void roll_rates();

  // ---- views (engine_view.cpp)
  [[nodiscard]] std::string agents_json() const;
  [[nodiscard]] std::optional<std::string> agent_json(const std::string& name) const;
  [[nodiscard]] std::string shards_json();
  [[nodiscard]] std::string queues_json();
  [[nodiscard]] std::optional<std::string> queue_json(const std::string& name);
  // Somebody takes from it, as far as we know: an agent, or a consumer that the broker told us of.
  [[nodiscard]] bool has_executor(QueueNumber number) const;
  [[nodiscard]] std::optional<std::string> explain_json(CommandId id);
  void explain_scheduled(const StateRow& row, Json& reasons);
  void explain_waiting(const StateRow& row, Json& reasons);
  void add_queues(StatsSnapshot& snapshot) const;

  void answer(ReplyTo reply, JsonBody body);
  void answer(ReplyTo reply, Problem problem);
  void answer(ReplyTo reply, Done done);
  void send(SessionId session, ServerMessage message);
  [[nodiscard]] std::int64_t now_ms() const { return to_ms(now_.wall); }
  // The clock of leases: monotonic, and it stands while this process could not listen.
  [[nodiscard]] MonoTime awake() const { return now_.mono - slept_; }
  QueueInfo& queue_info(QueueNumber queue) { return queues_[queue]; }
  IdSet& handed_in(ShardId shard) { return handed_by_shard_[static_cast<std::size_t>(shard.value)]; }

  Store& store_;
  const EngineConfig config_;
  Moment now_;         // of the present batch; the wall never goes back
  MonoTime last_run_;  // to notice that this process was itself asleep
  Duration slept_{};
  std::vector<Effect> effects_;

  IdSource ids_;
  ProducerSpans producer_spans_;
  ShardMap shards_;
  ReadyWindow window_;
  IdMap<Handed> handed_;
  std::map<std::int64_t, CommandId> handed_keys_;  // key hash → the one of it that is handed out
  std::vector<IdSet> handed_by_shard_;
  IdMap<Running> running_;
  Deadlines running_deadlines_;
  std::map<PartyNumber, Executor> executors_;
  std::map<SessionId, Agent> sessions_;
  std::map<std::string, AgentRecord> agents_;
  std::map<QueueNumber, QueueInfo> queues_;
  std::map<CommandId, std::vector<std::pair<ReplyTo, MonoTime>>> waits_;
  std::map<ReplyTo, CommandId> wait_of_;
  std::set<std::pair<MonoTime, ReplyTo>> wait_deadlines_;

  std::map<CommandId, Operation> operations_;  // those that run
  CommandId last_operation_;                   // that had its turn
  MonoTime next_operation_{};

  Callbacks callbacks_;
  Remover remover_;

  std::map<PublishTicket, std::pair<CommandId, int>> dead_letters_;  // being published
  PublishTicket next_ticket_ = 1;
  MonoTime rest_until_{};
  bool dead_letters_pending_ = true;
  MonoTime dead_letters_after_{};

  std::int64_t next_fire_ms_ = INT64_MAX;  // of any schedule
  std::int64_t schedules_ = 0;
  std::int64_t open_fires_ = 0;  // commands of schedules that have not ended

  std::vector<ReplyTo> clock_asked_;  // in this batch
  bool restored_ = false;             // since the last start
  std::set<CommandId> missing_;       // commands of an older generation that somebody still speaks of
  std::int64_t open_workflows_ = 0;
  std::vector<CommandId> ended_;              // in this batch, while somebody waits
  std::vector<CommandId> stopped_workflows_;  // in this batch: what is left of them is to be cancelled

  StatsSnapshot stats_;
  std::deque<Second> seconds_;
  std::int64_t current_second_ = 0;
  MonoTime started_{};
  MonoTime next_sweep_{};
  int key_refusals_ = 0;                // in the last round of handing out
  SessionId last_served_;               // of handing out
  std::optional<MonoTime> rate_frees_;  // when a rate that held up the last round of handing out has room
  bool rebalance_needed_ = true;
  bool broker_up_ = false, disk_low_ = false, draining_ = false;
};

}  // namespace duly
