// Copies of a store: one moment of it, and what begins anew when it is put back.
#include "control-server/store/backup.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/store/store_world.h"

namespace duly {

using test::insert;
using test::open_store;
using test::TemporaryFolder;

namespace {

std::string beside(const TemporaryFolder& folder, const std::string& name) {
  return folder.file().substr(0, folder.file().rfind('/') + 1) + name;
}

void make_busy(Store& store) {
  insert(store, 1);
  StateRow queued = insert(store, 2, "k");
  queued.queued_ms = 5;
  store.move(queued, Move::mark);
  StateRow running = insert(store, 3);
  running.started_ms = 7;
  running.attempt = 1;
  store.move(running, Move::permit);
  store.put_shard({ShardId{2}, Epoch{9}, "a", Incarnation{4}, ""});
  REQUIRE(store.commit());
}

}  // namespace

TEST_CASE("a copy is one moment of a store that is written to meanwhile") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  for (int id = 1; id <= 3000; ++id) insert(*store, id, "", 2000);
  REQUIRE(store->commit());
  const std::string copy = beside(folder, "copy.db");
  int steps = 0;
  const Status copied = copy_store(folder.file(), copy, [&](int left, int all) {
    CHECK(left <= all);
    insert(*store, 10'000 + ++steps, "", 2000);
    REQUIRE(store->commit());
    store->checkpoint_if_beyond(0);
  });
  REQUIRE(copied);
  CHECK(steps > 0);
  const auto read = open_store({copy, "", 8, true});
  CHECK(read->count(State::scheduled) == 3000);
  CHECK(read->counters_agree());
  CHECK(read->integrity() == "ok");
  CHECK_FALSE(copy_store(folder.file(), copy, nullptr));
  CHECK_FALSE(copy_store(beside(folder, "nothing.db"), beside(folder, "other.db"), nullptr));
}

TEST_CASE("what is put back is a new generation: epochs, tokens and attempt numbers jump") {
  const TemporaryFolder folder;
  {
    const auto store = open_store({folder.file(), "", 8, true});
    make_busy(*store);
  }
  const std::string copy = beside(folder, "copy.db");
  REQUIRE(copy_store(folder.file(), copy, nullptr));
  CHECK_FALSE(restore_store(copy, folder.file(), 100));
  const std::string again = beside(folder, "again.db");
  const auto report = restore_store(copy, again, 100);
  REQUIRE(report);
  CHECK(report->generation == 2);
  CHECK(report->commands == 3);
  CHECK(report->was_running == 1);
  CHECK(report->was_queued == 1);
  CHECK(report->newest_ms == 500);
  const auto store = open_store({again, "", 8, true});
  CHECK(store->generation() == 2);
  CHECK(store->restored());
  CHECK(store->find(CommandId{1})->token.value > 1000);
  CHECK(store->find(CommandId{2})->next_attempt() > 1000);
  CHECK(store->find(CommandId{2})->attempts_left());
  CHECK(store->find(CommandId{2})->state == State::queued);
  CHECK(store->shard_rows().at(0).epoch.value > 1'000'000);
  CHECK(store->shard_rows().at(0).agent.empty());
  CHECK(store->counters_agree());
}

TEST_CASE("what is no store, or a damaged one, is not put back and leaves nothing behind") {
  const TemporaryFolder folder;
  const std::string odd = beside(folder, "odd");
  std::ofstream(odd) << "this is no database, however long it may be; and so it goes on for a while";
  const std::string to = beside(folder, "to.db");
  CHECK_FALSE(restore_store(odd, to, 100));
  CHECK_FALSE(std::filesystem::exists(to));
  CHECK_FALSE(std::filesystem::exists(to + ".restoring"));
}

}  // namespace duly
