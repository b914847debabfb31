// Queue limits and acts on many commands: what is asked of the engine, and what is refused by name.
#include <catch2/catch.hpp>

#include "control-server/store/operation_rows.h"
#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

using World = ApiWorld;

}  // namespace

TEST_CASE("queues can be paused and limited, and what is absent stays") {
  World w;
  w.ask("PUT", "/v1/queues/q", R"({"paused":true})");
  CHECK(w.last<PutQueue>().paused == true);
  CHECK_FALSE(w.last<PutQueue>().max_running);
  CHECK_FALSE(w.last<PutQueue>().rate);
  w.engine_says(w.last<PutQueue>().reply, JsonBody{200, R"({"name":"q"})"});
  CHECK(w.answer->body == R"({"name":"q"})");
  w.ask("PUT", "/v1/queues/q", R"({"max_running":1000000,"rate":{"count":1,"per_ms":86400000}})");
  CHECK(w.last<PutQueue>().max_running.value() == 1'000'000);
  CHECK(w.last<PutQueue>().rate.value() == StartRate{1, 86'400'000});
  w.ask("PUT", "/v1/queues/q", R"({"max_running":null,"rate":null})");
  REQUIRE(w.last<PutQueue>().max_running);
  CHECK_FALSE(w.last<PutQueue>().max_running->has_value());
  REQUIRE(w.last<PutQueue>().rate);
  CHECK_FALSE(w.last<PutQueue>().rate->has_value());
  CHECK_FALSE(w.last<PutQueue>().bundle);
  w.ask("PUT", "/v1/queues/q", R"({"bundle":500})");
  CHECK(w.last<PutQueue>().bundle == 500);
}

TEST_CASE("what a queue cannot be given is named") {
  const std::pair<const char*, const char*> bad[] = {
      {R"({"bundle":0})", "/bundle"},
      {R"({"bundle":501})", "/bundle"},
      {R"({"bundle":null})", "/bundle"},
      {R"({"paused":1})", "/paused"},
      {R"({"max_running":0})", "/max_running"},
      {R"({"max_running":1000001})", "/max_running"},
      {R"({"max_running":1.5})", "/max_running"},
      {R"({"max_running":-9223372036854775808})", "/max_running"},
      {R"({"max_running":18446744073709551615})", "/max_running"},
      {R"({"max_running":"5"})", "/max_running"},
      {R"({"rate":5})", "/rate"},
      {R"({"rate":{}})", "/rate/count"},
      {R"({"rate":{"count":5}})", "/rate/per_ms"},
      {R"({"rate":{"count":0,"per_ms":5}})", "/rate/count"},
      {R"({"rate":{"count":5,"per_ms":86400001}})", "/rate/per_ms"},
      {R"({"rate":{"count":5,"per_ms":5,"a/b":1}})", "/rate/a~1b"},
      {R"({"limit":5})", "/limit"}};
  for (const auto& [body, pointer] : bad) {
    CAPTURE(body);
    World w;
    w.ask("PUT", "/v1/queues/q", body);
    CHECK(w.status() == 400);
    CHECK(w.json()["errors"][0]["pointer"] == pointer);
  }
  World w;
  w.ask("PUT", "/v1/queues/a%20b", R"({"paused":true})");
  CHECK(w.status() == 400);
}

TEST_CASE("an act on many commands says which, and is passed on") {
  World w;
  w.ask("POST", "/v1/commands/cancel",
        R"({"state":"scheduled","type":"t","queue":"q","key":"k","labels":{"a":"1","b":"2"},)"
        R"("due_before":"2026-01-02T00:00:00Z","due_after":"2026-01-01T00:00:00Z","dry_run":true})");
  const auto asked = w.last<StartOperation>();
  CHECK(asked.kind == OperationKind::cancel);
  CHECK(asked.dry_run);
  CHECK(filter_text(asked.filter) ==
        R"({"due_after":"2026-01-01T00:00:00.000Z","due_before":"2026-01-02T00:00:00.000Z","key":"k",)"
        R"("labels":{"a":"1","b":"2"},"queue":"q","state":"scheduled","type":"t"})");
  w.engine_says(asked.reply, JsonBody{202, R"({"id":"op_1"})"});
  CHECK(w.status() == 202);
  w.ask("POST", "/v1/commands/retry", R"({"all":true})");
  CHECK(w.last<StartOperation>().kind == OperationKind::retry);
  CHECK(w.last<StartOperation>().filter.all);
  const std::string id = format_operation_id(CommandId{77});
  w.ask("POST", ("/v1/operations/" + id + "/stop").c_str());
  CHECK(w.last<StopOperation>().id == CommandId{77});
  w.ask("GET", ("/v1/operations/" + id).c_str());
  CHECK(w.last<Query>().what == Query::What::operation);
  CHECK(w.last<Query>().id == CommandId{77});
  w.ask("GET", "/v1/operations");
  CHECK(w.last<Query>().what == Query::What::operations);
  w.ask("GET", "/v1/operations/cmd_0000000000005");
  CHECK(w.status() == 400);
}

TEST_CASE("an act on many commands that does not say which is refused by name") {
  const std::pair<const char*, const char*> bad[] = {{"{}", ""},
                                                     {R"({"dry_run":true})", ""},
                                                     {R"({"all":false})", ""},
                                                     {R"({"all":true,"queue":"q"})", "/all"},
                                                     {R"({"all":1})", "/all"},
                                                     {R"({"state":"asleep"})", "/state"},
                                                     {R"({"state":5})", "/state"},
                                                     {R"({"type":"a b"})", "/type"},
                                                     {R"({"queue":""})", "/queue"},
                                                     {R"({"key":""})", "/key"},
                                                     {R"({"labels":{}})", "/labels"},
                                                     {R"({"labels":{"a/b":1}})", "/labels/a~1b"},
                                                     {R"({"due_before":"soon"})", "/due_before"},
                                                     {R"({"due_after":5})", "/due_after"},
                                                     {R"({"ids":[]})", "/ids"},
                                                     {R"({"ids":["cmd_0000000000005","x"]})", "/ids/1"},
                                                     {R"({"queue":"q","dry_run":"yes"})", "/dry_run"},
                                                     {R"({"queue":"q","schedule":"s"})", "/schedule"}};
  for (const char* const path : {"/v1/commands/cancel", "/v1/commands/retry"}) {
    for (const auto& [body, pointer] : bad) {
      CAPTURE(body);
      World w;
      w.ask("POST", path, body);
      CHECK(w.status() == 400);
      CHECK(w.json()["errors"][0]["pointer"] == pointer);
    }
  }
}

}  // namespace duly::testing
