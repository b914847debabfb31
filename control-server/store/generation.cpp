// A store that was put back from a copy begins a new generation: nothing of the old one may be taken for the
// new one's.
#include "control-server/store/backup.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {
namespace {

// Beyond what the old generation can have used since the copy was made.
constexpr std::int64_t kEpochJump = 1'000'000'000;
constexpr std::int64_t kTokenJump = 1'000'000;
constexpr std::int64_t kAttemptJump = 1000;

}  // namespace

// Epochs jump, so that no holder of the old generation has one of the new; tokens jump, so that its messages,
// which are still in the broker, start nothing; attempt numbers jump, so that none is used twice.  What was
// queued is found lost in the broker, and is published again.  What was running is the engine's to end, at
// its first start: others may wait for it.
Result<RestoreReport> Store::begin_generation(std::int64_t now_ms) {
  RestoreReport report;
  report.was_running = count(State::running);
  report.was_queued = count(State::queued);
  for (const State state : kStates) report.commands += count(state);
  {
    Sql newest = database_->query("SELECT created_ms FROM command ORDER BY id DESC LIMIT 1");
    if (newest.next()) report.newest_ms = newest.integer(0);
  }
  report.generation = ++generation_;
  set_meta("generation", generation_);
  set_meta("restored", 1);
  database_->query("UPDATE shard SET epoch = epoch + ?, agent = '', incarnation = 0").bind(kEpochJump).run();
  database_->query("UPDATE state SET token = token + ? WHERE state IN (0, 1, 2, 5)").bind(kTokenJump).run();
  database_
      ->query(
          "UPDATE state SET attempt = attempt + ?1, base_attempt = base_attempt + ?1 WHERE state IN (0, 1, "
          "2, 5)")
      .bind(kAttemptJump)
      .run();
  live_.clear();  // these rows were changed past it
  append_audit(now_ms, "server", "store.restored", "generation " + std::to_string(generation_),
               std::to_string(report.was_running) + " were running, " + std::to_string(report.was_queued) +
                   " were queued");
  if (const Status committed = commit(); !committed) return committed.error();
  checkpoint_if_beyond(0);
  return report;
}

bool Store::restored() { return meta("restored", 0) != 0; }
void Store::forget_restored() { set_meta("restored", 0); }

// Beyond any number of the old generation.
void Store::jump_attempts(StateRow& row) {
  row.attempt += static_cast<int>(kAttemptJump);
  row.base_attempt += static_cast<int>(kAttemptJump);
  update(row);
}

}  // namespace duly
