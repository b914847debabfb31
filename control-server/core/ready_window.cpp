#include "control-server/core/ready_window.h"

#include <algorithm>

#include "common/base/assert.h"
#include "common/base/planted.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::int64_t kHorizonMs = limits::kLoadHorizon.count();

Rank place(const ReadyRow& row) { return {row.due_ms, row.id}; }

Rank just_after(const ReadyRow& row) { return {row.due_ms, CommandId{row.id.value + 1}}; }

}  // namespace

void ReadyWindow::open_unknown(LaneKey lane) { lanes_[lane].disk_due = INT64_MIN; }

void ReadyWindow::reset(ShardId shard) {
  for (auto at = lanes_.lower_bound(LaneKey{shard, INT32_MIN, 0});
       at != lanes_.end() && at->first.shard == shard; ++at) {
    Lane& lane = at->second;
    for (const CommandId id : lane.entries.ids()) take(lane, id);
    lane.frontier = {INT64_MIN, CommandId{INT64_MIN}};
    lane.disk_due = INT64_MIN;
  }
}

void ReadyWindow::add(LaneKey key, const ReadyRow& row, std::int64_t now_ms, BodyPtr body) {
  Lane& lane = lanes_[key];
  take(lane, row.id);
  const bool first_on_disk = lane.disk_due > row.due_ms && row.due_ms <= now_ms + kHorizonMs;
  if (place(row) >= lane.frontier && first_on_disk && lane.not_again() < cap_) {
    lane.frontier = just_after(row);
  }
  if (place(row) >= lane.frontier) {
    lane.disk_due = std::min(lane.disk_due, row.due_ms);
    return;
  }
  insert(lane, WindowEntry{row, row.due_ms, false, std::move(body)});
  make_room(lane);
}

void ReadyWindow::hold_off(LaneKey key, const ReadyRow& row, MonoTime until) {
  Lane& lane = lanes_[key];
  if (lane.entries.contains(row.id)) return;
  if (place(row) >= lane.frontier) return;  // the store still has it, and will give it again
  insert(lane, WindowEntry{row, row.due_ms, false, nullptr, until});
  held_.emplace(std::pair{until, row.id}, key);
  make_room(lane);
}

void ReadyWindow::release(MonoTime now) {
  while (!held_.empty() && held_.begin()->first.first <= now) {
    const auto [when, key] = *held_.begin();
    held_.erase(held_.begin());
    Lane& lane = lanes_.at(key);
    WindowEntry& entry = *lane.entries.find(when.second);
    entry.held_until.reset();
    lane.held_off.erase(place(entry.row));
    lane.fresh.insert(place(entry.row));
  }
}

std::optional<MonoTime> ReadyWindow::next_release() const {
  if (held_.empty()) return std::nullopt;
  return held_.begin()->first.first;
}

bool ReadyWindow::add_republish(LaneKey key, const ReadyRow& row, std::int64_t now_ms) {
  Lane& lane = lanes_[key];
  const std::size_t taken = DULY_PLANTED("republish.room") ? lane.entries.size() : lane.again.size();
  if (lane.entries.contains(row.id) || taken >= cap_) return false;
  insert(lane, WindowEntry{row, now_ms, true, nullptr});
  return true;
}

void ReadyWindow::remove(LaneKey key, CommandId id) {
  const auto lane = lanes_.find(key);
  if (lane != lanes_.end()) take(lane->second, id);
}

std::optional<WindowEntry> ReadyWindow::pop(ShardId shard, QueueNumber queue, std::int64_t now_ms,
                                            std::int64_t until_ms, bool republish_only) {
  Lane* from = nullptr;
  CommandId id{};
  std::int64_t most = INT64_MIN;
  for (auto at = lanes_.lower_bound(LaneKey{shard, queue, INT32_MIN});
       at != lanes_.end() && at->first.shard == shard && at->first.queue == queue; ++at) {
    auto& [key, lane] = *at;
    if (lane.not_again() < cap_ / 2) refill(key, lane, now_ms);
    const Rank* next = first(lane, until_ms, republish_only);
    if (next == nullptr) continue;
    const std::int64_t urgency = key.priority * limits::kAgeing.count() + now_ms - next->first;
    if (urgency > most) most = urgency, from = &lane, id = next->second;
  }
  return from == nullptr ? std::nullopt : take(*from, id);
}

const Rank* ReadyWindow::first(const Lane& lane, std::int64_t until_ms, bool republish_only) {
  const Rank* first = lane.again.empty() ? nullptr : &lane.again.front();
  if (!republish_only && !lane.fresh.empty() && (first == nullptr || lane.fresh.front() < *first))
    first = &lane.fresh.front();
  return first != nullptr && first->first <= until_ms ? first : nullptr;
}

bool ReadyWindow::promising(const Lane& lane, std::int64_t now_ms, std::int64_t until_ms) {
  return first(lane, until_ms, false) != nullptr || lane.disk_due <= now_ms + kHorizonMs;
}

std::optional<std::int64_t> ReadyWindow::next_ms(const std::function<bool(LaneKey)>& open,
                                                 std::int64_t now_ms) const {
  std::optional<std::int64_t> next;
  const auto consider = [&](std::int64_t at) {
    if (at > now_ms) next = next ? std::min(*next, at) : at;
  };
  const auto consider_first = [&](const RankRun& run, std::int64_t until_ms) {
    const auto at = run.lower_bound(Rank{until_ms + 1, CommandId{INT64_MIN}});
    if (at != run.end()) consider(at->first - limits::kLookAhead.count());
  };
  for (const auto& [key, lane] : lanes_) {
    if ((lane.entries.empty() && lane.disk_due == INT64_MAX) || !open(key)) continue;
    consider_first(lane.fresh, now_ms + limits::kLookAhead.count());
    consider_first(lane.again, now_ms + limits::kLookAhead.count());
    if (lane.disk_due != INT64_MAX && lane.disk_due != INT64_MIN && lane.not_again() < cap_ / 2)
      consider(lane.disk_due - kHorizonMs);
  }
  return next;
}

std::vector<ReadyWindow::Load> ReadyWindow::loads(std::int64_t now_ms) const {
  std::vector<Load> loads;
  for (const auto& [key, lane] : lanes_) {
    if (lane.entries.empty()) continue;
    Load load{key,
              static_cast<std::int64_t>(lane.entries.size()),
              static_cast<std::int64_t>(lane.fresh.until(now_ms) + lane.again.until(now_ms)),
              {}};
    for (const RankRun* run : {&lane.fresh, &lane.held_off}) {
      if (run->empty() || run->front().first > now_ms) continue;
      load.oldest_due_ms = std::min(load.oldest_due_ms.value_or(INT64_MAX), run->front().first);
    }
    loads.push_back(load);
  }
  return loads;
}

void ReadyWindow::insert(Lane& lane, WindowEntry entry) {
  if (entry.body) {
    if (body_bytes_ + entry.body->bytes() > limits::kBodyCacheBytes) {
      entry.body = nullptr;
    } else {
      body_bytes_ += entry.body->bytes();
    }
  }
  const CommandId id = entry.row.id;
  if (entry.republish) {
    lane.again.insert({entry.eligible_ms, id});
  } else {
    (entry.held_until ? lane.held_off : lane.fresh).insert(place(entry.row));
  }
  lane.entries.try_emplace(id, std::move(entry));
  ++size_;
}

std::optional<WindowEntry> ReadyWindow::take(Lane& lane, CommandId id) {
  WindowEntry* known = lane.entries.find(id);
  if (known == nullptr) return std::nullopt;
  WindowEntry entry = std::move(*known);
  lane.entries.erase(id);
  if (entry.body) body_bytes_ -= entry.body->bytes();
  if (entry.republish) {
    lane.again.erase({entry.eligible_ms, id});
  } else {
    (entry.held_until ? lane.held_off : lane.fresh).erase(place(entry.row));
  }
  if (entry.held_until) held_.erase({*entry.held_until, id});
  --size_;
  return entry;
}

// Beyond the cap the last in order goes back to being known by the store only.
void ReadyWindow::make_room(Lane& lane) {
  while (lane.not_again() > cap_ && !DULY_PLANTED("window.cap")) {
    const RankRun& fresh = lane.fresh;
    const RankRun& held = lane.held_off;
    const bool of_held = !held.empty() && (fresh.empty() || fresh.back() < held.back());
    const Rank last = of_held ? held.back() : fresh.back();
    take(lane, last.second);
    lane.frontier = last;
    lane.disk_due = std::min(lane.disk_due, last.first);
  }
}

void ReadyWindow::refill(LaneKey key, Lane& lane, std::int64_t now_ms) {
  const std::int64_t horizon = now_ms + kHorizonMs;
  if (lane.disk_due > horizon) return;
  const std::size_t room = cap_ - std::min(lane.not_again(), cap_ - 1);
  const auto rows = store_.ready(key, lane.frontier, horizon, room);
  for (const ReadyRow& row : rows) {
    if (!taken_(row.id) && !lane.entries.contains(row.id)) {
      insert(lane, WindowEntry{row, row.due_ms, false, nullptr});
    }
  }
  if (rows.size() == room) {
    lane.frontier = just_after(rows.back());
    lane.disk_due = rows.back().due_ms;
  } else {
    lane.frontier = std::max(lane.frontier, {horizon + 1, CommandId{INT64_MIN}});
    lane.disk_due = store_.next_due(key, lane.frontier).value_or(INT64_MAX);
  }
}

}  // namespace duly
