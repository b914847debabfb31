// Schedules in the simulated world: a client that makes them and stops them at the heal, and what must hold
// of their fires.
#include <cstdlib>
#include <set>
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr Overlap kOverlaps[] = {Overlap::allow, Overlap::skip, Overlap::buffer_one, Overlap::cancel_other};

}  // namespace

void World::draw_schedules() {
  for (int i = 0; i < plan_.schedules; ++i) {
    ScheduleSpec spec;
    spec.name = "schedule-" + std::to_string(i);
    spec.timing.every_ms = rng_.between(300, 3000);
    spec.command = draw_command().spec;
    spec.command.due_at_ms = spec.command.delay_ms = spec.command.expires_at_ms = std::nullopt;
    spec.overlap = kOverlaps[rng_.below(std::size(kOverlaps))];
    spec.catch_up = CatchUp::all;
    spec.catch_up_max = 1000;
    if (rng_.chance(0.3)) spec.jitter_ms = rng_.between(1, 1000);
    spec.text = "{}";
    schedules_.push_back({std::move(spec)});
  }
}

// Asks until it has been answered: first that they be there, after the heal that they stop.
void World::ask_for_schedules() {
  for (std::size_t i = 0; i < schedules_.size(); ++i) {
    Planned& planned = schedules_[i];
    const bool wanted = healing_ ? !planned.stopped : !planned.made;
    if (!wanted || planned.asked) continue;
    const ReplyTo reply = next_reply_++;
    const bool sent =
        healing_ ? server_->submit(ChangeSchedule{reply, "client", planned.spec.name,
                                                  ChangeSchedule::What::pause, std::nullopt})
                 : server_->submit(PutSchedule{reply, "client", planned.spec, true, std::nullopt, ""});
    if (!sent) continue;
    planned.asked = true;
    Pending& request = pending_[reply];
    request.id = CommandId{static_cast<std::int64_t>(i)};
    request.action = healing_ ? "stop" : "schedule";
  }
}

// Status 0 = done.
void World::schedule_answered(const Pending& request, int status) {
  Planned& planned = schedules_[static_cast<std::size_t>(request.id.value)];
  planned.asked = false;
  if (request.action == "schedule") planned.made = planned.made || status == 0 || status == 409;
  if (request.action == "stop") planned.stopped = status == 0 || status == 404;
  if (status == 404 && planned.made)
    throw Violation{"I1: " + planned.spec.name + " was accepted and is lost"};
}

// Whoever asked the server that died does not get an answer.
void World::forget_schedule_requests() {
  for (Planned& planned : schedules_) planned.asked = false;
}

bool World::schedules_stopped() const {
  return std::all_of(schedules_.begin(), schedules_.end(), [](const Planned& p) { return p.stopped; });
}

// By the overlap policy no more than one of them is there at a time; a redrive by hand may bring another.
void World::watch_schedules() {
  if (!facts_.redriven.empty()) return;
  for (const Planned& planned : schedules_) {
    const Overlap overlap = planned.spec.overlap;
    if (overlap == Overlap::allow) continue;
    const auto row = server_->store().schedule(planned.spec.name);
    if (row && server_->store().open_fires(row->id, 2).size() > 1)
      throw Violation{"I10: two commands of " + planned.spec.name + " at a time"};
  }
}

// I10: one command for each fire time, none missed by a crash.  A wall clock that was set back says nothing
// of how many there must be.
void World::judge_schedules(const std::map<CommandId, StateRow>& rows) {
  Store& store = server_->store();
  std::set<CommandId> fired;
  std::map<std::int64_t, std::set<std::int64_t>> times;
  store.each_fire([&](std::int64_t schedule, std::int64_t at, FireKind, CommandId number) {
    const CommandId id{std::abs(number.value)};
    if (number.value < 0 && !removed_.contains(id))
      throw Violation{"I18: the fire of " + format_command_id(id) + " says that it was removed"};
    if (!fired.insert(id).second || !rows.contains(id))
      throw Violation{"I10: " + format_command_id(id) +
                      " is the command of two fires, or of none that is stored"};
    times[schedule].insert(at);
    ++counts_.fires;
  });
  for (const auto& [id, row] : rows) {
    if (!facts_.accepted.contains(id) && !fired.contains(id))
      throw Violation{"I9: " + format_command_id(id) + " was never asked for"};
  }
  if (store.open_fire_count() != 0) throw Violation{"I10: an ended command still counts as open"};
  if (plan_.rates.wall_step.count() > 0) return;
  for (const Planned& planned : schedules_) {
    const auto row = store.schedule(planned.spec.name);
    if (row) judge_fires(*row, times[row->id]);
  }
}

void World::judge_fires(const ScheduleRow& row, const std::set<std::int64_t>& times) {
  const std::int64_t every = row.spec.timing.every_ms;
  // Of the last ones some may still have waited for their jitter, or for that of one before them.
  const auto came = [&](std::int64_t until) {
    std::int64_t count = 0;
    for (std::int64_t at = (row.created_ms / every + 1) * every; at <= until; at += every, ++count) {
      if (at + jitter_of(row.spec.name, at, row.spec.jitter_ms) > until) break;
    }
    return count;
  };
  const std::int64_t wanted = came(row.updated_ms);
  const std::int64_t got = row.fired + row.skipped + (row.buffered_ms ? 1 : 0);
  if (static_cast<std::int64_t>(times.size()) != row.fired || got != wanted) {
    throw Violation{"I10: " + row.spec.name + " had " + std::to_string(wanted) + " fire times; " +
                    std::to_string(times.size()) + " commands were made, " + std::to_string(row.skipped) +
                    " skipped"};
  }
  for (const std::int64_t at : times) {
    if (at % every != 0 || at <= row.created_ms) throw Violation{"I10: a fire at a time that is none"};
  }
}

}  // namespace duly::sim
