// The export: lines, bounds, the cursor.
#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "common/model/limits.h"
#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

// The ids of the answer's lines, each of which is one whole command.
std::vector<std::string> ids(const ApiWorld& w) {
  std::vector<std::string> found;
  std::istringstream lines(w.answer->body);
  for (std::string line; std::getline(lines, line);) {
    const auto json = parse_json(line, 32);
    REQUIRE(json);
    CHECK(json->contains("attempts"));
    CHECK(json->contains("events"));
    found.push_back((*json)["id"].get<std::string>());
  }
  return found;
}

void ask(ApiWorld& w, const std::string& query = {}) {
  w.ask("GET", "/v1/commands/export" + query);
  w.loop.advance(milliseconds{0});
  REQUIRE(w.answer);
}

}  // namespace

TEST_CASE("ended commands are exported as lines, page by page") {
  ApiWorld w;
  for (int id = 1; id <= 5; ++id) w.store->put(id, id == 3 ? State::running : State::succeeded);
  ask(w, "?limit=3");
  CHECK(w.status() == 200);
  CHECK(w.answer->content_type == "application/x-ndjson");
  CHECK(ids(w) == std::vector<std::string>{format_command_id(CommandId{1}), format_command_id(CommandId{2}),
                                           format_command_id(CommandId{4})});
  const std::string cursor = w.field("Duly-Next-Cursor");
  REQUIRE_FALSE(cursor.empty());
  ask(w, "?limit=3&cursor=" + cursor);
  CHECK(ids(w) == std::vector<std::string>{format_command_id(CommandId{5})});
  CHECK(w.field("Duly-Next-Cursor").empty());
}

TEST_CASE("an export of nothing is empty") {
  ApiWorld w;
  ask(w);
  CHECK(w.status() == 200);
  CHECK(w.answer->body.empty());
  CHECK(w.field("Duly-Next-Cursor").empty());
}

TEST_CASE("an answer is made in pieces and ends when it is large enough") {
  ApiWorld w;
  for (int id = 1; id <= 300; ++id) {
    w.store->put(id, State::dead);
    w.store->commands[CommandId{id}].spec.payload = make_bytes("\"" + std::string(100'000, 'x') + "\"");
  }
  w.ask("GET", "/v1/commands/export");
  CHECK_FALSE(w.answer);  // others had their turn
  w.loop.advance(milliseconds{0});
  REQUIRE(w.answer);
  CHECK(w.answer->body.size() < limits::kExportBytes + 200'000);
  const auto lines = [&w] { return std::count(w.answer->body.begin(), w.answer->body.end(), '\n'); };
  auto commands = lines();
  CHECK(commands > 50);
  for (int pages = 0; !w.field("Duly-Next-Cursor").empty() && pages < 10; ++pages) {
    ask(w, "?cursor=" + w.field("Duly-Next-Cursor"));
    commands += lines();
  }
  CHECK(commands == 300);
}

TEST_CASE("a payload with line ends in it is one line all the same") {
  ApiWorld w;
  w.store->put(1, State::succeeded);
  w.store->commands[CommandId{1}].spec.payload = make_bytes("{\r\n\"a\": \"b\\nc\"\n}");
  ask(w);
  CHECK(ids(w).size() == 1);
  const auto json = parse_json(w.answer->body, 32);
  REQUIRE(json);
  CHECK((*json)["payload"]["a"] == "b\nc");
}

TEST_CASE("the filter of an export is checked and passed on") {
  ApiWorld w;
  ask(w,
      "?state=dead&type=t&queue=q&finished_after=2026-11-21T09:00:00Z&finished_before=2026-11-22T09:00:00Z");
  CHECK(w.status() == 200);
  const EndedFilter& filter = w.store->last_ended;
  CHECK((filter.state == State::dead && filter.type == "t" && filter.queue == "q"));
  CHECK(*filter.finished_before_ms - *filter.finished_after_ms == 86'400'000);
  for (const char* bad : {"?state=running", "?state=x", "?type=a%20b", "?queue=", "?limit=0", "?limit=1001",
                          "?cursor=x", "?finished_after=today", "?nothing=1"}) {
    CAPTURE(bad);
    ask(w, bad);
    CHECK(w.status() == 400);
  }
}

}  // namespace duly::testing
