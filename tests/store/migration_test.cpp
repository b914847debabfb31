// Stores that older programs have left: each opens, with what was in it.
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <string>

#include "control-server/store/reader.h"
#include "control-server/store/schema.h"
#include "tests/store/store_world.h"

namespace duly {

using test::open_store;
using test::TemporaryFolder;

namespace {

void execute(const std::string& file, const std::string& sql) {
  sqlite3* handle = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &handle) == SQLITE_OK);
  const int code = sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(handle);
  REQUIRE(code == SQLITE_OK);
}

// As the program of version `version` would have made it, with one scheduled command.
void make_old(const std::string& file, int version) {
  for (int i = 0; i < version; ++i) execute(file, kMigrations[static_cast<std::size_t>(i)]);
  execute(file, "PRAGMA journal_mode=WAL; PRAGMA user_version=" + std::to_string(version));
  execute(file, "INSERT INTO meta VALUES ('shards', 8), ('generation', 1)");
  execute(file,
          "INSERT INTO name VALUES (1, 1, 'default'), (2, 2, 'work'); INSERT INTO queue (number) VALUES (1)");
  execute(file,
          "INSERT INTO command (id, created_ms, type, queue, timeout_ms, on_lost, payload)"
          " VALUES (77, 5, 2, 1, 1000, 0, 'xx')");
  execute(file,
          "INSERT INTO state (id, state, shard, queue, type, priority, due_ms, order_ms, max_attempts)"
          " VALUES (77, 1, 3, 1, 2, 5, 10, 10, 3); INSERT INTO counter VALUES (1, 2, 1, 1)");
  execute(file,
          "INSERT INTO audit (at_ms, who, what, subject, detail) VALUES (6, 'api', 'shard.pin', '3', 'a')");
}

}  // namespace

TEST_CASE("a store of each older version opens, keeps what it has and takes what is new") {
  for (int version = 1; version < static_cast<int>(kMigrations.size()); ++version) {
    const TemporaryFolder folder;
    make_old(folder.file(), version);
    const auto store = open_store({folder.file(), "", 8, true});
    REQUIRE(store->find(CommandId{77}).has_value());
    CHECK(store->counters_agree());
    CHECK(store->integrity() == "ok");
    REQUIRE(store->queues().size() == 1);
    CHECK(store->queues()[0].limits.bundle == 1);
    ScheduleRow row;
    row.spec.name = "s";
    row.spec.timing.every_ms = 1000;
    row.spec.command.type = "work";
    row.spec.command.payload = make_bytes("1");
    row.spec.text = "{}";
    row.spec.command.deliver = DeliverTarget{"", "k", std::string("\0\1", 2)};
    row.spec.command.callback_url = "https://one/";
    row.next_ms = 5000;
    store->put_schedule(row);
    REQUIRE(store->commit());
    CHECK(store->due_schedules(5000, 10).size() == 1);
    const auto reader = Reader::open(folder.file());
    REQUIRE(reader);
    const auto view = (*reader)->command(CommandId{77});
    REQUIRE(view);
    CHECK(view->schedule.empty());
    CHECK_FALSE(view->spec.deliver);
    CHECK_FALSE(store->delivers(CommandId{77}));
    CHECK_FALSE(store->body(CommandId{77})->deliver);
    CHECK(store->body(CommandId{77})->trace == nullptr);
    CHECK(view->spec.trace == nullptr);
    CHECK((*reader)->schedule("s")->spec.command.deliver == row.spec.command.deliver);
    CHECK((*reader)->schedule("s")->spec.timing.every_ms == 1000);
    CHECK((*reader)->schedule("s")->spec.command.callback_url == "https://one/");
    CHECK_FALSE(view->callback);
    CHECK_FALSE(store->any_callback());
    store->insert_callback(CommandId{77}, "https://one/", "https://one:443");
    REQUIRE(store->commit());
    CHECK(store->owed_callbacks() == 0);
    CHECK((*reader)->command(CommandId{77})->callback->state == CallbackState::waiting);
    const auto audit = (*reader)->audit(0, 10);
    REQUIRE(audit);
    REQUIRE(audit->size() == 1);
    CHECK(audit->front().request.empty());
  }
}

}  // namespace duly
