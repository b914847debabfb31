#include "control-server/core/remover.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/base/planted.h"

namespace duly {

Remover::Remover(Store& store, Config config, MonoTime now) : store_(store), config_(std::move(config)) {
  std::set<std::int64_t> times{config_.retention.keep_ms};
  for (const RetentionRule& rule : config_.retention.rules) times.insert(rule.keep_ms);
  times.erase(kKeepForever);
  for (const std::int64_t keep_ms : times) walks_.push_back({keep_ms, {}, now});
  if (!walks_.empty()) next_ = now;
}

std::int64_t Remover::keep_ms(State state, TypeNumber type) const {
  std::int64_t keep = config_.retention.keep_ms;
  for (const RetentionRule& rule : config_.retention.rules) {
    if (rule.state != state) continue;
    if (rule.type.empty()) {
      keep = rule.keep_ms;
    } else if (store_.find_type(rule.type) == type) {
      return rule.keep_ms;
    }
  }
  return keep;
}

std::vector<Remover::Walk>::iterator Remover::first_walk() {
  return std::min_element(walks_.begin(), walks_.end(),
                          [](const Walk& a, const Walk& b) { return a.next < b.next; });
}

// Of the walk whose turn it is.  With little disk left they wait: what is removed leaves room in the file,
// not on the disk, and takes room in the WAL.
std::uint64_t Remover::step(Moment now, bool disk_low) {
  if (now.mono < next_) return 0;
  next_ = now.mono + limits::kRemovalRest;
  if (disk_low) return 0;
  const std::uint64_t before = removed_;
  Walk& walk = *first_walk();
  const bool more = go_on(walk, to_ms(now.wall));
  walk.next = now.mono + (more ? Duration{limits::kRemovalPause} : Duration{limits::kRemovalRest});
  next_ = std::max<MonoTime>(first_walk()->next, now.mono + limits::kRemovalPause);
  return removed_ - before;
}

// True when there may be more to do at once.
bool Remover::go_on(Walk& walk, std::int64_t now_ms) {
  const std::int64_t keep = DULY_PLANTED("retention.early") ? walk.keep_ms / 2 : walk.keep_ms;
  const auto rows = store_.ended(walk.after, now_ms - keep, limits::kRemovalLooks);
  std::map<std::pair<State, TypeNumber>, std::int64_t> times;
  std::int64_t bytes = 0;
  int removed = 0;
  for (const EndedRow& row : rows) {
    if (removed == config_.rows || bytes >= limits::kRemovalBytes) return true;
    walk.after = row.place;
    const auto [time, fresh] = times.try_emplace({row.state, row.type});
    if (fresh) time->second = keep_ms(row.state, row.type);
    if (time->second != walk.keep_ms || still_needed(row)) continue;
    bytes += remove(row);
    ++removed;
  }
  return static_cast<int>(rows.size()) == limits::kRemovalLooks;
}

// What a walk passes over for this is removed when it is no longer so: look_again().
bool Remover::still_needed(const EndedRow& row) {
  if (store_.in_open_workflow(row.place.id) && !DULY_PLANTED("retention.workflow")) return true;
  if (config_.needed && config_.needed(row.place.id)) return true;
  return store_.dead_letter_waits(row.place.id) && !DULY_PLANTED("retention.outbox");
}

void Remover::go_back(std::int64_t finished_ms) {
  for (Walk& walk : walks_) walk.after = std::min(walk.after, EndedPlace{finished_ms - 1, CommandId{0}});
}

std::int64_t Remover::remove(const EndedRow& row) {
  if (config_.removing) config_.removing(row.place.id);
  ++removed_;
  return store_.remove_ended(row);
}

std::uint64_t Remover::look_again(CommandId id) {
  if (walks_.empty() || DULY_PLANTED("retention.passed")) return 0;
  const auto row = store_.find(id);
  if (!row || !is_end(row->state)) return 0;
  const EndedRow ended{{row->finished_ms, id}, row->state, row->type, row->queue};
  const std::int64_t keep = keep_ms(row->state, row->type);
  const auto walk =
      std::find_if(walks_.begin(), walks_.end(), [&](const Walk& w) { return w.keep_ms == keep; });
  const bool passed = walk != walks_.end() && ended.place <= walk->after;
  if (!passed || still_needed(ended)) return 0;
  remove(ended);
  return 1;
}

}  // namespace duly
