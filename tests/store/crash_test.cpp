// The store on a disk that forgets: power loss, failing syncs, no space.
#include <catch2/catch.hpp>
#include <string>

#include "tests/sim/base/crash_vfs.h"
#include "tests/store/store_world.h"

namespace duly {

using sim::CrashVfs;
using test::insert;
using test::open_store;

static StoreOptions on(const CrashVfs& vfs) { return {"duly.db", vfs.name(), 4, false}; }

// The process dies: what it still does has no effect.  When the power goes too, what was not synced may be
// gone.
static void die(CrashVfs& vfs, std::unique_ptr<Store>& store) {
  vfs.freeze();
  store.reset();
  vfs.thaw();
}
static void crash(CrashVfs& vfs, std::unique_ptr<Store>& store) {
  die(vfs, store);
  vfs.power_loss();
}

TEST_CASE("accepted commands survive power loss after any commit and any checkpoint, torn writes or not") {
  constexpr std::int64_t kUnanswered = 1'000'000;
  std::uint64_t lost_writes = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    CrashVfs vfs(seed);
    auto store = open_store(on(vfs));
    std::int64_t accepted = 0;
    for (int life = 0; life < 4; ++life) {
      for (std::uint64_t commits = 0; commits < seed % 7 + 1; ++commits) {
        for (int i = 0; i < 3; ++i) insert(*store, ++accepted, "", 3000);
        REQUIRE(store->commit());
        if ((seed + commits) % 3 == 0) store->checkpoint_if_beyond(0);
      }
      insert(*store, kUnanswered + life, "", 20'000);
      vfs.fail_syncs(1);  // so that the power goes while these pages are on their way to the WAL
      REQUIRE_FALSE(store->commit());
      crash(vfs, store);
      store = open_store(on(vfs));
      REQUIRE(store->integrity() == "ok");
      REQUIRE(store->counters_agree());
      std::int64_t unanswered = 0;
      for (int i = 0; i <= life; ++i)
        unanswered += store->find(CommandId{kUnanswered + i}).has_value() ? 1 : 0;
      REQUIRE(store->count(State::scheduled) == accepted + unanswered);
      for (std::int64_t id = 1; id <= accepted; ++id) REQUIRE(store->body(CommandId{id}).has_value());
    }
    lost_writes += vfs.counts().lost_writes;
  }
  CHECK(lost_writes > 1000);  // the disk did forget
}

TEST_CASE("each commit is synced before it is answered") {
  CrashVfs vfs(1);
  const auto store = open_store(on(vfs));
  for (std::int64_t id = 1; id <= 20; ++id) {
    const auto before = vfs.counts().syncs;
    insert(*store, id);
    REQUIRE(store->commit());
    CHECK(vfs.counts().syncs > before);
  }
}

TEST_CASE("a failing sync is fatal, and the row may be there or not, but whole and with its counters") {
  int there = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CrashVfs vfs(seed);
    auto store = open_store(on(vfs));
    insert(*store, 1);
    REQUIRE(store->commit());
    insert(*store, 2);
    vfs.fail_syncs(1);
    const Status failed = store->commit();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == Errc::fatal);
    seed % 2 == 0 ? crash(vfs, store) : die(vfs, store);
    store = open_store(on(vfs));
    CHECK(store->find(CommandId{1}).has_value());
    CHECK(store->find(CommandId{2}).has_value() == store->body(CommandId{2}).has_value());
    CHECK(store->counters_agree());
    CHECK(store->integrity() == "ok");
    there += store->find(CommandId{2}).has_value() ? 1 : 0;
    // What is seen now is on disk: a second power loss does not take it away.
    const bool seen = store->find(CommandId{2}).has_value();
    crash(vfs, store);
    CHECK(open_store(on(vfs))->find(CommandId{2}).has_value() == seen);
  }
  CHECK(there > 0);
  CHECK(there < 40);
}

TEST_CASE("a full disk rolls the transaction back whole, and later writes work") {
  CrashVfs vfs(1);
  const auto store = open_store(on(vfs));
  insert(*store, 1);
  REQUIRE(store->commit());
  vfs.set_capacity(vfs.size() + 50'000);
  for (std::int64_t id = 10; id < 20; ++id) insert(*store, id, "", 100'000);
  const Status full = store->commit();
  REQUIRE_FALSE(full);
  CHECK(full.error().code == Errc::full);
  CHECK(store->count(State::scheduled) == 1);
  CHECK_FALSE(store->find(CommandId{10}).has_value());
  CHECK(store->counters_agree());
  insert(*store, 2);  // a small one still fits
  CHECK(store->commit());
  vfs.set_capacity(0);
  insert(*store, 10, "", 100'000);
  REQUIRE(store->commit());
  CHECK(store->count(State::scheduled) == 3);
  CHECK(store->counters_agree());
}

TEST_CASE("a failure voids everything up to the commit that tells it, and nothing after") {
  CrashVfs vfs(1);
  const auto store = open_store(on(vfs));
  vfs.fail_writes(1);
  insert(*store, 1, "", 100'000);
  CHECK_FALSE(store->commit());
  CHECK_FALSE(store->failed());
  CHECK_FALSE(store->find(CommandId{1}).has_value());
  insert(*store, 2);
  CHECK(store->commit());
  CHECK(store->count(State::scheduled) == 1);
}

}  // namespace duly
