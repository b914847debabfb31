// The removal of what has ended, the walk that finds it, and the export's pages of it.
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "control-server/store/reader.h"
#include "tests/store/store_world.h"

namespace duly {

using test::insert;
using test::open_store;
using test::TemporaryFolder;

namespace {

// The texts of the last column of each row, asked over a connection of its own.
std::vector<std::string> ask(const std::string& file, const std::string& sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
  std::vector<std::string> answers;
  const auto keep = [](void* out, int columns, char** values, char**) {
    const char* last = values[columns - 1];
    static_cast<std::vector<std::string>*>(out)->emplace_back(last != nullptr ? last : "");
    return 0;
  };
  const int code = sqlite3_exec(handle, sql.c_str(), keep, &answers, nullptr);
  sqlite3_close(handle);
  REQUIRE(code == SQLITE_OK);
  return answers;
}

// Command `id`, ended at `finished_ms`.
StateRow insert_ended(Store& store, std::int64_t id, std::int64_t finished_ms, Move how = Move::cancel) {
  StateRow row = insert(store, id, "k");
  row.finished_ms = finished_ms;
  if (how == Move::cancel) {
    store.move(row, how);
    return row;
  }
  row.started_ms = row.attempt = 1;
  row.finished_ms = 0;
  store.move(row, Move::permit);
  row.finished_ms = finished_ms;
  if (how == Move::die) row.reason = DeadReason::lost;
  store.move(row, how);
  store.append_attempt(
      {row.id, 1, {}, 0, 0, 0, 1, finished_ms, AttemptOutcome::succeeded, "", make_bytes("[1]")});
  store.append_event(row.id, finished_ms, "ended", "test", "");
  return row;
}

std::vector<std::int64_t> ids(const std::vector<EndedRow>& rows) {
  std::vector<std::int64_t> found;
  for (const EndedRow& row : rows) found.push_back(row.place.id.value);
  return found;
}

constexpr std::int64_t kEver = INT64_MAX;

}  // namespace

TEST_CASE("what has ended is found in the order of the ends, by its index and no scan") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  for (const auto& [id, at] : std::vector<std::pair<int, int>>{{1, 50}, {2, 40}, {3, 50}, {4, 70}, {5, 60}})
    insert_ended(*store, id, at, id % 2 == 0 ? Move::succeed : Move::cancel);
  insert(*store, 6);
  REQUIRE(store->commit());
  using Ids = std::vector<std::int64_t>;
  CHECK(ids(store->ended({}, kEver, 100)) == Ids{2, 1, 3, 5, 4});
  CHECK(ids(store->ended({}, 60, 100)) == Ids{2, 1, 3, 5});
  CHECK(ids(store->ended({50, CommandId{1}}, 60, 100)) == Ids{3, 5});
  CHECK(ids(store->ended({}, kEver, 2)) == Ids{2, 1});
  CHECK(store->ended({}, kEver, 1)[0].state == State::succeeded);
  const auto plan = ask(folder.file(), std::string("EXPLAIN QUERY PLAN ") + kWalkEnded);
  REQUIRE(plan.size() == 1);
  CHECK(plan[0].find("SEARCH state USING COVERING INDEX state_ended (finished_ms>") == 0);
}

TEST_CASE("with a command goes all that belongs to it, and the counters follow") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  insert_ended(*store, 1, 50, Move::succeed);
  insert_ended(*store, 2, 60, Move::die);
  insert(*store, 3);
  store->insert_idempotent("key", {CommandId{1}, 7}, 1000);
  REQUIRE(store->commit());
  const auto rows = store->ended({}, kEver, 10);
  REQUIRE(rows.size() == 2);
  CHECK(store->remove_ended(rows[0]) == 2 + 3);
  CHECK(store->count(State::succeeded) == 0);
  REQUIRE(store->commit());
  CHECK(store->counters_agree());
  CHECK_FALSE(store->find(CommandId{1}).has_value());
  CHECK_FALSE(store->body(CommandId{1}).has_value());
  for (const char* table : {"attempt", "event", "label", "command", "state"})
    CHECK(ask(folder.file(), std::string("SELECT count(*) FROM ") + table + " WHERE id = 1")[0] == "0");
  for (const char* table : {"attempt", "event", "label", "command", "state"})
    CHECK(ask(folder.file(), std::string("SELECT count(*) FROM ") + table + " WHERE id = 2")[0] == "1");
  // Asked for again it is known, until the key's own time.
  CHECK(store->idempotent("key")->id == CommandId{1});
  CHECK(store->integrity() == "ok");
}

TEST_CASE("a removal that is rolled back has not been") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  insert_ended(*store, 1, 50);
  REQUIRE(store->commit());
  store->remove_ended(store->ended({}, kEver, 1)[0]);
  store->rollback();
  CHECK(store->find(CommandId{1}).has_value());
  CHECK(store->count(State::cancelled) == 1);
  CHECK(store->counters_agree());
  CHECK(store->last_id() == CommandId{1});
}

TEST_CASE("ids go on above those of commands that are gone, also after a restart") {
  const TemporaryFolder folder;
  {
    const auto store = open_store({folder.file(), "", 8, true});
    for (const int id : {5, 8, 9}) insert_ended(*store, id, 100 - id);
    for (const EndedRow& row : store->ended({}, kEver, 2)) store->remove_ended(row);  // 9, 8
    REQUIRE(store->commit());
    CHECK(store->last_id() == CommandId{9});
    store->remove_ended(store->ended({}, kEver, 1)[0]);
    REQUIRE(store->commit());
  }
  const auto store = open_store({folder.file(), "", 8, true});
  CHECK(store->last_id() == CommandId{9});
  CHECK(store->ended({}, kEver, 10).empty());
  insert(*store, 12);
  CHECK(store->last_id() == CommandId{12});
}

TEST_CASE("a fire stays when its command goes, and the schedule's list passes it by") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  ScheduleRow schedule;
  schedule.spec.name = "s";
  schedule.spec.timing.every_ms = 1000;
  schedule.spec.command.payload = make_bytes("1");
  schedule.spec.text = "{}";
  store->put_schedule(schedule);
  for (std::int64_t id = 1; id <= 2; ++id) {
    StateRow row;
    row.id = CommandId{id};
    row.queue = store->queue_number("q");
    row.type = store->type_number("t");
    row.max_attempts = 1;
    CommandSpec spec;
    spec.payload = make_bytes("x");
    spec.schedule = schedule.id;
    spec.fire_at_ms = id * 1000;
    store->insert(row, spec, 500);
    store->insert_fire(schedule.id, id * 1000, FireKind::timetable, row.id);
    row.finished_ms = 50 + id;
    store->move(row, Move::cancel);
    store->close_fire(row.id);
  }
  REQUIRE(store->commit());
  store->remove_ended(store->ended({}, kEver, 1)[0]);
  REQUIRE(store->commit());
  CHECK(store->fired(schedule.id, 1000, FireKind::timetable));
  CHECK(store->fired(schedule.id, 2000, FireKind::timetable));
  std::vector<std::int64_t> numbers;
  store->each_fire([&](auto, auto, auto, CommandId id) { numbers.push_back(id.value); });
  CHECK(numbers == std::vector<std::int64_t>{-1, 2});
  const auto reader = Reader::open(folder.file()).value();
  CommandFilter filter;
  filter.schedule = "s";
  const auto page = reader->list(filter, std::nullopt, 10);
  REQUIRE(page);
  REQUIRE(page->items.size() == 1);
  CHECK(page->items[0].id == CommandId{2});
  CHECK_FALSE(page->next.has_value());
}

TEST_CASE("an export's pages meet each ended command that matches once, the longest ended first") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  for (std::int64_t id = 1; id <= 60; ++id) {
    if (id % 5 == 0) {
      insert(*store, id);
    } else {
      insert_ended(*store, id, 1000 - id / 3, id % 2 == 0 ? Move::succeed : Move::cancel);
    }
  }
  REQUIRE(store->commit());
  const auto reader = Reader::open(folder.file()).value();
  const auto walk = [&](const EndedFilter& filter, int limit) {
    std::vector<EndedPlace> places;
    EndedPlace after;
    for (int pages = 0; pages < 100; ++pages) {
      const auto page = reader->ended(filter, after, limit);
      REQUIRE(page);
      CHECK(static_cast<int>(page->items.size()) <= limit);
      places.insert(places.end(), page->items.begin(), page->items.end());
      if (!page->next) return places;
      after = *page->next;
    }
    FAIL("the walk does not end");
    return places;
  };
  EndedFilter by_state, by_queue, by_time, by_nothing;
  by_state.state = State::succeeded;
  by_queue.queue = "q1";
  by_queue.type = "t2";
  by_time.finished_after_ms = 985;
  by_time.finished_before_ms = 990;
  by_nothing.type = "never";
  for (const int limit : {1, 7, 1000}) {
    const auto all = walk({}, limit);
    CHECK(all.size() == 48);
    CHECK(std::is_sorted(all.begin(), all.end()));
    CHECK(walk(by_state, limit).size() == 24);
    for (const EndedPlace& place : walk(by_queue, limit)) CHECK(place.id.value % 6 == 5);
    const auto timed = walk(by_time, limit);
    CHECK_FALSE(timed.empty());
    for (const EndedPlace& place : timed) CHECK((place.finished_ms > 985 && place.finished_ms < 990));
    CHECK(walk(by_nothing, limit).empty());
  }
}

}  // namespace duly
