// The sequence fuzzer: bytes become operations on the real store, and after each commit, rollback, reopening
// and power loss it must answer like a model in ordinary containers.
//
// The store lives on the simulator's disk: in memory, and forgetting what was not synced.
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/store_model.h"
#include "tests/sim/base/crash_vfs.h"

namespace duly::fuzz {
namespace {

constexpr const char* kFile = "duly.db";
constexpr int kOperations = 80;

class Sequence {
 public:
  explicit Sequence(Input input) : input_(input), disk_(input_.byte()) { open(); }
  void run();

 private:
  void open();
  void power_loss();
  void read(int which);
  void step(std::uint8_t what);
  void step_of_last_kind(std::uint8_t what);
  void insert();
  void move();
  void change();
  void append_attempt();
  void remember_key();
  void put_shard();
  void dead_letter();
  void pause();
  void commit();
  // One of the commands there are, or null.
  ModelCommand* pick();

  Input input_;
  sim::CrashVfs disk_;
  StoreModel now_;
  StoreModel committed_;
  std::unique_ptr<Store> store_;
  std::int64_t last_id_ = 0;
};

void Sequence::open() {
  store_.reset();  // what is not committed is lost
  if (!committed_.commands.empty()) read(input_.up_to(65'535));
  auto opened = Store::open({kFile, disk_.name(), kShards, false});
  FUZZ_CHECK(opened.ok());
  store_ = std::move(*opened);
  now_ = committed_;
}

// What clients see.  This disk takes one connection at a time; readers beside the writer are in tests/store.
void Sequence::read(int which) {
  const auto reader = Reader::open(kFile, disk_.name());
  FUZZ_CHECK(reader.ok());
  compare(**reader, committed_, which);
}

// What was committed was synced before, and is there.
void Sequence::power_loss() {
  disk_.freeze();
  store_.reset();
  disk_.thaw();
  disk_.power_loss();
  open();
}

ModelCommand* Sequence::pick() {
  if (now_.commands.empty()) return nullptr;
  auto at = now_.commands.begin();
  std::advance(at, input_.byte() % now_.commands.size());
  return &at->second;
}

void Sequence::insert() {
  ModelCommand command;
  CommandSpec& spec = command.spec;
  StateRow& row = command.row;
  const std::uint8_t what = input_.byte();
  spec.queue = "q" + std::to_string(what % 3);
  spec.type = "t" + std::to_string(what / 3 % 2);
  if (what & 64) spec.key = "k" + std::to_string(what % 2);
  if (what & 128) spec.labels = {{"a", std::to_string(what % 2)}, {"b", "x"}};
  spec.payload = make_bytes(std::string(input_.byte() * (what % 5 == 0 ? 100U : 1U), 'p'));
  spec.retry.max_attempts = 1 + what % 4;
  if (what & 32) spec.retry.jitter = 0.5;
  spec.on_lost = what & 16 ? OnLost::dead : OnLost::retry;
  last_id_ += 1 + input_.byte() % 3;
  row.id = CommandId{last_id_};
  row.state = what % 11 == 0 ? State::waiting : State::scheduled;
  row.shard = ShardId{input_.byte() % kShards};
  row.queue = store_->queue_number(spec.queue);
  row.type = store_->type_number(spec.type);
  row.priority = what % 10;
  row.due_ms = row.order_ms = input_.byte() % 64;
  row.max_attempts = spec.retry.max_attempts;
  row.key_hash = key_hash_of(spec.key);
  if (what % 7 == 0) row.expires_ms = 1 + input_.byte();
  store_->insert(row, spec, 1);
  now_.commands[row.id] = std::move(command);
}

// What the engine sets with each move, as far as the table's own checks ask for it.
void fit(StateRow& row, State to) {
  row.finished_ms = is_end(to) ? 9 : 0;
  row.reason = to == State::dead ? DeadReason::lost : DeadReason::none;
  row.started_ms = to == State::running ? 5 : 0;
}

void Sequence::move() {
  ModelCommand* command = pick();
  if (command == nullptr) return;
  StateRow& row = command->row;
  const auto how = static_cast<Move>(input_.byte() % 10);
  const auto to = after(row.state, how);
  if (!to) return;
  StateRow changed = *store_->find(row.id);
  fit(changed, *to);
  if (how == Move::permit) changed.attempt = row.next_attempt();
  if (how == Move::mark) changed.queued_ms = 1 + input_.byte() % 64;
  if (how == Move::redrive) changed.base_attempt = row.attempt;
  changed.executor = how == Move::permit ? store_->party_number("e", Incarnation{input_.byte()}) : 0;
  store_->move(changed, how);
  FUZZ_CHECK(changed.state == *to);
  row = changed;
}

void Sequence::change() {
  ModelCommand* command = pick();
  if (command == nullptr) return;
  StateRow changed = *store_->find(command->row.id);
  changed.due_ms = changed.order_ms = input_.byte() % 64;
  changed.token = Token{changed.token.value + 1};
  changed.epoch = Epoch{input_.number() & INT64_MAX};
  changed.nonce = static_cast<std::uint64_t>(input_.number());
  changed.losses = input_.byte();
  store_->update(changed);
  command->row = changed;
}

void Sequence::append_attempt() {
  ModelCommand* command = pick();
  if (command == nullptr) return;
  AttemptRow row;
  row.id = command->row.id;
  row.attempt = ++command->attempts_stored;
  row.finished_ms = 1;
  row.outcome = static_cast<AttemptOutcome>(input_.byte() % 6);
  row.error = std::string(input_.text(input_.byte() % 16));
  if (row.outcome == AttemptOutcome::succeeded) row.result = make_bytes("1");
  store_->append_attempt(row);
  store_->append_event(row.id, 1, "lost", "server", row.error);
}

void Sequence::remember_key() {
  const std::string key(1, static_cast<char>('a' + input_.byte() % 8));
  const std::int64_t time = input_.byte();
  if (now_.idempotent.contains(key)) {
    const auto due = [&](const auto& kept) { return kept.second.second < time; };
    const auto removed = std::erase_if(now_.idempotent, due);
    FUZZ_CHECK(store_->prune_idempotent(time, 1000) == static_cast<int>(removed));
    return;
  }
  const IdempotencyRow row{CommandId{input_.byte()}, static_cast<std::uint64_t>(input_.number())};
  store_->insert_idempotent(key, row, time);
  now_.idempotent[key] = {row, time};
}

void Sequence::put_shard() {
  const ShardRow row{ShardId{input_.byte() % kShards}, Epoch{input_.number() & INT64_MAX},
                     std::string(input_.text(input_.byte() % 8)),
                     Incarnation{static_cast<std::uint64_t>(input_.number())},
                     input_.byte() % 2 == 0 ? "" : "pinned"};
  store_->put_shard(row);
  now_.shards[row.shard] = row;
}

void Sequence::dead_letter() {
  const CommandId id{input_.byte() % 8};
  const int attempt = input_.byte() % 4;
  if (now_.dead.erase({id, attempt}) != 0) return store_->remove_dead(id, attempt);
  store_->insert_dead(id, attempt);
  now_.dead.emplace(id, attempt);
}

void Sequence::pause() {
  const std::string queue = "q" + std::to_string(input_.byte() % 3);
  const bool paused = input_.byte() % 2 == 0;
  store_->set_queue_paused(store_->queue_number(queue), paused);
  paused ? static_cast<void>(now_.paused.insert(queue)) : static_cast<void>(now_.paused.erase(queue));
}

void Sequence::commit() {
  FUZZ_CHECK(store_->commit().ok());
  committed_ = now_;
  FUZZ_CHECK(store_->counters_agree());
  const int which = input_.up_to(65'535);
  if (which % 4 == 0) store_->checkpoint_if_beyond(which % 8);
}

void Sequence::step(std::uint8_t what) {
  switch (what % 16) {
    case 0:
    case 1:
    case 2: return insert();
    case 3:
    case 4:
    case 5:
    case 6: return move();
    case 7: return change();
    case 8: return append_attempt();
    case 9: return remember_key();
    case 10: return put_shard();
    case 11: return dead_letter();
    case 12: return pause();
    case 13: return commit();
    case 14:
      store_->rollback();
      now_ = committed_;
      return;
    default: return step_of_last_kind(what);
  }
}

void Sequence::step_of_last_kind(std::uint8_t what) {
  if (what < 48) return open();
  if (what < 96) return power_loss();
  compare(*store_, now_, input_.up_to(65'535));
}

void Sequence::run() {
  for (int i = 0; i < kOperations && !input_.empty(); ++i) step(input_.byte());
  commit();
  open();
  compare(*store_, committed_, 1);
  FUZZ_CHECK(store_->integrity() == "ok" && store_->counters_agree());
}

}  // namespace

void run(Input input) { Sequence(input).run(); }

}  // namespace duly::fuzz
