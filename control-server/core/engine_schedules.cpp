// Schedules: made, changed and removed by hand; and their fires.
//
// A fire's command, its row and the schedule's next fire are one transaction: whatever crashes, one fire time
// makes one command, late at worst.
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

constexpr std::size_t kSchedulesPerBatch = 200;
// Of one schedule in one batch; the rest follows in the next.
constexpr int kFiresPerBatch = 1000;
constexpr std::size_t kOpenFires = 1000;  // looked at when others are cancelled

Problem no_such_schedule() { return {404, "Not found", "there is no such schedule", "", 0}; }
Problem changed_meanwhile(std::int64_t version) {
  return {412, "Precondition failed", "the schedule is at version " + std::to_string(version), "", 0};
}

std::string actor_of(const ScheduleRow& row) { return "schedule " + row.spec.name; }

}  // namespace

// ---- by hand
// -----------------------------------------------------------------------------------------------------

std::optional<Problem> Engine::refuse_schedule(const PutSchedule& input, const ScheduleRow* known) const {
  if (draining_) return Problem{503, "Shutting down", "the server takes no new work", "", 1};
  if (disk_low_)
    return Problem{507, "Insufficient storage", "the disk is full: new work is refused, running work goes on",
                   "", 0};
  if (input.create && known != nullptr)
    return Problem{409, "Conflict", "there is a schedule of this name", "/name", 0};
  if (!input.create && known == nullptr) return no_such_schedule();
  if (input.if_match && known != nullptr && *input.if_match != known->version)
    return changed_meanwhile(known->version);
  if (known == nullptr && schedules_ >= limits::kSchedules)
    return Problem{400, "Too many schedules",
                   "there are at most " + std::to_string(limits::kSchedules) + " schedules", "", 0};
  if (auto problem = refuse_callback(input.spec.command, "/command")) return problem;
  return refuse_names(input.spec.command);
}

void Engine::on(PutSchedule& input) {
  auto known = schedule_up_to_now(input.spec.name);
  if (auto problem = refuse_schedule(input, known ? &*known : nullptr))
    return answer(input.reply, std::move(*problem));
  const auto timetable = Timetable::make(input.spec.timing, input.spec.name);
  if (!timetable) return answer(input.reply, Problem{400, "Invalid request", timetable.error().what, "", 0});
  ScheduleRow row = known.value_or(ScheduleRow{});
  const bool same_times = known && known->spec.timing == input.spec.timing && known->spec.enabled;
  row.spec = std::move(input.spec);
  if (!known) {
    row.created_ms = now_ms();
    ++schedules_;
  }
  if (row.spec.overlap != Overlap::buffer_one) row.buffered_ms.reset();
  // Fires that are due already are not lost by an edit that leaves the times as they are.
  if (!same_times || !row.spec.enabled)
    row.next_ms = row.spec.enabled ? timetable->next(now_ms()) : std::nullopt;
  ensure_queue(row.spec.command.queue);
  store_.type_number(row.spec.command.type);
  save_schedule(row, input.actor, input.what.empty() ? (known ? "changed" : "created") : input.what);
  answer(input.reply, Done{});
}

// A new version, with who and why; what is next is looked up anew.
void Engine::save_schedule(ScheduleRow& row, const Actor& actor, const std::string& what) {
  ++row.version;
  row.updated_ms = now_ms();
  store_.put_schedule(row);
  store_.put_schedule_version(row, actor, what);
  store_.append_audit(now_ms(), actor, "schedule." + what, row.spec.name,
                      "version " + std::to_string(row.version));
  next_fire_ms_ = store_.next_wake_ms().value_or(INT64_MAX);
}

// As it stands once everything that is due by now has been fired: a change loses none of it.
std::optional<ScheduleRow> Engine::schedule_up_to_now(const std::string& name) {
  auto row = store_.schedule(name);
  const bool due = row && row->next_ms && *row->wake_ms() <= now_ms();
  if (due && !draining_ && !disk_low_) fire_due(*row);
  return row;
}

void Engine::on(ChangeSchedule& input) {
  auto row = schedule_up_to_now(input.name);
  if (!row) return answer(input.reply, no_such_schedule());
  if (input.if_match && *input.if_match != row->version)
    return answer(input.reply, changed_meanwhile(row->version));
  switch (input.what) {
    case ChangeSchedule::What::pause: return pause_schedule(input, *row, true);
    case ChangeSchedule::What::resume: return pause_schedule(input, *row, false);
    case ChangeSchedule::What::remove: return remove_schedule(input, *row);
    case ChangeSchedule::What::trigger: return trigger_schedule(input, *row);
  }
}

// While it is paused nothing is missed: it goes on with the first fire after it was resumed.
void Engine::pause_schedule(const ChangeSchedule& input, ScheduleRow& row, bool pause) {
  if (row.spec.enabled == !pause) return answer(input.reply, Done{});
  row.spec.enabled = !pause;
  row.next_ms.reset();
  if (!pause) {
    const auto timetable = Timetable::make(row.spec.timing, row.spec.name);
    if (!timetable) return answer(input.reply, Problem{409, "Conflict", timetable.error().what, "", 0});
    row.next_ms = timetable->next(now_ms());
  }
  save_schedule(row, input.actor, pause ? "paused" : "resumed");
  answer(input.reply, Done{});
}

void Engine::remove_schedule(const ChangeSchedule& input, const ScheduleRow& row) {
  store_.remove_schedule(row.id);
  store_.append_audit(now_ms(), input.actor, "schedule.removed", row.spec.name,
                      "version " + std::to_string(row.version));
  --schedules_;
  next_fire_ms_ = store_.next_wake_ms().value_or(INT64_MAX);
  answer(input.reply, Done{});
}

// Now, whatever the timetable, the overlap policy and a pause say: it was asked for by hand.
void Engine::trigger_schedule(const ChangeSchedule& input, ScheduleRow& row) {
  if (draining_ || disk_low_)
    return answer(input.reply, Problem{503, "Not now", "the server takes no new work", "", 1});
  std::int64_t at = now_ms();
  while (store_.fired(row.id, at, FireKind::by_hand)) ++at;  // as many as were triggered in this millisecond
  const CommandId id = launch(row, at, FireKind::by_hand);
  store_.put_schedule_progress(row);
  store_.append_audit(now_ms(), input.actor, "schedule.triggered", row.spec.name, format_command_id(id));
  answer(input.reply, Done{id});
}

// Fires of the past that have no command yet get one; the overlap policy does not apply.
void Engine::on(BackfillSchedule& input) {
  auto row = schedule_up_to_now(input.name);
  if (!row) return answer(input.reply, no_such_schedule());
  if (draining_ || disk_low_)
    return answer(input.reply, Problem{503, "Not now", "the server takes no new work", "", 1});
  const auto timetable = Timetable::make(row->spec.timing, row->spec.name);
  if (!timetable) return answer(input.reply, Problem{409, "Conflict", timetable.error().what, "", 0});
  std::int64_t created = 0;
  std::int64_t existing = 0;
  const std::int64_t until = std::min(input.to_ms, now_ms());
  auto fire = timetable->next(input.from_ms - 1);
  for (; fire && *fire < until && created + existing < kFiresPerBatch; fire = timetable->next(*fire)) {
    const bool known = store_.fired(row->id, *fire, FireKind::timetable);
    ++(known ? existing : created);
    if (!known) launch(*row, *fire, FireKind::timetable);
  }
  store_.put_schedule_progress(*row);
  store_.append_audit(now_ms(), input.actor, "schedule.backfilled", row->spec.name,
                      std::to_string(created) + " commands");
  const bool more = fire && *fire < until;
  answer(input.reply, JsonBody{200, "{\"created\":" + std::to_string(created) +
                                        ",\"existing\":" + std::to_string(existing) + ",\"next_from\":" +
                                        (more ? "\"" + format_instant(*fire) + "\"" : "null") + "}"});
}

// ---- fires
// -----------------------------------------------------------------------------------------------------

void Engine::fire_schedules() {
  if (now_ms() < next_fire_ms_ || draining_ || disk_low_) return;  // kept for later: late, never lost
  for (ScheduleRow& row : store_.due_schedules(now_ms(), kSchedulesPerBatch)) fire_due(row);
  next_fire_ms_ = store_.next_wake_ms().value_or(INT64_MAX);
}

void Engine::fire_due(ScheduleRow& row) {
  const auto timetable = Timetable::make(row.spec.timing, row.spec.name);
  if (!timetable) {  // the machine's time zone database has lost it
    log(LogLevel::error, "engine", "schedule stands still",
        {{"schedule", row.spec.name}, {"error", timetable.error().what}});
    row.next_ms.reset();
  }
  if (row.next_ms && now_ms() - *row.wake_ms() > kFireGraceMs) skip_missed(row, *timetable);
  if (DULY_PLANTED("fire.late") && row.next_ms && now_ms() - *row.wake_ms() > 1000)
    row.next_ms = timetable->next(now_ms());
  for (int fires = 0; fires < kFiresPerBatch && row.next_ms && *row.wake_ms() <= now_ms(); ++fires) {
    fire(row, *row.next_ms);
    row.next_ms = timetable->next(*row.next_ms);
  }
  store_.put_schedule_progress(row);
}

// Moves row.next_ms to the first missed fire that is made up for.  Its cost does not grow with the time that
// was missed.
void Engine::skip_missed(ScheduleRow& row, const Timetable& timetable) {
  const std::int64_t missed = *row.next_ms;
  std::optional<std::int64_t> first;
  switch (row.spec.catch_up) {
    case CatchUp::skip: first = timetable.next(now_ms() - kFireGraceMs - 1); break;
    case CatchUp::one: first = timetable.prev(now_ms() + 1); break;
    case CatchUp::all: {
      const std::int64_t oldest = std::max(missed, now_ms() - row.spec.catch_up_window_ms);
      std::optional<std::int64_t> at = now_ms() + 1;
      for (std::int64_t count = 0; count < row.spec.catch_up_max; ++count) {
        at = timetable.prev(*at);
        if (!at || *at < oldest) break;
        first = at;
      }
      if (!first) first = timetable.next(now_ms());
      break;
    }
  }
  if (first && *first <= missed) return;
  row.next_ms = first;
  store_.append_audit(now_ms(), "server", "schedule.missed", row.spec.name,
                      "from " + format_instant(missed) + ", goes on " +
                          (first ? "with " + format_instant(*first) : std::string("never")));
}

// By the overlap policy.
void Engine::fire(ScheduleRow& row, std::int64_t fire_ms) {
  if (store_.fired(row.id, fire_ms, FireKind::timetable)) return;  // backfilled before we came to it
  const auto open =
      row.spec.overlap == Overlap::allow ? std::vector<CommandId>() : store_.open_fires(row.id, kOpenFires);
  if (!open.empty() && !DULY_PLANTED("fire.overlap")) {
    switch (row.spec.overlap) {
      case Overlap::allow: break;
      case Overlap::buffer_one:
        if (!row.buffered_ms) {
          row.buffered_ms = fire_ms;
          return;
        }
        [[fallthrough]];
      case Overlap::skip: ++row.skipped; return;
      case Overlap::cancel_other:
        for (const CommandId id : open) {
          if (auto other = store_.find(id); other && !is_end(other->state)) cancel(*other, actor_of(row), "");
        }
        break;
    }
  }
  launch(row, fire_ms, FireKind::timetable);
}

CommandId Engine::launch(ScheduleRow& row, std::int64_t fire_ms, FireKind kind) {
  NewCommand command;
  command.spec = row.spec.command;
  command.spec.schedule = row.id;
  command.spec.fire_at_ms = fire_ms;
  const bool by_hand = kind == FireKind::by_hand;
  command.spec.due_at_ms =
      by_hand ? now_ms() : fire_ms + jitter_of(row.spec.name, fire_ms, row.spec.jitter_ms);
  const CommandId id = accept(command).id;
  store_.insert_fire(row.id, fire_ms, kind, id);
  ++open_fires_;
  ++row.fired;
  if (!by_hand) row.last_fire_ms = std::max(row.last_fire_ms.value_or(fire_ms), fire_ms);
  return id;
}

// A command has ended.  When a fire of its schedule waited for that, it goes now.
void Engine::close_fire(CommandId id) {
  if (open_fires_ == 0 || DULY_PLANTED("fire.open")) return;
  const auto schedule = store_.close_fire(id);
  if (!schedule) return;
  --open_fires_;
  auto row = store_.schedule(*schedule);
  if (!row || !row->buffered_ms || draining_) return;
  if (!store_.open_fires(row->id, 1).empty()) return;
  const std::int64_t fire_ms = *std::exchange(row->buffered_ms, std::nullopt);
  if (!store_.fired(row->id, fire_ms, FireKind::timetable)) launch(*row, fire_ms, FireKind::timetable);
  store_.put_schedule_progress(*row);
}

// A dead command of a schedule is redriven: it counts as not ended again.
void Engine::reopen_fire(CommandId id) {
  const auto schedule = store_.schedule_of(id);
  if (!schedule) return;
  store_.open_fire(*schedule, id);
  ++open_fires_;
}

}  // namespace duly
