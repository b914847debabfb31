#include "control-server/core/ready_window.h"

#include <algorithm>

#include "common/base/assert.h"
#include "common/base/planted.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::int64_t kHorizonMs = limits::kLoadHorizon.count();

std::pair<std::int64_t, CommandId> place(const ReadyRow& row) { return {row.due_ms, row.id}; }

std::pair<std::int64_t, CommandId> just_after(const ReadyRow& row) {
  return {row.due_ms, CommandId{row.id.value + 1}};
}

std::pair<std::int64_t, CommandId> rank(const WindowEntry& entry) {
  return {entry.eligible_ms, entry.row.id};
}

}  // namespace

void ReadyWindow::open_unknown(LaneKey lane) { lanes_[lane].disk_due = INT64_MIN; }

void ReadyWindow::reset(ShardId shard) {
  for (auto at = lanes_.lower_bound(LaneKey{shard, INT32_MIN, 0});
       at != lanes_.end() && at->first.shard == shard; ++at) {
    Lane& lane = at->second;
    while (!lane.entries.empty()) erase(lane, lane.entries.begin());
    lane.frontier = {INT64_MIN, CommandId{INT64_MIN}};
    lane.disk_due = INT64_MIN;
  }
}

void ReadyWindow::add(LaneKey key, const ReadyRow& row, std::int64_t now_ms, BodyPtr body) {
  Lane& lane = lanes_[key];
  const auto at = lane.entries.find(row.id);
  if (at != lane.entries.end()) erase(lane, at);
  const bool first_on_disk = lane.disk_due > row.due_ms && row.due_ms <= now_ms + kHorizonMs;
  if (place(row) >= lane.frontier && first_on_disk && lane.fresh() < cap_) {
    lane.frontier = just_after(row);
  }
  if (place(row) >= lane.frontier) {
    lane.disk_due = std::min(lane.disk_due, row.due_ms);
    return;
  }
  insert(lane, WindowEntry{row, row.due_ms, false, std::move(body)}, true);
  make_room(lane);
}

void ReadyWindow::hold_off(LaneKey key, const ReadyRow& row, MonoTime until) {
  Lane& lane = lanes_[key];
  if (lane.entries.contains(row.id)) return;
  if (place(row) >= lane.frontier) return;  // the store still has it, and will give it again
  insert(lane, WindowEntry{row, row.due_ms, false, nullptr, until}, true);
  held_.emplace(std::pair{until, row.id}, key);
  make_room(lane);
}

void ReadyWindow::release(MonoTime now) {
  while (!held_.empty() && held_.begin()->first.first <= now) {
    const auto [when, key] = *held_.begin();
    held_.erase(held_.begin());
    Lane& lane = lanes_.at(key);
    WindowEntry& entry = lane.entries.at(when.second);
    entry.held_until.reset();
    lane.upcoming.insert(rank(entry));
  }
}

std::optional<MonoTime> ReadyWindow::next_release() const {
  if (held_.empty()) return std::nullopt;
  return held_.begin()->first.first;
}

bool ReadyWindow::add_republish(LaneKey key, const ReadyRow& row, std::int64_t now_ms) {
  Lane& lane = lanes_[key];
  const std::size_t taken = DULY_PLANTED("republish.room") ? lane.entries.size() : lane.again;
  if (lane.entries.contains(row.id) || taken >= cap_) return false;
  insert(lane, WindowEntry{row, now_ms, true, nullptr}, false);
  return true;
}

void ReadyWindow::remove(LaneKey key, CommandId id) {
  const auto lane = lanes_.find(key);
  if (lane == lanes_.end()) return;
  const auto at = lane->second.entries.find(id);
  if (at != lane->second.entries.end()) erase(lane->second, at);
}

std::optional<WindowEntry> ReadyWindow::pop(ShardId shard, QueueNumber queue, std::int64_t now_ms,
                                            std::int64_t until_ms, bool republish_only) {
  Lane* first = nullptr;
  const WindowEntry* entry = nullptr;
  std::int64_t most = INT64_MIN;
  for (auto at = lanes_.lower_bound(LaneKey{shard, queue, INT32_MIN});
       at != lanes_.end() && at->first.shard == shard && at->first.queue == queue; ++at) {
    auto& [key, lane] = *at;
    if (lane.fresh() < cap_ / 2) refill(key, lane, now_ms);
    promote(lane, until_ms);
    const WindowEntry* next = peek(lane, republish_only);
    if (next == nullptr) continue;
    const std::int64_t urgency = key.priority * limits::kAgeing.count() + now_ms - next->eligible_ms;
    if (urgency > most) most = urgency, first = &lane, entry = next;
  }
  if (entry == nullptr) return std::nullopt;
  WindowEntry popped = *entry;
  erase(*first, first->entries.find(popped.row.id));
  return popped;
}

const WindowEntry* ReadyWindow::peek(const Lane& lane, bool republish_only) {
  if (republish_only && lane.again == 0) return nullptr;
  for (const auto& [eligible, id] : lane.due) {
    const WindowEntry& entry = lane.entries.at(id);
    if (!republish_only || entry.republish) return &entry;
  }
  return nullptr;
}

bool ReadyWindow::promising(LaneKey key, std::int64_t now_ms, std::int64_t until_ms) const {
  const auto found = lanes_.find(key);
  if (found == lanes_.end()) return false;
  const Lane& lane = found->second;
  return !lane.due.empty() || (!lane.upcoming.empty() && lane.upcoming.begin()->first <= until_ms) ||
         lane.disk_due <= now_ms + kHorizonMs;
}

std::optional<std::int64_t> ReadyWindow::next_ms(const std::function<bool(LaneKey)>& open) const {
  std::optional<std::int64_t> next;
  const auto consider = [&](std::int64_t at) { next = next ? std::min(*next, at) : at; };
  for (const auto& [key, lane] : lanes_) {
    if ((lane.entries.empty() && lane.disk_due == INT64_MAX) || !open(key)) continue;
    if (!lane.due.empty()) consider(INT64_MIN);
    if (!lane.upcoming.empty()) consider(lane.upcoming.begin()->first - limits::kLookAhead.count());
    if (lane.disk_due == INT64_MIN) consider(INT64_MIN);
    if (lane.disk_due != INT64_MAX && lane.disk_due != INT64_MIN && lane.fresh() < cap_ / 2) {
      consider(lane.disk_due - kHorizonMs);
    }
  }
  return next;
}

std::vector<ReadyWindow::Load> ReadyWindow::loads(std::int64_t now_ms) {
  std::vector<Load> loads;
  for (auto& [key, lane] : lanes_) {
    if (lane.entries.empty()) continue;
    promote(lane, now_ms);
    Load load{
        key, static_cast<std::int64_t>(lane.entries.size()), static_cast<std::int64_t>(lane.due.size()), {}};
    // pop() looks ahead: a few at the end may be there before their time.
    for (auto last = lane.due.rbegin(); last != lane.due.rend() && last->first > now_ms; ++last)
      --load.eligible;
    if (!lane.by_due.empty() && lane.by_due.begin()->first <= now_ms)
      load.oldest_due_ms = lane.by_due.begin()->first;
    loads.push_back(load);
  }
  return loads;
}

void ReadyWindow::insert(Lane& lane, WindowEntry entry, bool below_frontier) {
  if (entry.body) {
    if (body_bytes_ + entry.body->bytes() > limits::kBodyCacheBytes) {
      entry.body = nullptr;
    } else {
      body_bytes_ += entry.body->bytes();
    }
  }
  if (below_frontier) lane.by_due.insert(place(entry.row));
  if (!entry.held_until) lane.upcoming.insert(rank(entry));
  if (entry.republish) ++lane.again;
  lane.entries.emplace(entry.row.id, std::move(entry));
  ++size_;
}

void ReadyWindow::erase(Lane& lane, std::map<CommandId, WindowEntry>::iterator at) {
  const WindowEntry& entry = at->second;
  if (entry.body) body_bytes_ -= entry.body->bytes();
  lane.by_due.erase(place(entry.row));
  lane.upcoming.erase(rank(entry));
  if (entry.held_until) held_.erase({*entry.held_until, entry.row.id});
  lane.due.erase(rank(entry));
  if (entry.republish) --lane.again;
  lane.entries.erase(at);
  --size_;
}

// Beyond the cap the last in order goes back to being known by the store only.
void ReadyWindow::make_room(Lane& lane) {
  while (lane.by_due.size() > cap_ && !DULY_PLANTED("window.cap")) {
    const auto last = *lane.by_due.rbegin();
    erase(lane, lane.entries.find(last.second));
    lane.frontier = last;
    lane.disk_due = std::min(lane.disk_due, last.first);
  }
}

void ReadyWindow::refill(LaneKey key, Lane& lane, std::int64_t now_ms) {
  const std::int64_t horizon = now_ms + kHorizonMs;
  if (lane.disk_due > horizon) return;
  const std::size_t room = cap_ - std::min(lane.fresh(), cap_ - 1);
  const auto rows = store_.ready(key, lane.frontier, horizon, room);
  for (const ReadyRow& row : rows) {
    if (!taken_(row.id) && !lane.entries.contains(row.id)) {
      insert(lane, WindowEntry{row, row.due_ms, false, nullptr}, true);
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

void ReadyWindow::promote(Lane& lane, std::int64_t until_ms) {
  while (!lane.upcoming.empty() && lane.upcoming.begin()->first <= until_ms) {
    const CommandId id = lane.upcoming.begin()->second;
    lane.upcoming.erase(lane.upcoming.begin());
    lane.due.insert(rank(lane.entries.at(id)));
  }
}

}  // namespace duly
