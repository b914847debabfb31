#include "control-server/core/ready_window.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>

#include "common/model/limits.h"
#include "tests/sim/base/crash_vfs.h"
#include "tests/sim/base/rng.h"

namespace duly {
namespace {

constexpr std::int64_t kStart = 1'767'225'600'000;
constexpr std::int64_t kAhead = limits::kLookAhead.count();

// A window over a real store, beside the plainest possible model of it: all scheduled commands in one map.
struct WindowWorld {
  explicit WindowWorld(std::uint64_t seed) : vfs(seed), rng(seed) {
    auto opened = Store::open({"duly.db", vfs.name(), 4, false});
    REQUIRE(opened);
    store = std::move(*opened);
    queue = store->queue_number("default");
    type = store->type_number("t");
    restart();
  }

  void restart() {
    taken.clear();
    window = std::make_unique<ReadyWindow>(
        *store, [this](CommandId id) { return taken.contains(id); }, limits::kLaneWindow);
    for (const LaneKey& lane : store->lanes()) window->open_unknown(lane);
  }
  static ReadyRow ready(const StateRow& row) {
    return {row.id, row.due_ms, row.priority, 1, 3, row.token, row.key_hash};
  }

  void schedule(int shard, std::int64_t due_ms, int priority) {
    StateRow row;
    row.id = CommandId{++last_id};
    row.shard = ShardId{shard};
    row.queue = queue;
    row.type = type;
    row.priority = priority;
    row.due_ms = row.order_ms = due_ms;
    row.max_attempts = 3;
    CommandSpec spec;
    spec.type = "t";
    spec.payload = make_bytes("null");
    store->insert(row, spec, now);
    scheduled[row.id] = row;
    window->add(lane_of(row), ready(row), now, nullptr);
  }
  // Of the model: what may go out of this shard now, first by (due, id).
  std::optional<StateRow> first_eligible(int shard) const {
    std::optional<StateRow> first;
    for (const auto& [id, row] : scheduled) {
      if (row.shard.value != shard || taken.contains(id) || row.due_ms > now + kAhead) continue;
      if (!first || std::pair{row.due_ms, id} < std::pair{first->due_ms, first->id}) first = row;
    }
    return first;
  }
  std::optional<WindowEntry> pop(int shard) {
    bool promising = false;
    for (const auto& [key, lane] : window->lanes())
      promising |= key.shard.value == shard && ReadyWindow::promising(lane, now, now + kAhead);
    auto entry = window->pop(ShardId{shard}, queue, now, now + kAhead, false);
    if (entry) {
      CHECK(promising);
      REQUIRE(scheduled.contains(entry->row.id));
      const StateRow& row = scheduled.at(entry->row.id);
      REQUIRE(row.shard.value == shard);
      REQUIRE(entry->row.due_ms == row.due_ms);
      REQUIRE(row.due_ms <= now + kAhead);          // never early
      REQUIRE(taken.insert(entry->row.id).second);  // never twice
    } else {
      REQUIRE_FALSE(first_eligible(shard).has_value());  // nothing is forgotten
    }
    for (const auto& [key, known] : window->lanes()) REQUIRE(known.entries.size() <= limits::kLaneWindow);
    return entry;
  }
  // What is told of the lanes is what a count of all that they hold would tell.
  void check_loads() const {
    std::size_t lanes = 0;
    for (const ReadyWindow::Load& load : window->loads(now)) {
      const auto& entries = window->lanes().at(load.lane).entries;
      std::int64_t eligible = 0, oldest = INT64_MAX;
      for (const CommandId id : entries.ids()) {
        const WindowEntry& entry = *entries.find(id);
        eligible += entry.eligible_ms <= now ? 1 : 0;
        oldest = std::min(oldest, entry.row.due_ms);
      }
      REQUIRE(load.held == static_cast<std::int64_t>(entries.size()));
      REQUIRE(load.eligible == eligible);
      REQUIRE(load.oldest_due_ms.value_or(now + 1) == std::min(oldest, now + 1));
      ++lanes;
    }
    const auto holding = [](const auto& lane) { return !lane.second.entries.empty(); };
    REQUIRE(lanes ==
            static_cast<std::size_t>(std::count_if(window->lanes().begin(), window->lanes().end(), holding)));
  }
  // A command that is due was handed out and came back after a failed publish.
  LaneKey hold_off_one(MonoTime until) {
    schedule(0, kStart, 5);
    const auto entry = pop(0);
    REQUIRE(entry);
    taken.clear();
    const LaneKey lane{ShardId{0}, queue, 5};
    window->hold_off(lane, entry->row, until);
    return lane;
  }
  // Marked: out of the window's world.
  void mark(CommandId id) {
    StateRow row = *store->find(id);
    row.queued_ms = now;
    store->move(row, Move::mark);
    taken.erase(id);
    scheduled.erase(id);
  }

  sim::CrashVfs vfs;
  sim::Rng rng;
  std::unique_ptr<Store> store;
  QueueNumber queue = 0;
  TypeNumber type = 0;
  std::int64_t now = kStart;
  std::int64_t last_id = 0;
  std::set<CommandId> taken;
  std::map<CommandId, StateRow> scheduled;
  std::unique_ptr<ReadyWindow> window;
};

}  // namespace

TEST_CASE("commands of one priority leave the window in order of (due, id), however many the store has") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    WindowWorld world(seed);
    for (int step = 0; step < 3000; ++step) {
      for (auto fresh = world.rng.below(4); fresh > 0; --fresh) {
        world.schedule(0, world.now + world.rng.between(-3000, 6000), 5);
      }
      if (world.rng.chance(0.3)) world.now += world.rng.between(0, 20);
      if (!world.rng.chance(0.4)) continue;
      const auto wanted = world.first_eligible(0);
      const auto got = world.pop(0);
      REQUIRE(got.has_value() == wanted.has_value());
      if (got) REQUIRE(got->row.id == wanted->id);
      if (got && world.rng.chance(0.7)) world.mark(got->row.id);
    }
    CHECK(world.scheduled.size() > limits::kLaneWindow);
  }
}

TEST_CASE(
    "through give-backs, reschedules, cancels, resets and restarts each command comes out, never early") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    WindowWorld world(seed);
    const auto one_of = [&world](const auto& all) {
      auto at = all.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(world.rng.below(all.size())));
      return *at;
    };
    for (int step = 0; step < 4000; ++step) {
      const auto shard = static_cast<int>(world.rng.below(2));
      const std::uint64_t what = world.rng.below(100);
      if (world.rng.chance(0.05)) world.check_loads();
      if (what < 45) {
        world.schedule(shard, world.now + world.rng.between(-500, 5000),
                       static_cast<int>(world.rng.below(10)));
      } else if (what < 70) {
        world.pop(shard);
      } else if (what < 80) {
        world.now += world.rng.between(0, 100);
      } else if (what < 88 && !world.taken.empty()) {
        world.mark(one_of(world.taken));
      } else if (what < 92 && !world.taken.empty()) {
        const StateRow row = world.scheduled.at(one_of(world.taken));
        world.taken.erase(row.id);
        world.window->hold_off(lane_of(row), WindowWorld::ready(row), MonoTime{});
        world.window->release(MonoTime{});
      } else if (what < 96 && !world.scheduled.empty()) {
        StateRow row = one_of(world.scheduled).second;
        world.taken.erase(row.id);
        world.window->remove(lane_of(row), row.id);
        row.due_ms = world.now + world.rng.between(-500, 5000);
        world.store->update(row);
        world.scheduled[row.id] = row;
        world.window->add(lane_of(row), WindowWorld::ready(row), world.now, nullptr);
      } else if (what < 98 && !world.scheduled.empty()) {
        StateRow row = one_of(world.scheduled).second;
        world.window->remove(lane_of(row), row.id);
        world.taken.erase(row.id);
        world.scheduled.erase(row.id);
        row.finished_ms = world.now;
        world.store->move(row, Move::cancel);
      } else if (what == 98) {
        std::erase_if(world.taken, [&](CommandId id) { return world.scheduled.at(id).shard.value == shard; });
        world.window->reset(ShardId{shard});
      } else if (world.rng.chance(0.2)) {
        world.restart();
      }
    }
    world.now += 60'000;
    for (const int shard : {0, 1}) {
      while (const auto entry = world.pop(shard)) world.mark(entry->row.id);
    }
    while (!world.taken.empty()) world.mark(*world.taken.begin());
    CHECK(world.scheduled.empty());
  }
}

TEST_CASE("the most urgent is found at once, however long the backlog is that was there before") {
  WindowWorld world(1);
  for (std::size_t i = 0; i < 3 * limits::kLaneWindow; ++i) world.schedule(0, kStart - 1000, 4);
  world.schedule(0, kStart, 9);
  const auto urgent = world.pop(0);
  CHECK(urgent->row.priority == 9);
  world.mark(urgent->row.id);
  CHECK(world.pop(0)->row.priority == 4);
  world.schedule(0, kStart, 5);
  world.restart();
  CHECK(world.pop(0)->row.priority == 5);
}

TEST_CASE("who has waited for long goes before the more urgent that has just come") {
  WindowWorld world(1);
  world.schedule(0, kStart, 0);
  world.now = kStart + 9 * limits::kAgeing.count() - 1;
  world.schedule(0, world.now, 9);
  CHECK(world.pop(0)->row.priority == 9);
  world.now += 2;
  world.schedule(0, world.now, 9);
  CHECK(world.pop(0)->row.priority == 0);
  CHECK(world.pop(0)->row.priority == 9);
}

TEST_CASE("what is due goes by priority first") {
  WindowWorld world(1);
  for (int priority = 0; priority <= 9; ++priority) world.schedule(0, kStart - 1000 + priority, priority);
  world.schedule(0, kStart + kAhead + 1, 9);  // urgent, and not yet due
  for (int priority = 9; priority >= 0; --priority) CHECK(world.pop(0)->row.priority == priority);
  CHECK_FALSE(world.pop(0).has_value());
}

TEST_CASE(
    "what was given back waits for its time, and what was lost in the broker goes even to a full queue") {
  WindowWorld world(1);
  const MonoTime until{seconds{1}};
  const LaneKey lane = world.hold_off_one(until);
  CHECK(world.window->next_release() == until);
  world.window->release(until - milliseconds{1});
  // However far the wall is set: the pause is none of it.
  CHECK_FALSE(world.window->pop(lane.shard, lane.queue, kStart, kStart + 3'600'000, false).has_value());
  CHECK(world.window->loads(kStart).front().eligible == 0);
  world.window->release(until);
  CHECK_FALSE(world.window->next_release().has_value());
  CHECK_FALSE(world.window->pop(lane.shard, lane.queue, kStart, kStart + 1000, true).has_value());
  world.window->add_republish(lane, ReadyRow{CommandId{77}, kStart, 5, 1, 3, Token{0}, 0}, kStart);
  const auto again = world.window->pop(lane.shard, lane.queue, kStart, kStart + 1000, true);
  REQUIRE(again);
  CHECK(again->republish);
  CHECK(again->row.id == CommandId{77});
  CHECK(world.window->pop(lane.shard, lane.queue, kStart, kStart + 1000, false).has_value());
}

TEST_CASE("what is held off is forgotten with its command") {
  WindowWorld world(1);
  const LaneKey lane = world.hold_off_one(MonoTime{seconds{1}});
  SECTION("removed") { world.window->remove(lane, CommandId{world.last_id}); }
  SECTION("its shard goes to somebody else") { world.window->reset(lane.shard); }
  CHECK_FALSE(world.window->next_release().has_value());
  world.window->release(MonoTime{seconds{2}});
  CHECK(world.window->size() == 0);
}

TEST_CASE("the window says when it wants to be asked again") {
  WindowWorld world(1);
  const auto open = [](LaneKey) { return true; };
  CHECK_FALSE(world.window->next_ms(open, kStart).has_value());
  world.schedule(0, kStart + 100'000, 5);  // far away: only the store has it
  CHECK(world.window->size() == 0);
  CHECK(world.window->next_ms(open, kStart) == kStart + 100'000 - limits::kLoadHorizon.count());
  world.schedule(1, kStart + 1000, 5);
  CHECK(world.window->next_ms(open, kStart) == kStart + 1000 - kAhead);
  CHECK(world.window->next_ms([](LaneKey lane) { return lane.shard.value == 0; }, kStart) ==
        kStart + 100'000 - limits::kLoadHorizon.count());
}

// Else a paused queue, or one that is full, would make everything else as late as the next sweep.
TEST_CASE("what is eligible and cannot go does not hide when the next becomes eligible") {
  WindowWorld world(1);
  const auto open = [](LaneKey) { return true; };
  world.schedule(0, kStart - 1000, 5);
  CHECK_FALSE(world.window->next_ms(open, kStart).has_value());
  world.schedule(0, kStart + 900, 5);
  CHECK(world.window->next_ms(open, kStart) == kStart + 900 - kAhead);
  world.schedule(1, kStart + 800, 5);
  CHECK(world.window->next_ms(open, kStart) == kStart + 800 - kAhead);
}

TEST_CASE("a window full of new work still takes what was lost in the broker") {
  WindowWorld world(1);
  world.window = std::make_unique<ReadyWindow>(
      *world.store, [&](CommandId id) { return world.taken.contains(id); }, 2);
  for (int i = 0; i < 5; ++i) world.schedule(0, kStart, 5);
  const LaneKey lane{ShardId{0}, world.queue, 5};
  const StateRow lost = world.scheduled.at(CommandId{5});
  world.window->add_republish(lane, WindowWorld::ready(lost), kStart);
  // The queue counts as full, because what was lost is counted in it: only that may go.
  const auto entry = world.window->pop(lane.shard, lane.queue, kStart, kStart, /*republish_only=*/true);
  REQUIRE(entry.has_value());
  CHECK(entry->republish);
  CHECK(entry->row.id == lost.id);
}

}  // namespace duly
