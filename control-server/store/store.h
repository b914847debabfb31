// The durable truth about commands, shards and queues: the only writer.
//
// Operation.  Changes happen inside one open transaction, begun by the first change and ended by commit().
// Failures are sticky (store/database.h): after one, every change is void and commit() answers it, so callers
// need not ask after each step.  Every move of a command is checked against model/state_table.h, and the
// counters by queue, type and state change with the rows. Concurrency.  Engine thread only; readers on other
// threads use store/reader.h.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "control-server/store/callback_rows.h"
#include "control-server/store/ended_rows.h"
#include "control-server/store/live_rows.h"
#include "control-server/store/operation_rows.h"
#include "control-server/store/rows.h"
#include "control-server/store/state_changes.h"

namespace duly {

class Database;
struct RestoreReport;

struct StoreOptions {
  std::string path;
  std::string vfs;            // empty = the machine's files
  int shards = 64;            // used when the store is made; 0 = take what is stored
  bool shards_given = false;  // a different stored value is then an error
};

struct IdempotencyRow {
  CommandId id;
  std::uint64_t body_hash = 0;
};

class Store {
 public:
  // Opens or makes the store; applies migrations; refuses a schema newer than this program.
  static Result<std::unique_ptr<Store>> open(const StoreOptions& options);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  [[nodiscard]] int shards() const { return shards_; }
  [[nodiscard]] std::int64_t generation() const { return generation_; }

  // ---- restoring (generation.cpp)
  // --------------------------------------------------------------------------------------------
  // What was put back from a copy begins anew (store/backup.h).  Commits.
  Result<RestoreReport> begin_generation(std::int64_t now_ms);
  // Whether that has happened, and what was running then has not been ended yet.
  [[nodiscard]] bool restored();
  void forget_restored();
  void jump_attempts(StateRow& row);

  // ---- transaction
  // -------------------------------------------------------------------------------------------
  Status commit();
  // Forgets what is not committed, in memory too.
  void rollback();
  [[nodiscard]] bool failed() const;
  // Between transactions: moves the WAL into the file when it has grown beyond `pages`.
  void checkpoint_if_beyond(std::int64_t pages);
  [[nodiscard]] std::int64_t wal_pages() const;

  // ---- names
  // -------------------------------------------------------------------------------------------------
  QueueNumber queue_number(const std::string& name);  // made when new
  TypeNumber type_number(const std::string& name);
  PartyNumber party_number(const std::string& name, Incarnation incarnation);
  // Name and incarnation of a party; a foreign executor (HTTP) has incarnation 0.
  std::optional<std::pair<std::string, Incarnation>> party(PartyNumber number);
  [[nodiscard]] const std::string& queue_name(QueueNumber number) const;
  [[nodiscard]] std::optional<QueueNumber> find_queue(const std::string& name) const;
  [[nodiscard]] std::size_t queue_count() const { return queues_.size(); }
  [[nodiscard]] std::size_t type_count() const { return types_.size(); }
  [[nodiscard]] bool knows_type(const std::string& name) const { return types_.contains(name); }
  // Of every queue and type, by number.
  [[nodiscard]] NumberedNames names() const;
  [[nodiscard]] std::optional<TypeNumber> find_type(const std::string& name) const;
  std::vector<QueueRow> queues();
  void set_queue_paused(QueueNumber queue, bool paused);
  void set_queue_limits(QueueNumber queue, const QueueLimits& limits);
  std::vector<RateSlice> rate_slices(QueueNumber queue);
  // Adds the slice or writes it anew; those that ended before `forget_ms` go.
  void put_rate_slice(QueueNumber queue, const RateSlice& slice, std::int64_t forget_ms);

  // ---- commands
  // ----------------------------------------------------------------------------------------------
  // Of commands, also removed ones, operations and workflows.
  CommandId last_id();
  void insert(const StateRow& row, const CommandSpec& spec, std::int64_t created_ms);
  std::optional<StateRow> find(CommandId id);
  std::optional<CommandBody> body(CommandId id);
  // What an attempt goes by, without reading the payload beside it.
  std::optional<AttemptTerms> attempt_terms(CommandId id);
  bool delivers(CommandId id);
  // Writes `row` (read by find() in this transaction and changed by the caller) as moved by `move`; the edge
  // is checked and row.state set.
  void move(StateRow& row, Move move);
  // What insert() and move() have changed since the last call: all of it, so a caller that tells of it cannot
  // forget any.  To be told after the commit.
  StateChanges take_changes();
  // Writes `row` without a move (a mark that came after the permit, a republish, a reschedule).
  void update(const StateRow& row);
  // Puts another payload in the place of the present one, which is kept.
  void replace_payload(CommandId id, const Bytes& payload, std::int64_t at_ms, const std::string& who);
  // How many payloads were replaced.
  int revisions(CommandId id);
  void append_attempt(const AttemptRow& row);
  void append_event(CommandId id, std::int64_t at_ms, const char* kind, const std::string& who,
                    const std::string& detail);
  void append_audit(std::int64_t at_ms, const Actor& who, const std::string& what, const std::string& subject,
                    const std::string& detail);
  // Only the newest `keep` stay; at most `most` go at once.
  int prune_audit(std::int64_t keep, int most);

  // Scheduled commands of one lane with (due, id) at or after `from`, in that order, due at or before
  // `until_ms`.
  std::vector<ReadyRow> ready(const LaneKey& lane, std::pair<std::int64_t, CommandId> from,
                              std::int64_t until_ms, std::size_t most);
  // Due time of the first scheduled command of the lane at or after `from`.
  std::optional<std::int64_t> next_due(const LaneKey& lane, std::pair<std::int64_t, CommandId> from);
  // Those that have scheduled commands.  Skips from lane to lane in the index.
  std::vector<LaneKey> lanes();
  std::vector<StateRow> running();
  // Queued before `before_ms` in this queue, oldest id first, after `after`.
  std::vector<StateRow> queued(QueueNumber queue, std::int64_t before_ms, std::size_t most);
  // Of those that have not started.
  std::optional<std::int64_t> next_expiry();
  std::vector<CommandId> expiring(std::int64_t now_ms, std::size_t most);
  // Of the live commands of one key: the first in order, and whether one is queued or running.
  std::optional<StateRow> key_head(std::int64_t key_hash);
  bool key_busy(std::int64_t key_hash);

  // ---- the end of what has ended (retention_store.cpp)
  // --------------------------------------------------------------------------------------
  // Ended commands that come after `after`, ended at or before `until_ms`, the longest ended first.
  std::vector<EndedRow> ended(EndedPlace after, std::int64_t until_ms, int most);
  // Whether a dead letter of the command is not with the broker yet.
  bool dead_letter_waits(CommandId id);
  // Whether it is of a workflow in which some command has not ended.
  bool in_open_workflow(CommandId id);
  // Removes the command with all that belongs to it: how many bytes of payload and result that were.  Its
  // idempotency key stays until that has expired, its fire for as long as its schedule.
  std::int64_t remove_ended(const EndedRow& row);

  // ---- callbacks (callback_store.cpp)
  // -----------------------------------------------------------------------------------------
  void insert_callback(CommandId id, const std::string& url, const std::string& origin);
  std::optional<CallbackRow> callback(CommandId id);
  // All but its URL and origin.
  void update_callback(const CallbackRow& row);
  bool any_callback();
  std::int64_t owed_callbacks();
  // That a call is owed to.
  std::vector<std::string> callback_origins();
  // Owed to this origin, the one that is due first at the front.
  std::vector<CallbackRow> owed_callbacks(const std::string& origin, std::size_t most);
  // Whether one is owed for this command.
  bool callback_waits(CommandId id);

  // ---- idempotency
  // -------------------------------------------------------------------------------------------
  std::optional<IdempotencyRow> idempotent(const std::string& key);
  void insert_idempotent(const std::string& key, const IdempotencyRow& row, std::int64_t until_ms);
  int prune_idempotent(std::int64_t now_ms, int most);

  // ---- operations
  // --------------------------------------------------------------------------------------------
  void insert_operation(const OperationRow& row);
  void update_operation(const OperationRow& row);
  std::optional<OperationRow> operation(CommandId id);
  std::vector<OperationRow> operations(std::size_t most);  // newest first
  std::vector<OperationRow> running_operations();
  // Only the newest `keep` and those that run stay.
  void prune_operations(std::size_t keep);
  struct Found {
    std::vector<CommandId> ids;
    CommandId cursor;  // go on below this one
    bool end = false;  // there are no more
  };
  // Commands with lower ids than `below` that match, newest first: at most `most`, looking at no more than
  // `looks` rows.
  Found find_matching(const OperationFilter& filter, CommandId below, int looks, int most);

  // ---- schedules (schedule_store.cpp)
  // -----------------------------------------------------------------------------------------
  std::optional<ScheduleRow> schedule(const std::string& name);
  std::optional<ScheduleRow> schedule(std::int64_t id);
  // Inserts (and numbers) the row when its id is 0.
  void put_schedule(ScheduleRow& row);
  // Only when it fires next, and what has fired.
  void put_schedule_progress(const ScheduleRow& row);
  void put_schedule_version(const ScheduleRow& row, const std::string& who, const std::string& what);
  // With its versions; its fires go in small steps (prune_fires), its commands stay.
  void remove_schedule(std::int64_t id);
  int prune_fires(int most);
  // Whose next fire is to be made at or before `now_ms`, the longest due first.
  std::vector<ScheduleRow> due_schedules(std::int64_t now_ms, std::size_t most);
  // When the next fire of all is to be made.
  std::optional<std::int64_t> next_wake_ms();
  std::int64_t schedule_count();
  [[nodiscard]] bool fired(std::int64_t schedule, std::int64_t fire_ms, FireKind kind);
  // Records the fire and that its command has not ended.
  void insert_fire(std::int64_t schedule, std::int64_t fire_ms, FireKind kind, CommandId command);
  void open_fire(std::int64_t schedule, CommandId command);
  // The command has ended: whose it was.
  std::optional<std::int64_t> close_fire(CommandId command);
  std::vector<CommandId> open_fires(std::int64_t schedule, std::size_t most);
  std::int64_t open_fire_count();
  // The schedule that made a command.
  std::optional<std::int64_t> schedule_of(CommandId command);
  // For oracles; the number of a command that was removed is negative.
  void each_fire(const std::function<void(std::int64_t, std::int64_t, FireKind, CommandId)>& visit);

  // ---- workflows and dependencies (workflow_store.cpp)
  // ----------------------------------------------------------------------------------------
  void insert_workflow(const WorkflowRow& row);
  void update_workflow(const WorkflowRow& row);
  std::optional<WorkflowRow> workflow(CommandId id);
  std::int64_t open_workflow_count();
  void insert_node(const NodeRow& row);
  // The node that a command is, if it is one.
  std::optional<NodeRow> node(CommandId command);
  // In the order of their ids, which is one in which parents come first.
  std::vector<CommandId> nodes(CommandId workflow);
  // When the first of a workflow's commands ended, of those that have; INT64_MAX when none has.
  std::int64_t first_node_end_ms(CommandId workflow);
  void put_filled_payload(CommandId command, const std::string& payload);
  void insert_edge(CommandId parent, CommandId child);
  [[nodiscard]] bool room_for_child(CommandId parent);
  std::vector<CommandId> parents(CommandId child);
  std::vector<CommandId> waiting_children(CommandId parent);
  // The result of a parent of `child`, by its name in the workflow; "null" when it gave none.
  std::string parent_result(CommandId child, const std::string& name);
  // A waiting command has so many parents that have not succeeded.
  void put_unmet(CommandId command, std::int64_t parents);
  // One of them has; how many are left.
  std::int64_t met_one(CommandId command);
  void remove_unmet(CommandId command);

  // ---- shards, dead letters, counters
  // ------------------------------------------------------------------------
  std::vector<ShardRow> shard_rows();
  void put_shard(const ShardRow& row);
  void insert_dead(CommandId id, int attempt);
  void remove_dead(CommandId id, int attempt);
  std::vector<std::pair<CommandId, int>> dead_outbox(std::size_t most);
  std::int64_t dead_outbox_size();
  [[nodiscard]] std::int64_t count(State state) const { return by_state_[static_cast<std::size_t>(state)]; }
  [[nodiscard]] std::int64_t count(QueueNumber queue, State state) const;

  // For tests and oracles: counters counted anew from the rows; true when they agree with the kept ones.
  bool counters_agree();
  // Likewise: the rows kept in memory are those of the database.
  bool memory_agrees();
  // Likewise: Database::scans().
  std::vector<std::string> scans();
  // Likewise: Database::steps().
  [[nodiscard]] std::int64_t steps() const;
  [[nodiscard]] const LiveRows& live() const { return live_; }
  std::string integrity();
  // For oracles of the simulator: every command, every attempt.
  void each_state(const std::function<void(const StateRow&)>& visit);
  void each_attempt(const std::function<void(const AttemptRow&)>& visit);
  std::vector<AttemptRow> attempts(CommandId id);

 private:
  using CounterKey = std::tuple<QueueNumber, TypeNumber, State>;

  explicit Store(std::unique_ptr<Database> database);
  Status migrate();
  Status load(const StoreOptions& options);
  void load_counters();
  void load_names();
  void add_count(const StateRow& row, State state, std::int64_t by);
  void note_change(const StateRow& row);
  void flush_counters();
  void forget_labels(CommandId id, const std::string& labels);
  void forget_edges(CommandId id, State state);
  void note_removed(CommandId id);
  bool matches(const CommandFilter& match, const StateRow& row);
  Found find_listed(const OperationFilter& filter, CommandId below, int most);
  std::int64_t meta(const char* name, std::int64_t otherwise);
  void set_meta(const char* name, std::int64_t value);
  std::optional<StateRow> read_row(CommandId id);
  std::optional<AttemptTerms> read_terms(CommandId id);
  std::int32_t name_number(int kind, const std::string& text, std::map<std::string, std::int32_t>& known);

  std::unique_ptr<Database> database_;
  int shards_ = 0;
  std::int64_t generation_ = 0;
  std::map<std::string, std::int32_t> queues_;
  std::map<std::string, std::int32_t> types_;
  std::map<QueueNumber, std::string> queue_names_;
  std::map<CounterKey, std::int64_t> counters_;
  std::map<CounterKey, std::int64_t> changed_;  // since the last commit
  std::array<std::int64_t, kStates.size()> by_state_{};
  std::map<std::pair<QueueNumber, State>, std::int64_t> by_queue_;
  StateChanges changes_;  // since take_changes()
  LiveRows live_;
};

}  // namespace duly
