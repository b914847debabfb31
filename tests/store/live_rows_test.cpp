// Rows that the store keeps in memory: always what the database holds, and bounded.
#include "control-server/store/live_rows.h"

#include <catch2/catch.hpp>
#include <iterator>
#include <utility>

#include "tests/store/store_world.h"

namespace duly {

using test::insert;
using test::open_store;
using test::TemporaryFolder;

TEST_CASE("a row on its way is the one of the database, whatever becomes of the transaction") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  insert(*store, 1);
  StateRow row = *store->find(CommandId{1});
  row.queued_ms = 5;
  store->move(row, Move::mark);
  CHECK(store->find(CommandId{1})->state == State::queued);
  CHECK(store->memory_agrees());
  REQUIRE(store->commit());
  row.attempt = 1;
  row.started_ms = 6;
  store->move(row, Move::permit);
  store->rollback();
  CHECK(store->find(CommandId{1})->state == State::queued);
  CHECK(store->find(CommandId{1})->attempt == 0);
  CHECK(store->memory_agrees());
  row = *store->find(CommandId{1});
  row.finished_ms = 7;
  store->move(row, Move::cancel);
  REQUIRE(store->commit());
  CHECK(store->find(CommandId{1})->state == State::cancelled);
  REQUIRE(store->attempt_terms(CommandId{1}));
  CHECK_FALSE(store->attempt_terms(CommandId{1})->delivers);
  CHECK_FALSE(store->attempt_terms(CommandId{2}));
}

TEST_CASE(
    "what is ready soon is known without being read again, with its terms, until it is something else") {
  const TemporaryFolder folder;
  auto store = open_store({folder.file(), "", 8, true});
  insert(*store, 1);
  insert(*store, 5);
  REQUIRE(store->commit());
  const LaneKey lane = lane_of(*store->find(CommandId{1}));
  const auto known = [&] {
    const LiveRows& live = store->live();
    return std::pair{live.find(CommandId{1}).has_value(), live.terms(CommandId{1}).has_value()};
  };
  SECTION("inserted") { CHECK(known() == std::pair{true, true}); }
  SECTION("read for the window") {
    store = nullptr;
    store = open_store({folder.file(), "", 0, false});
    CHECK(known() == std::pair{false, false});
    REQUIRE(store->ready(lane, {INT64_MIN, CommandId{0}}, 9000, 10).size() == 2);
    CHECK(known() == std::pair{true, false});
    REQUIRE(store->body(CommandId{1}));
    CHECK(known() == std::pair{true, true});
  }
  CHECK(store->memory_agrees());
  StateRow row = *store->find(CommandId{1});
  SECTION("its life") {
    row.queued_ms = 5;
    store->move(row, Move::mark);
    CHECK(known().first);
  }
  SECTION("rescheduled") {
    row.due_ms = 99'000;
    store->update(row);
    CHECK_FALSE(known().first);
  }
  SECTION("undone") {
    store->rollback();
    CHECK_FALSE(known().first);
  }
  CHECK(store->memory_agrees());
  CHECK(store->find(CommandId{1})->due_ms == row.due_ms);
  CHECK(store->attempt_terms(CommandId{1})->timeout_ms == CommandSpec{}.timeout_ms);
}

TEST_CASE("rows in memory are bounded") {
  LiveRows rows;
  StateRow row;
  row.state = State::queued;
  for (std::size_t i = 1; i <= LiveRows::kMost + 1; ++i) {
    row.id = CommandId{static_cast<std::int64_t>(i)};
    rows.written(row);
  }
  CHECK(rows.ids().size() == 1);
  CHECK(rows.find(row.id) == row);
  row.state = State::scheduled;
  for (std::size_t i = 1; i <= LiveRows::kMostReady + 1; ++i) {
    row.id = CommandId{-static_cast<std::int64_t>(i)};
    rows.loaded(row);
  }
  CHECK(rows.ids().size() == LiveRows::kMostReady + 1);
  CHECK_FALSE(rows.find(row.id));
  row.id = CommandId{-1};
  rows.written(row);  // scheduled anew: who knows when
  CHECK_FALSE(rows.find(row.id));
  rows.loaded(row);
  CHECK(rows.find(row.id));
}

}  // namespace duly
