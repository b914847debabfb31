#include "control-server/core/engine_host.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"

namespace duly {
namespace {

// Between transactions, so that no commit waits for more than this much copying (pages of 4 KiB).
constexpr std::int64_t kCheckpointPages = 4096;
// With little room left the WAL must not grow: it is copied back often and written anew from its beginning.
constexpr std::int64_t kCheckpointPagesLow = 32;
constexpr Duration kFullPause =
    milliseconds{100};                         // until the next attempt, and at first of telling anybody …
constexpr Duration kLongestRest = seconds{5};  // … which doubles up to this while the disk stays full
constexpr Duration kFullLogEvery = seconds{1};
constexpr std::int64_t kPageBytes = 4096;
constexpr Duration kStatsWanted = seconds{2};        // after somebody has asked
constexpr Duration kStatsFresh = milliseconds{100};  // rates and ages in them go on without a commit
constexpr std::int64_t kRowsBytes = 1024;  // of a new command beside its payload: rows, indexes, key, labels

// What new work would take of the disk: once in the WAL, once more when it is copied into the database.
std::int64_t bytes_of(const Bytes& payload) {
  return payload ? static_cast<std::int64_t>(payload->size()) : 0;
}

std::int64_t bytes_of(const Submit& submit) {
  std::int64_t bytes = 0;
  for (const NewCommand& command : submit.commands) {
    bytes += kRowsBytes + bytes_of(command.spec.payload);
    if (command.spec.deliver) bytes += static_cast<std::int64_t>(command.spec.deliver->properties.size());
  }
  return bytes;
}

std::int64_t growth_of(const std::vector<Input>& inputs) {
  std::int64_t bytes = 0;
  for (const Input& input : inputs) {
    if (const auto* submit = std::get_if<Submit>(&input)) bytes += bytes_of(*submit);
    if (const auto* workflow = std::get_if<SubmitWorkflow>(&input))
      bytes += 2 * bytes_of(workflow->work);  // and edges
    if (const auto* redrive = std::get_if<RedriveCommand>(&input)) bytes += 2 * bytes_of(redrive->payload);
  }
  return 2 * bytes;
}

}  // namespace

EngineHost::EngineHost(Loop& loop, Store& store, EngineConfig config, EnginePorts ports)
    : loop_(loop),
      store_(store),
      config_(std::move(config)),
      ports_(std::move(ports)),
      engine_(std::make_unique<Engine>(store_, config_, loop.moment())) {}

EngineHost::~EngineHost() = default;

bool EngineHost::submit(Input&& input) {
  bool post = false;
  {
    MutexLock lock(mutex_);
    if (inbox_.size() >= limits::kMailbox) return false;
    inbox_.push_back(std::move(input));
    post = !std::exchange(drain_posted_, true);
  }
  if (post) {
    loop_.post([this, alive = std::weak_ptr<bool>(alive_)] {
      if (!alive.expired()) drain();
    });
  }
  return true;
}

StatsAnswer EngineHost::stats_at_hand() {
  const MonoTime now = loop_.now();
  MutexLock lock(mutex_);
  stats_wanted_until_ = now + kStatsWanted;
  return now < stats_until_ ? stats_ : nullptr;
}

// Before anybody is told of the batch, so that nobody finds less in them than what he was answered.  After a
// short batch they are not worth taking: the next answer is near.
void EngineHost::keep_stats(Duration took) {
  const MonoTime now = loop_.now();
  {
    MutexLock lock(mutex_);
    if (stats_ && DULY_PLANTED("stats.at-hand")) return;
    stats_ = nullptr;
    if (took < config_.long_batch || now >= stats_wanted_until_) return;
  }
  if (!engine_->counts_soon()) return;
  auto fresh = std::make_shared<const StatsSnapshot>(engine_->snapshot());
  MutexLock lock(mutex_);
  stats_ = std::move(fresh);
  stats_until_ = now + kStatsFresh;
}

void EngineHost::start() { schedule_tick(); }

void EngineHost::drain() {
  std::vector<Input> inputs;
  {
    MutexLock lock(mutex_);
    inputs.swap(inbox_);
    drain_posted_ = false;
  }
  answer_questions(inputs);
  for (std::size_t begin = 0; begin < inputs.size(); begin += limits::kRequestsPerCommit) {
    const std::size_t end = std::min(begin + limits::kRequestsPerCommit, inputs.size());
    std::vector<Input> batch(std::make_move_iterator(inputs.begin() + static_cast<std::ptrdiff_t>(begin)),
                             std::make_move_iterator(inputs.begin() + static_cast<std::ptrdiff_t>(end)));
    run_batch(batch);
  }
  schedule_tick();
}

// Now, and not after the commit of a batch that they have no part in.  What was answered before is in them.
// They need no disk either: in a batch of their own they might find it full again and again.
void EngineHost::answer_questions(std::vector<Input>& inputs) {
  const auto first = std::stable_partition(
      inputs.begin(), inputs.end(), [](const Input& input) { return !std::holds_alternative<Query>(input); });
  if (first == inputs.end() || stopped_) return;
  std::vector<Input> questions(std::make_move_iterator(first), std::make_move_iterator(inputs.end()));
  inputs.erase(first, inputs.end());
  ports_.release(engine_->answers_to_questions(questions, loop_.moment()));
}

// Asked before every batch, not now and then: work that comes faster than somebody looks must not eat what is
// kept for recording the work that was accepted.  What the WAL holds needs room once more, in the database.
void EngineHost::watch_disk(std::vector<Input>& inputs) {
  if (!ports_.disk_low) return;
  const auto low = [&] { return ports_.disk_low(store_.wal_pages() * kPageBytes + growth_of(inputs)); };
  bool now = low();
  if (now && !disk_low_) {
    store_.checkpoint_if_beyond(
        0);  // while there is room for it; afterwards the WAL is written from its beginning
    now = low();
  }
  if (now != disk_low_) inputs.insert(inputs.begin(), Input{DiskSpace{now}});
  disk_low_ = now;
}

void EngineHost::run_batch(std::vector<Input>& inputs) {
  if (stopped_) return;
  watch_disk(inputs);
  const Moment begun = loop_.moment();
  const bool only_tick = inputs.size() == 1 && std::holds_alternative<Tick>(inputs.front());
  Engine::Batch batch = engine_->run(inputs, begun);
  if (batch.status) {
    const Duration took = loop_.now() - begun.mono;
    if (!only_tick) engine_->took(took);
    keep_stats(took);
    ports_.release(std::move(batch.effects));
    store_.checkpoint_if_beyond(disk_low_ ? kCheckpointPagesLow : kCheckpointPages);
    return;
  }
  if (batch.status.error().code != Errc::full && !DULY_PLANTED("store.io-error")) {
    stopped_ = true;
    return ports_.fatal(batch.status.error());
  }
  begin_again(inputs);
}

// The disk was full all the same: nothing of the batch was applied, and memory ran ahead of the store.
void EngineHost::begin_again(std::vector<Input>& inputs) {
  // Not at once, for a sweep that finds the disk full again must not turn into a spin.
  quiet_until_ = loop_.now() + kFullPause;
  lengthen_rest();
  if (loop_.now() >= full_logged_ + kFullLogEvery) {
    full_logged_ = loop_.now();
    log(LogLevel::error, "engine", "the disk is full: a batch was refused whole",
        {{"inputs", static_cast<std::int64_t>(inputs.size())}});
  }
  std::vector<ReplyTo> replies;
  for (const Input& input : inputs) {
    const bool only_looks = std::holds_alternative<AwaitEnd>(input);
    if (const ReplyTo reply = Engine::reply_of(input); reply != 0 && !only_looks) replies.push_back(reply);
  }
  std::vector<Effect> waits = engine_->answers_to_waits(inputs);
  ports_.refused_full(std::move(replies));  // gives up what was kept for this moment …
  store_.checkpoint_if_beyond(0);           // … so that the WAL can be copied back
  engine_ = std::make_unique<Engine>(store_, config_, loop_.moment());
  {
    MutexLock lock(mutex_);
    stats_ = nullptr;
  }
  engine_->rest_until(rest_until_);
  disk_low_ = false;  // as the new engine believes, until the next batch looks
  ports_.release(std::move(waits));
}

// What finds the disk full while we rest is something else: it makes the rest no longer.
void EngineHost::lengthen_rest() {
  const MonoTime now = loop_.now();
  if (now < rest_until_) return;
  const bool still = rest_ > Duration{0} && now <= rest_until_ + rest_;
  rest_ = still ? std::min(rest_ * 2, kLongestRest) : kFullPause;
  rest_until_ = now + rest_;
}

void EngineHost::schedule_tick() {
  if (stopped_) return;
  const MonoTime now = loop_.now();
  const MonoTime next = std::max({engine_->next_wakeup(loop_.moment()), now, quiet_until_});
  if (tick_at_ > now && tick_at_ <= next) return;  // an earlier one is already on its way
  tick_at_ = next;
  loop_.at(next, [this, next, alive = std::weak_ptr<bool>(alive_)] {
    if (alive.expired() || tick_at_ != next) return;
    tick_at_ = MonoTime{};
    std::vector<Input> tick;
    tick.emplace_back(Tick{});
    run_batch(tick);
    schedule_tick();
  });
}

}  // namespace duly
