// What is due soon, per lane (a shard's commands of one queue and priority): a capped window in memory over
// the store's index.
//
// Invariant.  Every scheduled command of a lane whose (due, id) lies below the lane's frontier is in the
// window, is handed out, or waits for its key; everything at or beyond the frontier is found in the store,
// and the first of it is not due before the lane's `disk_due`.  So new work that is due now goes into the
// window without a query, and memory does not grow with the backlog (design decision 8). Concurrency.  Engine
// thread.  Times are wall milliseconds of the server; only a pause after a failed publish is of the monotonic
// clock, or it would be as long as the wall is set back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "common/base/id_map.h"
#include "control-server/core/rank_run.h"
#include "control-server/store/store.h"

namespace duly {

using BodyPtr = std::shared_ptr<const CommandBody>;

struct WindowEntry {
  ReadyRow row;
  std::int64_t eligible_ms = 0;             // due; of one that is published anew, when that was found out
  bool republish = false;                   // already `queued`, lost in the broker
  BodyPtr body;                             // kept for fresh commands while there is room
  std::optional<MonoTime> held_until = {};  // after a failed publish
};

class ReadyWindow {
 public:
  // `taken` tells whether a command is handed out: such a one is not loaded again.  At most `cap` commands of
  // a lane are in memory (2 or more), and as many again that are published anew.
  ReadyWindow(Store& store, std::function<bool(CommandId)> taken, std::size_t cap)
      : store_(store), taken_(std::move(taken)), cap_(cap) {}

  // The lane may hold commands in the store that nobody has looked at.
  void open_unknown(LaneKey lane);
  // Forgets what is in memory of a shard; it will be loaded again from the store.
  void reset(ShardId shard);

  // A command of the lane has become scheduled, or has come back from its holder.
  void add(LaneKey lane, const ReadyRow& row, std::int64_t now_ms, BodyPtr body);
  // Comes back after a failed publish: not handed out before a release() at `until` or later.
  void hold_off(LaneKey lane, const ReadyRow& row, MonoTime until);
  void release(MonoTime now);
  // When release() has something to do.
  [[nodiscard]] std::optional<MonoTime> next_release() const;
  // A queued command whose message is gone; false when it is here already or there is no room.
  bool add_republish(LaneKey lane, const ReadyRow& row, std::int64_t now_ms);
  void remove(LaneKey lane, CommandId id);

  // The next command of a shard and queue: of its lanes' first ones, each by (due, id), the one that goes by
  // priority, where each limits::kAgeing that a command has waited counts as one level, so that the lowest
  // moves too. Nothing when none is eligible at `until_ms`.  `republish_only` passes over the rest (the queue
  // is full).
  std::optional<WindowEntry> pop(ShardId shard, QueueNumber queue, std::int64_t now_ms, std::int64_t until_ms,
                                 bool republish_only);
  // Whether pop() may find something: cheap, may be wrong in one direction only (true).
  struct Lane;
  [[nodiscard]] static bool promising(const Lane& lane, std::int64_t now_ms, std::int64_t until_ms);

  // Of the lanes that `open` accepts: the wall time, after `now_ms`, when something more becomes eligible to
  // be handed out or loaded.
  [[nodiscard]] std::optional<std::int64_t> next_ms(const std::function<bool(LaneKey)>& open,
                                                    std::int64_t now_ms) const;

  struct Lane {
    IdMap<WindowEntry> entries;
    RankRun fresh;     // (due, id) of those that go when they are due …
    RankRun held_off;  // … when release() has come to them, and …
    // … (eligible, id) of those that are published anew.  They have a cap of their own: a window full of new
    // work must not keep out what was lost, or a queue that counts the lost ones as queued would be full for
    // ever.
    RankRun again;
    Rank frontier{INT64_MIN, CommandId{INT64_MIN}};
    std::int64_t disk_due = INT64_MAX;
    [[nodiscard]] std::size_t not_again() const { return fresh.size() + held_off.size(); }
  };
  [[nodiscard]] const std::map<LaneKey, Lane>& lanes() const { return lanes_; }

  // Of a lane that holds something: how much, how much of it is eligible, and the due time of the first that
  // is due.
  struct Load {
    LaneKey lane;
    std::int64_t held = 0, eligible = 0;
    std::optional<std::int64_t> oldest_due_ms;
  };
  // Without a walk over what waits (design decision 12).
  [[nodiscard]] std::vector<Load> loads(std::int64_t now_ms) const;
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  void insert(Lane& lane, WindowEntry entry);
  // Out of the window; nothing when it is not there.
  std::optional<WindowEntry> take(Lane& lane, CommandId id);
  void make_room(Lane& lane);
  void refill(LaneKey key, Lane& lane, std::int64_t now_ms);
  // The next of the lane that is eligible at `until_ms`, when there is one.
  static const Rank* first(const Lane& lane, std::int64_t until_ms, bool republish_only);

  Store& store_;
  std::function<bool(CommandId)> taken_;
  const std::size_t cap_;
  std::map<LaneKey, Lane> lanes_;
  std::map<std::pair<MonoTime, CommandId>, LaneKey> held_;  // off
  std::size_t size_ = 0;
  std::size_t body_bytes_ = 0;
};

}  // namespace duly
