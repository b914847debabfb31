#include "control-server/api/api.h"

#include <catch2/catch.hpp>

#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {
namespace {

using World = ApiWorld;

const std::string kOne = "/v1/commands/" + format_command_id(CommandId{1});

}  // namespace

TEST_CASE("a submitted command is answered 201 with its place, a replayed one 200") {
  World w;
  w.store->put(1);
  w.ask("POST", "/v1/commands", R"({"type":"t","payload":{"a": 1}})", {{"idempotency-key", "k"}});
  const auto& submit = w.last<Submit>();
  REQUIRE(submit.commands.size() == 1);
  CHECK(*submit.commands[0].spec.payload == R"({"a": 1})");
  CHECK(submit.commands[0].idempotency_key == "k");
  CHECK(submit.commands[0].body_hash != 0);
  CHECK(!w.answer);
  w.engine_says(submit.reply, Submitted{{{CommandId{1}, false}}});
  CHECK(w.status() == 201);
  CHECK(w.field("Location") == kOne);
  CHECK(w.json()["id"] == "cmd_0000000000001");
  CHECK(w.replies == 1);
  w.ask("POST", "/v1/commands", R"({"type":"t"})", {{"idempotency-key", "k"}});
  w.engine_says(w.last<Submit>().reply, Submitted{{{CommandId{1}, true}}});
  CHECK(w.status() == 200);
  CHECK(w.field("Idempotency-Replayed") == "true");
}

TEST_CASE("what is on disk is acknowledged even when it cannot be read back") {
  World w;
  w.ask("POST", "/v1/commands", R"({"type":"t"})");
  w.engine_says(w.last<Submit>().reply, Submitted{{{CommandId{1}, false}}});
  CHECK(w.status() == 201);
  CHECK(w.json()["id"] == "cmd_0000000000001");
}

TEST_CASE("a request that cannot be understood never reaches the engine") {
  World w;
  w.ask("POST", "/v1/commands", "{\"type\":");
  CHECK(w.status() == 400);
  CHECK(w.json()["detail"].get<std::string>().find("byte") != std::string::npos);
  w.ask("POST", "/v1/commands", std::string(40, '[') + std::string(40, ']'));
  CHECK(w.status() == 400);
  w.ask("POST", "/v1/commands", R"({"type":"t"})", {{"idempotency-key", ""}});
  CHECK(w.status() == 400);
  w.ask("POST", "/v1/commands", R"({"type":"t"})", {{"idempotency-key", std::string(256, 'k')}});
  CHECK(w.status() == 400);
  CHECK(w.sent.empty());
}

TEST_CASE("a batch is submitted whole, with each payload's own bytes") {
  World w;
  w.ask("POST", "/v1/commands/batch",
        R"({"commands":[{"type":"a","payload":[1, 2]},{"type":"b","idempotency_key":"k"}]})");
  const auto& submit = w.last<Submit>();
  REQUIRE(submit.commands.size() == 2);
  CHECK(*submit.commands[0].spec.payload == "[1, 2]");
  CHECK(submit.commands[1].idempotency_key == "k");
  w.engine_says(submit.reply, Submitted{{{CommandId{1}, false}, {CommandId{2}, true}}});
  CHECK(w.status() == 201);
  CHECK(w.json() == Json::parse(R"({"items":[{"id":"cmd_0000000000001","replayed":false},
                                             {"id":"cmd_0000000000002","replayed":true}]})"));
}

TEST_CASE("lines of NDJSON are a batch, too, and point by line") {
  World w;
  const std::vector<HttpField> lines = {{"content-type", "application/x-ndjson"}};
  w.ask("POST", "/v1/commands/batch", "{\"type\":\"a\",\"payload\": {} }\r\n\n{\"type\":\"b\"}\n", lines);
  REQUIRE(w.last<Submit>().commands.size() == 2);
  w.engine_says(w.last<Submit>().reply, Problem{422, "", "another body", "/commands/1/idempotency_key", 0});
  CHECK(w.status() == 422);
  CHECK(w.json()["errors"][0]["pointer"] == "/1/idempotency_key");
  w.ask("POST", "/v1/commands/batch", "{\"type\":\"a\"}\n{\"type\":\n{\"type\":\"b\",\"due_at\":1}\n", lines);
  CHECK(w.status() == 400);
  CHECK(w.json()["errors"][0]["pointer"] == "/1");
  CHECK(w.json()["errors"][1]["pointer"] == "/2/due_at");
}

TEST_CASE("a batch of none or too many, or of something else, is refused") {
  World w;
  std::string many = R"({"commands":[{"type":"t"})";
  std::string lines = "{\"type\":\"t\"}\n";
  for (int i = 0; i < 10'000; ++i) {
    many += R"(,{"type":"t"})";
    lines += "{\"type\":\"t\"}\n";
  }
  for (const std::string& body :
       {std::string(R"({"commands":[]})"), many + "]}", std::string("{}"), std::string(R"({"commands":7})"),
        std::string(R"({"commands":[{"type":"t"}],"x":1})"), std::string("[]")}) {
    w.ask("POST", "/v1/commands/batch", body);
    CHECK(w.status() == 400);
  }
  w.ask("POST", "/v1/commands/batch", lines, {{"content-type", "application/x-ndjson"}});
  CHECK(w.status() == 400);
  w.ask("POST", "/v1/commands/batch", R"({"commands":[{"type":"t"},{"type":"t","due_at":"x"}]})");
  CHECK(w.json()["errors"][0]["pointer"] == "/commands/1/due_at");
  CHECK(w.sent.empty());
}

TEST_CASE("one command is shown; an unknown one is 404 and a malformed id 400") {
  World w;
  w.store->put(1);
  w.ask("GET", kOne);
  CHECK(w.status() == 200);
  CHECK(w.json()["events"].is_array());
  w.ask("GET", "/v1/commands/" + format_command_id(CommandId{2}));
  CHECK(w.status() == 404);
  w.ask("GET", "/v1/commands/nonsense");
  CHECK(w.status() == 400);
  CHECK(w.json()["errors"][0]["detail"] == "id is not a command id");
  w.ask("GET", kOne + "?wait_ms=60001");
  CHECK(w.status() == 400);
}

TEST_CASE("a wait is answered when the engine says so, and forgotten when its client goes away") {
  World w;
  w.store->put(1);
  w.ask("GET", kOne + "?wait_ms=1000");
  CHECK(!w.answer);
  const auto wait = w.last<AwaitEnd>();
  CHECK(wait.until == w.loop.now() + milliseconds{1000});
  w.store->put(1, State::succeeded);
  w.engine_says(wait.reply, Done{CommandId{1}});
  CHECK(w.json()["state"] == "succeeded");
  w.ask("GET", kOne + "?wait_ms=1000");
  CHECK(w.status() == 200);  // ended: no wait
  w.store->put(1, State::running);
  w.ask("GET", kOne + "?wait_ms=1000");
  w.gone();
  CHECK(w.last<ForgetWait>().reply == wait.reply + 1);
  CHECK(w.desk.waiting() == 0);
}

TEST_CASE("a change of a command shows it afterwards, and a conflict passes through") {
  World w;
  w.store->put(1);
  w.ask("POST", kOne + "/cancel");
  w.engine_says(w.last<CancelCommand>().reply, Done{CommandId{1}});
  CHECK(w.status() == 200);
  CHECK(w.json()["id"] == "cmd_0000000000001");
  w.ask("POST", kOne + "/retry", "{}");
  w.engine_says(w.last<RedriveCommand>().reply, Problem{409, "", "the command is running", "", 0});
  CHECK(w.status() == 409);
  CHECK(w.json()["detail"] == "the command is running");
  CHECK(w.json()["title"] == "Conflict");
  w.ask("POST", kOne + "/retry", R"({"payload": {"n": 1.50} })");
  CHECK(*w.last<RedriveCommand>().payload == R"({"n": 1.50})");
  w.ask("POST", kOne + "/retry", R"({"payloads":1})");
  CHECK(w.json()["errors"][0]["pointer"] == "/payloads");
  w.ask("GET", kOne + "/revisions");
  CHECK(w.json()["items"][0]["payload"] == Json({{"old", 1.0}}));
  w.ask("POST", kOne + "/cancel", R"({"force":true})");
  CHECK(w.status() == 400);
  w.ask("POST", kOne + "/reschedule", R"({"due_at":"2026-12-01T00:00:00Z"})");
  CHECK(w.last<RescheduleCommand>().due_at_ms == 1'796'083'200'000);
  w.ask("POST", kOne + "/reschedule", "{}");
  CHECK(w.json()["errors"][0]["pointer"] == "/due_at");
}

TEST_CASE("a list is filtered and paged") {
  World w;
  for (int i = 1; i <= 5; ++i) w.store->put(i);
  w.ask("GET", "/v1/commands?limit=2&state=dead&label.team=x%20y&due_before=2026-01-01T00:00:00Z&key=k");
  CHECK(w.store->last_filter.state == State::dead);
  CHECK(w.store->last_filter.labels.at(0).second == "x y");
  CHECK(w.store->last_filter.key == "k");
  CHECK(w.json()["items"].size() == 2);
  const std::string cursor = w.json()["next_cursor"];
  w.ask("GET", "/v1/commands?limit=3&cursor=" + cursor);
  CHECK(w.json()["items"][0]["id"] == "cmd_0000000000003");
  CHECK(w.json()["next_cursor"].is_null());
  for (const char* const bad :
       {"limit=0", "limit=1001", "limit=x", "cursor=zzz", "state=lost", "type=a/b",
        "queue=", "due_after=soon", "schedule=a%20b", "workflow=w", "label.=x", "nonsense=1"}) {
    CAPTURE(bad);
    w.ask("GET", std::string("/v1/commands?") + bad);
    CHECK(w.status() == 400);
    const std::string name = std::string(bad).substr(0, std::string(bad).find('='));
    CHECK(w.json()["errors"][0]["detail"].get<std::string>().find(name) != std::string::npos);
  }
}

TEST_CASE("shards are pinned and freed") {
  World w;
  w.ask("PUT", "/v1/shards/7/agent", R"({"agent":"a-1"})");
  CHECK(w.last<PinShard>().shard == 7);
  w.ask("DELETE", "/v1/shards/7/agent");
  CHECK(w.last<UnassignShard>().shard == 7);
  w.ask("DELETE", "/v1/shards/x/agent");
  CHECK(w.status() == 400);
  w.ask("PUT", "/v1/shards/7/agent", "{}");
  CHECK(w.json()["errors"][0]["pointer"] == "/agent");
}

TEST_CASE("a foreign executor begins and finishes an attempt") {
  World w;
  w.ask("POST", kOne + "/attempts/2/begin", R"({"executor":"py-1"})");
  CHECK(w.last<HttpBegin>().attempt == 2);
  CHECK_FALSE(w.last<HttpBegin>().token);
  w.ask("POST", kOne + "/attempts/2/begin", R"({"executor":"py-1","token":3})");
  CHECK(w.last<HttpBegin>().token == Token{3});
  for (const std::string wrong : {"-1", "2147483648", "1.0", "\"3\"", "null"}) {
    w.ask("POST", kOne + "/attempts/2/begin", R"({"executor":"py-1","token":)" + wrong + "}");
    CHECK(w.status() == 400);
    CHECK(w.json()["errors"][0]["pointer"] == "/token");
  }
  w.ask("POST", kOne + "/attempts/2/finish",
        R"({"outcome":"failed","result":{ "a":1},"error":"no","retryable":false})");
  const FinishItem item = w.last<HttpFinish>().item;
  CHECK(item.outcome == AttemptOutcome::failed);
  CHECK(*item.result == R"({ "a":1})");
  CHECK(!item.retryable);
  CHECK(w.last<HttpFinish>().executor.empty());  // whoever began it
  w.ask("POST", kOne + "/attempts/2/heartbeat", R"({"executor":"py-1"})");
  CHECK(w.last<HttpHeartbeat>().attempt == 2);
  CHECK(w.last<HttpHeartbeat>().executor == "py-1");
  w.engine_says(w.last<HttpHeartbeat>().reply, JsonBody{200, R"({"state":"running"})"});
  CHECK(w.json()["state"] == "running");
  CHECK(body_is_optional("/v1/commands/x/attempts/2/heartbeat"));
  CHECK_FALSE(body_is_optional("/v1/commands/x/attempts/2/finish"));
  w.ask("POST", kOne + "/attempts/2/heartbeat");
  CHECK(w.last<HttpHeartbeat>().executor.empty());
  w.ask("POST", kOne + "/attempts/2/heartbeat", R"({"progress":1})");
  CHECK(w.json()["errors"][0]["pointer"] == "/progress");
  w.ask("POST", kOne + "/attempts/0/finish", R"({"outcome":"failed"})");
  CHECK(w.status() == 400);
  w.ask("POST", kOne + "/attempts/1/finish", R"({"outcome":"lost"})");
  CHECK(w.json()["errors"][0]["pointer"] == "/outcome");
}

TEST_CASE("a crash is simulated only where that is allowed, and the server's own after its answer") {
  World w;
  w.ask("POST", "/v1/server/simulate-crash", R"({"mode":"kill"})");
  CHECK(w.last<RecordAct>().what == "server.simulate-crash");
  CHECK(w.last<RecordAct>().detail == "kill at now");
  CHECK(!w.answer);  // it is not on record yet
  w.engine_says(w.last<RecordAct>().reply, Done{});
  CHECK(w.status() == 202);
  CHECK(w.strikes.empty());
  w.answer->after_write();
  REQUIRE(w.strikes.size() == 1);
  CHECK(w.strikes[0].point == "now");
  w.ask("POST", "/v1/server/simulate-crash",
        R"({"mode":"hang","point":"store.before-commit","duration_ms":5})");
  CHECK(w.strikes.size() == 1);
  w.engine_says(w.last<RecordAct>().reply, Done{});
  CHECK(w.strikes.size() == 2);
  w.ask("POST", "/v1/server/simulate-crash", R"({"mode":"kill"})");
  w.engine_says(w.last<RecordAct>().reply, Problem{507, "", "the disk is full", "", 0});
  CHECK(w.status() == 507);
  CHECK(w.strikes.size() == 2);
  w.ask("POST", "/v1/agents/a/simulate-crash", R"({"mode":"kill","point":"execute.after-begin","after":3})");
  CHECK(w.last<CrashAgent>().strike.after == 3);
  for (const char* const bad :
       {R"({"mode":"explode"})", R"({"mode":"hang"})", R"({"mode":"kill","point":"x"})",
        R"({"mode":"kill","after":0})", R"({"mode":"kill","duration_ms":-1})", "{}",
        R"({"mode":"kill","point":"store.before-commit"})"}) {
    CAPTURE(bad);
    w.ask("POST", "/v1/agents/a/simulate-crash", bad);
    CHECK(w.status() == 400);
    CHECK(w.json()["errors"].size() == 1);
  }
  w.api.fault_injection = false;
  w.ask("POST", "/v1/server/simulate-crash", R"({"mode":"kill"})");
  CHECK(w.status() == 403);
  w.ask("POST", "/v1/agents/a/simulate-crash", R"({"mode":"kill"})");
  CHECK(w.status() == 403);
}

TEST_CASE("health, statistics and metrics tell what the engine says, and 503 when it says nothing") {
  World w;
  w.ask("GET", "/healthz");
  CHECK(w.status() == 200);
  StatsSnapshot stats;
  stats.by_state[static_cast<std::size_t>(State::dead)] = 7;
  stats.accepted = 9;
  w.ask("GET", "/readyz");
  w.engine_says(w.last<Query>().reply, stats);
  CHECK(w.status() == 200);
  CHECK(w.json()["checks"]["broker"].get<std::string>().starts_with("degraded"));
  w.ask("GET", "/v1/stats");
  w.engine_says(w.last<Query>().reply, stats);
  CHECK(w.json()["commands"]["dead"] == 7);
  CHECK(w.json()["totals"]["accepted"] == 9);
  w.ask("GET", "/metrics");
  w.engine_says(w.last<Query>().reply, stats);
  CHECK(w.answer->body.find("duly_commands{state=\"dead\"} 7") != std::string::npos);
  CHECK(w.answer->body.find("# HELP duly_accepted_total") != std::string::npos);
  CHECK(w.answer->body.find("duly_dispatch_lateness_seconds_bucket{le=\"+Inf\"}") != std::string::npos);
  w.api.edge = [] {
    EdgeStats edge;
    edge.http.answers = {{200, 5}, {404, 1}};
    edge.rate_limited = {{Role::submit, 3}};
    edge.wal_bytes = 4096;
    return edge;
  };
  stats.stale_marks = 2;
  stats.commit.add(milliseconds{3});
  stats.queue_count = 1;
  stats.queues = {{"mail", {0, 4, 3, 2}, 1, true}};
  w.ask("GET", "/metrics");
  w.engine_says(w.last<Query>().reply, stats);
  for (const char* line :
       {"duly_http_requests_total{code=\"404\"} 1\n", "duly_store_bytes{file=\"wal\"} 4096\n",
        "duly_stale_reports_refused_total{kind=\"mark\"} 2\n", "duly_commit_seconds_bucket{le=\"0.005\"} 1\n",
        "duly_queue_commands{queue=\"mail\",state=\"scheduled\"} 4\n",
        "duly_queue_executors{queue=\"mail\"} 1\n", "duly_queue_paused{queue=\"mail\"} 1\n",
        "duly_http_rate_limited_total{role=\"submit\"} 3\n",
        "duly_http_rate_limited_total{role=\"admin\"} 0\n"})
    CHECK(w.answer->body.find(line) != std::string::npos);
  stats.draining = true;
  w.ask("GET", "/readyz");
  w.engine_says(w.last<Query>().reply, stats);
  CHECK(w.status() == 503);
  w.ask("GET", "/readyz");
  w.loop.advance(seconds{6});
  CHECK(w.status() == 503);
}

TEST_CASE("the API's description is there") {
  World w;
  w.ask("GET", "/openapi.yaml");
  CHECK(w.answer->body.starts_with("openapi: 3.1"));
}

TEST_CASE("every route is described in openapi.yaml") {
  World w;
  w.ask("GET", "/openapi.yaml");
  for (const Route& route : w.router.routes()) {
    CAPTURE(route.pattern);
    CHECK(w.answer->body.find("\n  " + std::string(route.pattern) + ":\n") != std::string::npos);
  }
}

TEST_CASE("the audit log is paged") {
  World w;
  w.ask("GET", "/v1/audit?limit=2");
  CHECK(w.json()["items"][0]["sequence"] == 5);
  w.ask("GET", "/v1/audit?limit=10&cursor=" + w.json()["next_cursor"].get<std::string>());
  CHECK(w.json()["items"][0]["sequence"] == 3);
  CHECK(w.json()["next_cursor"].is_null());
}

}  // namespace duly::testing
