// The whole of Duly in one thread, from one seed: hurt it, heal it, let it settle, judge it.
//
// The seed draws the size of the world, which faults exist in this run and how often (swarm), and every
// event. Oracles keep facts of their own (world/ledger.h) and compare the store with them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/world/ledger.h"
#include "tests/sim/world/plan.h"
#include "tests/sim/world/sim_agent.h"
#include "tests/sim/world/sim_server.h"

namespace duly::sim {

class World {
 public:
  World(std::uint64_t seed, WorldPlan plan);
  ~World();

  // Throws Violation.  The answer is the hash of everything observed: the same for the same seed.
  std::uint64_t run();
  [[nodiscard]] WorldCounts counts() const;

 private:
  // ---- running
  // -----------------------------------------------------------------------------------------------
  void run_for(Duration length);
  void run_until_settled(Duration limit);
  [[nodiscard]] Duration backlog_time();
  // With `dice` the waits are drawn from it, else from the world's own.
  void every(Duration mean, std::function<void()> act, const std::shared_ptr<Rng>& dice = nullptr);
  void fault(const char* name, Duration mean, std::function<void()> act);
  void schedule_agent_faults();
  void schedule_server_faults();
  void schedule_broker_faults();
  void schedule_other_faults();
  void agent_passed(std::size_t index, const char* point);
  void heal();
  void step();
  void watch_for_spin();
  void server_dies(SimServer::Death how);
  void start_server_later(Duration after);
  void start_agent_later(std::size_t index, Duration after);
  void restart_agent(std::size_t index);
  SimAgent& any_agent() { return *agents_[rng_.below(agents_.size())]; }
  std::string any_queue();
  SimServer::Hooks server_hooks();
  SimAgent::Hooks agent_hooks(std::size_t index);

  // ---- the client
  // --------------------------------------------------------------------------------------------
  void submit_some();
  void resubmit_unknown();
  void act_on_some_command();
  void limit_some_queue();
  void cancel_many();
  void bulk_answered(const BulkFacts& asked, const Answer& answer);
  void bundle_queues();
  QueueLimits draw_limits();
  void limits_answered(const std::string& queue, const QueueLimits& asked, const Answer& answer);
  void answered(const Answer& answer);
  NewCommand draw_command();
  static TracePtr trace_for(std::uint64_t number);
  void draw_schedules();
  void ask_for_schedules();
  void forget_schedule_requests();
  [[nodiscard]] bool schedules_stopped() const;
  void draw_workflow();
  void add_parents(NewCommand& command);
  void ask_for_workflows();
  void forget_workflow_requests();
  [[nodiscard]] bool workflows_known() const;
  void act_on_some_workflow();
  bool may_have_expired(const std::vector<NewCommand>& commands);

  // ---- the publisher (messages.cpp)
  // --------------------------------------------------------------------------------------------
  void start_publisher();
  void publish_messages();
  MessageFacts draw_message();
  void publish_message(const std::string& message_id);
  void message_settled(const SettledPublish& result);
  void forget_messages();
  void find_message_of(CommandId id);
  [[nodiscard]] std::size_t messages_on_their_way() const;
  [[nodiscard]] bool given_up_by_broker(const std::string& message_id) const;
  void judge_messages(const std::map<CommandId, StateRow>& rows);

  // ---- an executor that is no agent (foreign.cpp)
  // --------------------------------------------------------------------------------------------
  struct ForeignRun {
    AttemptRef ref;
    Token token;
    int fails = 0, ms = 0;
    std::uint64_t generation = 0, tag = 0;  // of its delivery
  };
  struct Foreigner {
    std::unique_ptr<SimBroker> broker;  // null = it is dead
    std::uint64_t life = 0;
    std::map<ReplyTo, std::function<void(int)>> asked;  // over HTTP, by this life or another
    std::map<AttemptRef, MonoTime> running;             // with a permit, and its last sign
    std::map<PublishTicket, std::pair<ForeignRun, AmqpMessage>> sending;  // results not settled yet
    std::set<AttemptRef> unasked;                                         // that ran without a permit
    std::set<AttemptRef> acknowledged;  // by the server to the broker, and not judged yet
  };
  void submit_foreign();
  void start_foreigner();
  void kill_foreigner();
  void foreign_later(Duration after, std::function<void()> task);
  void ask_foreign(const std::function<Input(ReplyTo)>& make, std::function<void(int)> done);
  bool foreign_answered(const Answer& answer);
  void foreign_unanswered();
  void take_foreign(const Delivery& delivery);
  void begin_foreign(const ForeignRun& run);
  void beat_foreign(const ForeignRun& run);
  void judge_loss(AttemptRef ref, MonoTime last_sign);
  void end_foreign(const ForeignRun& run);
  void finish_foreign(const ForeignRun& run, bool ok);
  void publish_report(const ForeignRun& run, const AmqpMessage& message);
  void report_settled(const SettledPublish& result);
  void watch_report_settled(const AmqpMessage& message);
  void watch_reports();
  [[nodiscard]] std::size_t reports_on_their_way() const;
  // ---- deliver mode (deliveries.cpp)
  // --------------------------------------------------------------------------------------------
  void start_deliveries();
  NewCommand draw_delivery();
  void submit_delivery();
  void act_on_delivery();
  void ask_for_delivery(AmqpMessage& message) const;
  void watch_delivery(const MarkItem& item);
  void watch_delivery_confirmed(const AmqpMessage& message);
  [[nodiscard]] std::string name_of_delivery(CommandId id, const CommandBody& body) const;
  void judge_deliveries(const std::map<CommandId, StateRow>& rows);

  // ---- callbacks (callbacks.cpp)
  // --------------------------------------------------------------------------------------------
  void start_callbacks();
  void ask_for_callback(NewCommand& command) const;
  void called_back(const SendCallback& call, std::function<void(CallbackSettled)> answer);
  [[nodiscard]] bool was_told(const StateRow& row) const;
  void judge_callbacks(const std::map<CommandId, StateRow>& rows);

  // ---- oracles
  // -----------------------------------------------------------------------------------------------
  void watch_said(const SessionSaid& said);
  void watch_sent(const SendMessage& message);
  void watch_lease(const Lease& lease, SessionId session);
  void watch_start(AttemptRef ref);
  void watch_limits(const StateRow& row);
  void watch_bulk();
  void watch_rate(const LimitFacts& facts, std::int64_t started_ms, const std::string& what);
  [[nodiscard]] Duration limited_time(std::int64_t open) const;
  void watch_broker();
  void watch_flood(const std::string& what);
  void watch_stored(const AmqpMessage& message);
  void watch_published(std::size_t index, PublishTicket ticket, const AmqpMessage& message);
  void watch_settled(std::size_t index, const std::vector<SettledPublish>& results);
  void watch_silence();
  void sample_store();
  void watch_row(const StateRow& row);
  [[nodiscard]] bool settled();
  [[nodiscard]] std::string open_work();  // for the message of a run that does not settle
  void judge();
  void judge_commands(std::map<CommandId, StateRow>& rows);
  using AttemptRows = std::vector<AttemptRow>;
  AttemptRows all_attempts(std::map<CommandId, StateRow>& rows);
  using Attempts = std::map<CommandId, std::map<int, AttemptOutcome>>;
  void judge_attempts(const std::map<CommandId, StateRow>& rows, const Attempts& attempts);
  void judge_epochs(const std::map<CommandId, StateRow>& rows, const AttemptRows& attempts);
  void judge_losses(const Attempts& attempts);
  void judge_waits(const AttemptRows& attempts);
  void judge_traces() const;
  void judge_dead_letters(const std::map<CommandId, StateRow>& rows);
  void watch_removal(CommandId id);
  void run_until_removed();
  [[nodiscard]] std::optional<CommandId> overdue();
  void watch_schedules();
  void judge_schedules(const std::map<CommandId, StateRow>& rows);
  static void judge_fires(const ScheduleRow& row, const std::set<std::int64_t>& times);
  struct PlannedWorkflow {
    SubmitWorkflow input;
    CommandId id;                  // 0 = not answered yet
    std::vector<CommandId> nodes;  // as in the input
    bool asked = false;
  };
  void watch_parents(CommandId id);
  void judge_workflows(const std::map<CommandId, StateRow>& rows, const AttemptRows& attempts);
  void judge_rest(const PlannedWorkflow& planned, const std::map<CommandId, StateRow>& rows,
                  const AttemptRows& attempts);
  void judge_nodes(const PlannedWorkflow& planned, const std::map<CommandId, StateRow>& rows);
  void ask_stats();
  void look_at_counters();
  void add_stats();
  void note(std::uint64_t what);

  const std::uint64_t seed_;
  const WorldPlan plan_;
  Rng rng_;
  Rng parent_dice_;
  SimLoop loop_;
  SimRabbit rabbit_;
  SimNet net_;
  CrashVfs disk_;
  Ledger ledger_;
  ClientFacts facts_;
  std::unique_ptr<SimServer> server_;
  std::vector<std::unique_ptr<SimAgent>> agents_;

  struct Pending {  // a request without an answer yet
    std::vector<NewCommand> commands;
    CommandId id;  // of a single-command action
    std::string action;
    std::string queue;  // of a change of its limits …
    QueueLimits limits;
    BulkFacts bulk;
    bool maybe_applied = false;  // it was sent before, and nobody told what became of it
  };
  std::map<ReplyTo, Pending> pending_;
  void schedule_answered(const Pending& request, int status);
  struct Planned {
    ScheduleSpec spec;
    bool made = false, asked = false, stopped = false;
  };
  std::vector<Planned> schedules_;
  std::vector<PlannedWorkflow> workflows_;
  void workflow_answered(const Pending& request, const Answer& answer);
  ReplyTo next_reply_ = 1;
  struct Unsent {
    std::vector<NewCommand> commands;
    bool maybe_applied = false;
  };
  std::vector<Unsent> unknown_;  // to be sent again: refused, or nobody told what became of them
  std::int64_t server_wall_ms() {
    server_wall_ = std::max(server_wall_, loop_.wall());
    return to_ms(server_wall_);
  }
  std::vector<CommandId> some_;        // accepted, to act upon
  std::vector<CommandId> deliveries_;  // the same of those in deliver mode
  std::shared_ptr<Rng> delivery_dice_;
  std::shared_ptr<Rng> callback_dice_;
  std::map<std::string, std::pair<MonoTime, int>> told_often_;  // what went out: since when, how many times
  std::map<CommandId, std::set<std::pair<State, std::int64_t>>> told_;  // ends that the receiver knows
  int to_submit_ = 0;
  std::uint64_t next_key_ = 1;
  std::uint64_t next_incarnation_ = 1;

  std::unique_ptr<SimBroker> publisher_;
  std::map<std::string, MessageFacts> messages_;   // by message id
  std::map<PublishTicket, std::string> sending_;   // not settled yet
  std::map<std::int64_t, std::string> by_serial_;  // that stands in the payload
  PublishTicket last_message_ = 0;
  Foreigner foreign_;

  WireFacts wire_;
  std::map<std::string, LimitFacts> limits_;                      // by queue
  std::map<CommandId, BulkFacts> bulk_;                           // by operation
  std::map<SessionId, std::pair<std::string, Incarnation>> who_;  // by what they said in their hello
  std::map<ShardId, Epoch> highest_;
  std::map<std::pair<ShardId, Epoch>, std::int64_t> superseded_ms_;  // when a later one was granted
  std::map<std::pair<ShardId, Epoch>, std::pair<std::string, Incarnation>> holder_;
  std::set<std::pair<std::size_t, PublishTicket>> publishes_;  // not settled yet, by agent
  std::map<CommandId, State> ended_;                           // as last sampled
  std::map<CommandId, MonoTime> open_;                         // when last sampled and not ended
  struct Removed {
    StateRow row;
    std::vector<AttemptRow> attempts;
  };
  std::map<CommandId, std::set<CommandId>> removed_nodes_;  // by workflow
  std::map<CommandId, Removed> removed_;  // as it was when the server was about to remove it
  WallTime server_wall_{};
  bool healing_ = false;
  bool power_fails_again_ = false;       // soon after the next start
  bool sync_fails_with_submit_ = false;  // at the next one
  bool crash_at_commit_ = false, crash_after_commit_ = false, crash_before_reply_ = false;
  std::string crash_point_;  // of the next agent that passes it, armed
  MonoTime second_since_{};
  int steps_of_second_ = 0;
  std::uint64_t hash_ = 0x9E3779B97F4A7C15ULL;
  WorldCounts counts_;
  StatsSnapshot stats_;  // of the present server process, as last asked
};

}  // namespace duly::sim
