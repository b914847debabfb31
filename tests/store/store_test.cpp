// The store on the machine's files: rows, counters, readers beside the writer, what it refuses to open.
#include "control-server/store/store.h"

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "control-server/store/reader.h"
#include "control-server/store/schema.h"
#include "tests/store/store_world.h"

namespace duly {

using test::insert;
using test::open_store;
using test::TemporaryFolder;

// The first column of the first row, asked over a connection of its own.
static std::string ask(const std::string& file, const char* sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
  std::string answer;
  const auto keep = [](void* out, int, char** values, char**) {
    *static_cast<std::string*>(out) = values[0] != nullptr ? values[0] : "";
    return 0;
  };
  const int code = sqlite3_exec(handle, sql, keep, &answer, nullptr);
  sqlite3_close(handle);
  REQUIRE(code == SQLITE_OK);
  return answer;
}

TEST_CASE("what is committed is there after opening again, and what is rolled back is not") {
  const TemporaryFolder folder;
  {
    const auto store = open_store({folder.file(), "", 8, true});
    insert(*store, 1, "k");
    REQUIRE(store->commit());
    insert(*store, 2);
    store->rollback();
    CHECK(store->count(State::scheduled) == 1);
    insert(*store, 3);  // never committed
  }
  const auto store = open_store({folder.file(), "", 0, false});
  CHECK(store->shards() == 8);
  CHECK(store->last_id() == CommandId{1});
  CHECK_FALSE(store->find(CommandId{2}).has_value());
  CHECK_FALSE(store->find(CommandId{3}).has_value());
  CHECK(store->body(CommandId{1})->key == "k");
  CHECK(*store->body(CommandId{1})->payload == "xx");
  CHECK(store->count(State::scheduled) == 1);
  CHECK(store->counters_agree());
  CHECK(store->integrity() == "ok");
}

TEST_CASE("what is looked for is found by an index, however much waits") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  insert(*store, 1, "k");
  REQUIRE(store->commit());
  CHECK(store->queued(store->queue_number("q1"), 9000, 10).empty());
  CHECK(store->running().empty());
  CHECK_FALSE(store->key_busy(key_hash_of("k")));
  CHECK(store->key_head(key_hash_of("k")));
  CHECK_FALSE(store->next_expiry());
  CHECK(store->lanes().size() == 1);
  CHECK(store->scans().empty());
}

TEST_CASE("the lanes are found in a few steps each, however long they are") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 4, true});
  for (int id = 1; id <= 2000; ++id) insert(*store, id);
  REQUIRE(store->commit());
  const std::int64_t before = store->steps();
  const std::size_t lanes = store->lanes().size();
  CHECK(lanes == 4);
  CHECK(store->steps() - before < 200);
}

TEST_CASE("what a payload is stays with it, until another one takes its place") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  insert(*store, 1);
  StateRow row;
  row.id = CommandId{2};
  row.queue = store->queue_number("q");
  row.type = store->type_number("t");
  row.max_attempts = 1;
  const std::string bytes("\0\xFF", 2);
  CommandSpec spec;
  spec.type = "t";
  spec.queue = "q";
  spec.payload = make_bytes(bytes);
  spec.opaque = true;
  spec.content_type = "image/png";
  store->insert(row, spec, 500);
  REQUIRE(store->commit());
  CHECK(store->body(CommandId{1})->content_type.empty());
  CHECK(store->body(CommandId{2})->content_type == "image/png");
  const auto reader = Reader::open(folder.file());
  REQUIRE(reader);
  CHECK_FALSE((*reader)->command(CommandId{1})->spec.opaque);
  auto view = (*reader)->command(CommandId{2});
  CHECK(view->spec.opaque);
  CHECK(*view->spec.payload == bytes);
  CHECK(view->spec.content_type == "image/png");
  store->replace_payload(CommandId{2}, make_bytes("1"), 600, "somebody");
  REQUIRE(store->commit());
  view = (*reader)->command(CommandId{2});
  CHECK_FALSE(view->spec.opaque);
  CHECK(view->spec.content_type.empty());
  const auto revisions = (*reader)->revisions(CommandId{2});
  REQUIRE(revisions->size() == 1);
  CHECK(revisions->front().payload == bytes);
  CHECK(revisions->front().opaque);
}

TEST_CASE("the file is in WAL mode") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  CHECK(ask(folder.file(), "PRAGMA journal_mode") == "wal");
}

TEST_CASE("another number of shards is refused by name, and none given takes what is stored") {
  const TemporaryFolder folder;
  open_store({folder.file(), "", 8, true}).reset();
  const auto other = Store::open({folder.file(), "", 16, true});
  REQUIRE_FALSE(other);
  CHECK(other.error().what.find("8 shards") != std::string::npos);
  CHECK(open_store({folder.file(), "", 16, false})->shards() == 8);
  CHECK(open_store({folder.file(), "", 8, true})->shards() == 8);
}

TEST_CASE("a schema newer than this program is refused and left as it is") {
  const TemporaryFolder folder;
  open_store({folder.file(), "", 8, true}).reset();
  ask(folder.file(), "PRAGMA user_version=999");
  const auto newer = Store::open({folder.file(), "", 8, true});
  REQUIRE_FALSE(newer);
  CHECK(newer.error().what.find("999") != std::string::npos);
  CHECK(ask(folder.file(), "PRAGMA user_version") == "999");
}

TEST_CASE("a store of before queue limits opens, and its queues have none") {
  const TemporaryFolder folder;
  ask(folder.file(), kMigrations[0]);
  ask(folder.file(),
      "INSERT INTO meta VALUES ('shards', 8); INSERT INTO name VALUES (1, 1, 'mail'), (2, 1, 'fax');"
      "INSERT INTO queue VALUES (1, 1); PRAGMA user_version=1");
  {
    const auto store = open_store({folder.file(), "", 8, true});
    const auto queues = store->queues();
    REQUIRE(queues.size() == 2);
    CHECK((queues[0].paused && !queues[0].limits.any()));
    CHECK((!queues[1].paused && !queues[1].limits.any()));
    store->set_queue_limits(queues[0].number, {5, StartRate{10, 1000}});
    store->put_rate_slice(queues[0].number, {7000, 1}, 0);
    store->put_rate_slice(queues[0].number, {7000, 2}, 0);
    store->put_rate_slice(queues[0].number, {9000, 1}, 8000);
    REQUIRE(store->commit());
  }
  const auto store = open_store({folder.file(), "", 8, true});
  const QueueRow mail = store->queues()[0];
  CHECK(mail.paused);
  CHECK(mail.limits == QueueLimits{5, StartRate{10, 1000}});
  CHECK(store->rate_slices(mail.number).size() == 1);
  store->set_queue_limits(mail.number, {});
  CHECK(store->rate_slices(mail.number).empty());
}

TEST_CASE("a store of before operations opens, and ids go on after those of operations") {
  const TemporaryFolder folder;
  ask(folder.file(), kMigrations[0]);
  ask(folder.file(), kMigrations[1]);
  ask(folder.file(), "INSERT INTO meta VALUES ('shards', 8); PRAGMA user_version=2");
  const auto store = open_store({folder.file(), "", 8, true});
  CHECK(store->operations(10).empty());
  CHECK(store->last_id() == CommandId{0});
  insert(*store, 5);
  OperationRow row;
  row.id = row.cursor = CommandId{9};
  row.filter = "{}";
  store->insert_operation(row);
  REQUIRE(store->commit());
  CHECK(store->last_id() == CommandId{9});
  CHECK(store->running_operations().size() == 1);
}

TEST_CASE("a walk for an act looks at a bounded number of rows and meets each once") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  for (std::int64_t id = 1; id <= 100; ++id) insert(*store, id);
  OperationFilter filter;
  filter.match.queue = "q1";
  std::vector<CommandId> met;
  CommandId cursor{1000};
  int steps = 0;
  for (bool end = false; !end; ++steps) {
    const Store::Found found = store->find_matching(filter, cursor, 15, 4);
    CHECK(found.ids.size() <= 4);
    for (const CommandId id : found.ids) CHECK(id < cursor);
    met.insert(met.end(), found.ids.begin(), found.ids.end());
    cursor = found.cursor;
    end = found.end;
  }
  CHECK(met.size() == 50);
  CHECK(steps < 20);
  CHECK(std::set<CommandId>(met.begin(), met.end()).size() == 50);
}

TEST_CASE("counters agree with the rows through a whole life and a rollback") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  std::vector<StateRow> rows;
  for (std::int64_t id = 1; id <= 12; ++id) rows.push_back(insert(*store, id));
  for (std::size_t i = 0; i < 6; ++i) {
    rows[i].started_ms = 1;
    rows[i].attempt = 1;
    store->move(rows[i], Move::permit);
  }
  rows[0].finished_ms = 2;
  store->move(rows[0], Move::succeed);
  REQUIRE(store->commit());
  CHECK(store->counters_agree());
  CHECK(store->count(State::running) == 5);
  CHECK(store->count(State::succeeded) == 1);
  rows[1].finished_ms = 2;
  store->move(rows[1], Move::succeed);
  store->rollback();
  CHECK(store->count(State::running) == 5);
  CHECK(store->counters_agree());
  CHECK(store->count(*store->find_queue("q0"), State::scheduled) == 3);
  CHECK(store->running().size() == 5);
}

TEST_CASE("a reader sees what is committed and nothing else") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  insert(*store, 1);
  REQUIRE(store->commit());
  const auto reader = Reader::open(folder.file()).value();
  insert(*store, 2);
  CHECK(reader->command(CommandId{1}).ok());
  CHECK(reader->command(CommandId{2}).error().code == Errc::not_found);
  REQUIRE(store->commit());
  const auto view = reader->command(CommandId{2});
  REQUIRE(view);
  CHECK(view->state == State::scheduled);
  CHECK(view->spec.labels.at("parity") == "even");
}

TEST_CASE("the audit log is bounded: the oldest rows give way, few at a time") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  CHECK(store->prune_audit(20, 10) == 0);
  for (int i = 0; i < 50; ++i)
    store->append_audit(i, Actor("ann", "r-" + std::to_string(i)), "queue.pause", "q", "");
  REQUIRE(store->commit());
  CHECK(store->prune_audit(50, 10) == 0);
  CHECK(store->prune_audit(20, 10) == 10);
  CHECK(store->prune_audit(20, 100) == 20);
  CHECK(store->prune_audit(20, 100) == 0);
  REQUIRE(store->commit());
  const auto reader = Reader::open(folder.file()).value();
  const auto rows = reader->audit(0, 100);
  REQUIRE(rows);
  REQUIRE(rows->size() == 20);
  CHECK(rows->front().sequence == 50);
  CHECK(rows->front().request == "r-49");
  CHECK(rows->back().who == "ann");
}

TEST_CASE("what has changed is noted until it is taken, and forgotten with a rollback") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  CHECK(store->take_changes().empty());
  StateRow row = insert(*store, 7);
  store->move(row, Move::mark);
  store->update(row);  // no other state
  StateChanges changes = store->take_changes();
  REQUIRE(changes.items.size() == 2);
  CHECK(changes.items[0].state == State::scheduled);
  CHECK(changes.items[0].attempt == 0);
  CHECK(changes.items[1].state == State::queued);
  CHECK(changes.items[1].attempt == 1);
  CHECK(changes.names.size() == 2);
  CHECK(changes.whole);
  REQUIRE(store->commit());
  insert(*store, 8);
  store->rollback();
  CHECK(store->take_changes().empty());
}

TEST_CASE("a walk by cursor sees every command that matches exactly once, newest first") {
  const TemporaryFolder folder;
  const auto store = open_store({folder.file(), "", 8, true});
  for (std::int64_t id = 1; id <= 100; ++id) {
    StateRow row = insert(*store, id, id % 5 == 0 ? "k" : "");
    row.finished_ms = 9;
    if (id % 7 == 0) store->move(row, Move::cancel);
  }
  REQUIRE(store->commit());
  const auto reader = Reader::open(folder.file()).value();
  const auto walk = [&](const CommandFilter& filter, int limit) {
    std::vector<std::int64_t> ids;
    std::optional<CommandId> below;
    for (int pages = 0; pages < 200; ++pages) {
      const auto page = reader->list(filter, below, limit);
      REQUIRE(page);
      CHECK(static_cast<int>(page->items.size()) <= limit);
      for (const CommandView& view : page->items) ids.push_back(view.id.value);
      if (!page->next) return ids;
      below = page->next;
    }
    FAIL("the walk does not end");
    return ids;
  };
  const auto expected = [](auto matches) {
    std::vector<std::int64_t> ids;
    for (std::int64_t id = 100; id >= 1; --id) {
      if (matches(id)) ids.push_back(id);
    }
    return ids;
  };
  CommandFilter by_state, by_queue, by_type, by_key, by_label, by_due, by_all, by_nothing;
  by_state.state = State::cancelled;
  by_queue.queue = "q1";
  by_type.type = "t2";
  by_key.key = "k";
  by_label.labels = {{"parity", "odd"}};
  by_due.due_after_ms = 1010;
  by_due.due_before_ms = 1020;
  by_all = by_key;
  by_all.state = State::scheduled;
  by_all.labels = {{"parity", "even"}};
  by_nothing.queue = "never";
  for (const int limit : {1, 7, 100, 1000}) {
    CHECK(walk({}, limit) == expected([](auto) { return true; }));
    CHECK(walk(by_state, limit) == expected([](auto id) { return id % 7 == 0; }));
    CHECK(walk(by_queue, limit) == expected([](auto id) { return id % 2 == 1; }));
    CHECK(walk(by_type, limit) == expected([](auto id) { return id % 3 == 2; }));
    CHECK(walk(by_key, limit) == expected([](auto id) { return id % 5 == 0; }));
    CHECK(walk(by_label, limit) == expected([](auto id) { return id % 2 == 1; }));
    CHECK(walk(by_due, limit) == expected([](auto id) { return id > 10 && id < 20; }));
    CHECK(walk(by_all, limit) == expected([](auto id) { return id % 10 == 0 && id % 7 != 0; }));
    CHECK(walk(by_nothing, limit).empty());
  }
}

}  // namespace duly
