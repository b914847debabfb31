#include <catch2/catch.hpp>
#include <thread>

#include "agent/handlers/builtins.h"
#include "common/base/base64.h"
#include "common/model/limits.h"
#include "tests/unit/agent/handlers/handler_fixture.h"
#include "tests/unit/agent/handlers/http_fixture.h"

namespace duly {
namespace {

using test::closed_port;
using test::context_for;
using test::eventually;
using test::http_answer;
using test::kPatience;
using test::ScriptedServer;

// builtin.http of an agent that may reach one server.
class HttpJobs {
 public:
  explicit HttpJobs(std::vector<std::string> answers, CircuitPolicy policy = {})
      : server(std::move(answers)), circuits(std::make_shared<CircuitBoard>(policy)) {
    HttpClientConfig client;
    client.body_bytes = limits::kHttpJobBodyBytes;
    client.resolver = [](const std::string&) -> Result<std::vector<IpAddress>> {
      return std::vector<IpAddress>{*parse_ip("169.254.169.254")};
    };
    const std::string port = ":" + std::to_string(server.port()) + "/";
    handler_ =
        make_http_handler({*AllowedUrls::parse({server.url("/allowed"), "http://metadata.example" + port,
                                                "http://127.0.0.1:1/"}),
                           *HttpClient::make(std::move(client)), circuits});
  }

  HttpJobs(const HttpJobs&) = delete;

  HandlerResult run_text(const std::string& payload) { return run_handler(handler_, context(payload)); }
  HandlerResult run(Json payload = Json::object()) {
    if (!payload.contains("url")) payload["url"] = server.url("/allowed");
    return run_text(dump_json(payload));
  }
  HandlerContext context(std::string_view payload) const {
    HandlerContext made = context_for("builtin.http", payload, stop.get_token());
    made.timeout = timeout;
    made.attempt = attempt;
    made.traceparent = traceparent;
    made.tracestate = "a=1";
    return made;
  }

  ScriptedServer server;
  std::shared_ptr<CircuitBoard> circuits;
  std::stop_source stop;
  Duration timeout = kPatience;
  int attempt = 2;
  std::string traceparent;

 private:
  Handler handler_;
};

Json answer_of(const HandlerResult& result) {
  CAPTURE(result.error);
  REQUIRE(result.succeeded);
  auto json = parse_json(*result.result, limits::kJsonDepth);
  REQUIRE(json);
  return *json;
}

std::string for_good(const HandlerResult& result) {
  CHECK_FALSE(result.succeeded);
  CHECK_FALSE(result.retryable);
  return result.error;
}

}  // namespace

using Catch::Matchers::Contains;

TEST_CASE("the target is told the command's trace, unless the payload names one") {
  HttpJobs jobs({http_answer(200), http_answer(200)});
  jobs.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  jobs.run();
  jobs.run({{"headers", {{"TraceParent", "mine"}}}});
  const auto requests = jobs.server.requests();
  REQUIRE(requests.size() == 2);
  CHECK_THAT(requests[0], Contains("traceparent: " + jobs.traceparent + "\r\ntracestate: a=1\r\n"));
  CHECK_THAT(requests[1],
             Contains("TraceParent: mine\r\n") && !Contains(jobs.traceparent) && !Contains("a=1"));
}

TEST_CASE("2xx is a success: JSON as it came, text as text, bytes as base64") {
  const std::string json = "{ \"n\": 1.00000000000000000001 }";
  HttpJobs jobs(
      {http_answer(200, json, "Content-Type: application/json; charset=utf-8\r\nETag: e\r\nX-Other: o\r\n"),
       http_answer(201, "[1]", "Content-Type: application/problem+json\r\nLocation: /new\r\n"),
       http_answer(200, "[1]", "Content-Type: text/plain\r\n"),
       http_answer(200, "{broken", "Content-Type: application/json\r\n"),
       http_answer(200, std::string("\xFF\0", 2)), http_answer(204)});
  const HandlerResult first = jobs.run();
  CHECK_THAT(*first.result, Contains("\"body\":" + json));  // not a digit is lost
  CHECK(answer_of(first)["headers"] ==
        Json{{"content-type", "application/json; charset=utf-8"}, {"etag", "e"}});
  const Json second = answer_of(jobs.run());
  CHECK(second["status"] == 201);
  CHECK(second["body"] == Json::array({1}));
  CHECK(second["headers"]["location"] == "/new");
  CHECK(answer_of(jobs.run())["body"] == "[1]");
  CHECK(answer_of(jobs.run())["body"] == "{broken");
  const Json bytes = answer_of(jobs.run());
  CHECK(bytes["body_base64"] == to_base64(std::string("\xFF\0", 2)));
  CHECK_FALSE(bytes.contains("body"));
  CHECK(answer_of(jobs.run()) == Json{{"status", 204}, {"headers", Json::object()}});
}

TEST_CASE("JSON that cannot stand inside of a result is text") {
  const std::string type = "Content-Type: application/json\r\n";
  const std::vector<std::string> bodies = {"\xEF\xBB\xBF{}", R"({"a":1,"a":2})", "1e400", "{} {}"};
  std::vector<std::string> answers;
  for (const std::string& body : bodies) answers.push_back(http_answer(200, body, type));
  HttpJobs jobs(answers);
  for (const std::string& body : bodies) CHECK(answer_of(jobs.run())["body"] == body);
}

TEST_CASE("a body is capped, too deep JSON is text, and what escapes would swell is base64") {
  const std::string deep = std::string(32, '[') + std::string(32, ']');
  HttpJobs jobs({http_answer(200, std::string(limits::kHttpJobBodyBytes + 1, 'x')),
                 http_answer(200, deep, "Content-Type: application/json\r\n"),
                 http_answer(200, std::string(limits::kHttpJobBodyBytes, '\x01'))});
  const Json capped = answer_of(jobs.run());
  CHECK(capped["body"].get<std::string>().size() == limits::kHttpJobBodyBytes);
  CHECK(capped["body_truncated"] == true);
  CHECK(answer_of(jobs.run())["body"] == deep);
  CHECK(answer_of(jobs.run())["body_base64"] == to_base64(std::string(limits::kHttpJobBodyBytes, '\x01')));
}

TEST_CASE("the request is what the payload says, and says which command it is") {
  HttpJobs jobs({http_answer(200), http_answer(200), http_answer(200), http_answer(200)});
  jobs.run_text(R"({"url":")" + jobs.server.url("/allowed/x?y=z") +
                R"(","method":"PATCH","headers":{"X-A":"b","content-type":"a/b"},"body":{ "n" : 1.0 }})");
  jobs.run({{"body", "text"}});
  jobs.run();
  jobs.run({{"body", Json::array({1, 2})}});
  const auto requests = jobs.server.requests();
  REQUIRE(requests.size() == 4);
  CHECK_THAT(requests[0], Catch::StartsWith("PATCH /allowed/x?y=z HTTP/1.1\r\n"));
  CHECK_THAT(requests[0], Catch::EndsWith("\r\n\r\n{ \"n\" : 1.0 }"));  // byte for byte
  CHECK_THAT(requests[0],
             Contains("X-A: b\r\n") && Contains("content-type: a/b\r\n") && !Contains("application/json"));
  for (const std::string& request : requests) {
    CHECK_THAT(request, !Contains("trace"));  // the command has none
    CHECK_THAT(request, Contains("Idempotency-Key: " + format_command_id(CommandId{12'345}) + "\r\n"));
    CHECK_THAT(request, Contains("Duly-Attempt: 2\r\n"));
    CHECK_THAT(request, Contains("User-Agent: duly/"));
  }
  CHECK_THAT(requests[1],
             Catch::StartsWith("POST ") && Contains("text/plain") && Catch::EndsWith("\r\n\r\ntext"));
  CHECK_THAT(requests[2], Catch::StartsWith("GET ") && !Contains("Content-Length"));
  CHECK_THAT(requests[3], Contains("Content-Type: application/json\r\n") && Catch::EndsWith("\r\n\r\n[1,2]"));
}

TEST_CASE("what must not be tried again and what may is decided by the status") {
  for (const int status : {400, 401, 403, 404, 409, 410, 422, 451}) {
    HttpJobs jobs({http_answer(status, "why \xFF")});
    const HandlerResult result = jobs.run();
    CHECK_THAT(for_good(result), Contains("answered " + std::to_string(status) + ": why \xEF\xBF\xBD"));
  }
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 599}) {
    HttpJobs jobs({http_answer(status, "", "Retry-After: 7\r\n")});
    const HandlerResult result = jobs.run();
    CHECK_FALSE(result.succeeded);
    CHECK(result.retryable);
    CHECK(result.retry_after_ms == 7000);
    CHECK_FALSE(result.handed_back);
  }
}

TEST_CASE("an error does not tell the query") {
  HttpJobs jobs({http_answer(404)});
  CHECK_THAT(jobs.run({{"url", jobs.server.url("/allowed?token=secret")}}).error, !Contains("secret"));
}

TEST_CASE("a wait that is asked for is bounded") {
  HttpJobs jobs(
      {http_answer(503, "", "Retry-After: 999999\r\n"), http_answer(503, "", "Retry-After: soon\r\n"),
       http_answer(503, "",
                   "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:49:57 GMT\r\n")});
  CHECK(jobs.run().retry_after_ms == limits::kRetryAfterMs);
  CHECK(jobs.run().retry_after_ms == 0);
  CHECK(jobs.run().retry_after_ms == 20'000);
}

TEST_CASE("a redirect is not followed, and its host is named without what may be secret") {
  HttpJobs jobs({http_answer(302, "", "Location: http://169.254.169.254/latest?token=x\r\n"),
                 http_answer(307, "", "Location: /allowed/else\r\n"), http_answer(304)});
  const std::string error = for_good(jobs.run());
  CHECK_THAT(error,
             Contains("redirect to http://169.254.169.254:80") && !Contains("token") && !Contains("latest"));
  CHECK_THAT(for_good(jobs.run()), Contains("not followed"));
  CHECK_THAT(for_good(jobs.run()), Contains("304"));
  CHECK(jobs.server.requests().size() == 3);
}

TEST_CASE("only what is allowed is reached") {
  HttpJobs jobs({http_answer(200)});
  for (const std::string& url :
       {jobs.server.url("/"), jobs.server.url("/allowedx"), jobs.server.url("/allowed", "localhost"),
        jobs.server.url("/allowed", "127.0.0.2"), "https" + jobs.server.url("/allowed").substr(4),
        std::string("http://127.0.0.1/allowed")})
    CHECK_THAT(for_good(jobs.run({{"url", url}})), Contains("--allow-http"));
  for (const std::string path : {"/allowed/../x", "/allowed/%2e%2e/x", "/allowed/..%2fx"})
    CHECK_THAT(for_good(jobs.run({{"url", jobs.server.url(path)}})), Catch::StartsWith("url has"));
  CHECK_THAT(for_good(jobs.run({{"url", jobs.server.url("/", "metadata.example")}})), Contains("link-local"));
  CHECK(jobs.server.requests().empty());
  HttpHandlerConfig off;
  const auto refused = run_handler(make_http_handler(off), jobs.context(R"({"url":"http://a/"})"));
  CHECK_THAT(for_good(refused), Contains("without --allow-http"));
}

TEST_CASE("payload errors of a request name the field") {
  HttpJobs jobs({});
  const auto wrong = [&](Json payload) { return for_good(jobs.run(std::move(payload))); };
  CHECK_THAT(for_good(jobs.run_text("{}")), Contains("url is missing"));
  CHECK_THAT(for_good(jobs.run_text("7")), Contains("object"));
  CHECK_THAT(wrong({{"url", 1}}), Contains("url"));
  CHECK_THAT(wrong({{"method", "get"}}), Contains("method"));
  CHECK_THAT(wrong({{"method", "CONNECT"}}), Contains("method"));
  CHECK_THAT(wrong({{"method", "POST / HTTP/1.1\r\nX"}}), Contains("method"));
  CHECK_THAT(wrong({{"method", "GET"}, {"body", "x"}}), Contains("body"));
  CHECK_THAT(wrong({{"headers", "x"}}), Contains("headers"));
  CHECK_THAT(wrong({{"headers", {{"X-A", 1}}}}), Contains("headers.X-A"));
  CHECK_THAT(wrong({{"headers", {{"X-A", "a\r\nHost: b"}}}}), Contains("headers.X-A"));
  CHECK_THAT(wrong({{"headers", {{"Idempotency-Key", "mine"}}}}), Contains("headers.Idempotency-Key"));
  CHECK_THAT(wrong({{"headers", {{"X-A", "1"}, {"x-a", "2"}}}}), Contains("twice"));
  CHECK_THAT(wrong({{"follow", true}}), Contains("follow"));
  Json many = Json::object();
  for (std::size_t i = 0; i <= limits::kHttpJobHeaders; ++i) many["x" + std::to_string(i)] = "";
  CHECK_THAT(wrong({{"headers", many}}), Contains("headers has more"));
  CHECK(jobs.server.requests().empty());
}

TEST_CASE("while the circuit is open the attempt is handed back, and no request is made") {
  HttpJobs jobs({http_answer(500), http_answer(503), http_answer(200)}, {2, milliseconds{200}, seconds{5}});
  jobs.run();
  jobs.run();
  const HandlerResult back = jobs.run();
  CHECK(back.handed_back);
  CHECK_FALSE(back.succeeded);
  CHECK(back.retry_after_ms > 0);
  CHECK(back.retry_after_ms <= 2 * 202);
  CHECK_THAT(back.error, Contains("circuit open"));
  CHECK(jobs.server.requests().size() == 2);
  REQUIRE(jobs.circuits->view().size() == 1);
  CHECK(jobs.circuits->view()[0].target == jobs.server.url("").substr(0, jobs.server.url("").size()));
  CHECK(jobs.circuits->view()[0].state == CircuitState::open);
  CHECK(eventually([&] { return jobs.run().succeeded; }));
  CHECK(jobs.circuits->view()[0].state == CircuitState::closed);
  CHECK(jobs.server.requests().size() == 3);
}

TEST_CASE("an attempt is not handed back without end") {
  HttpJobs jobs({http_answer(500)}, {1, seconds{60}, seconds{60}});
  jobs.run();
  jobs.attempt = 999;
  CHECK(jobs.run().handed_back);
  jobs.attempt = 1000;
  const HandlerResult failed = jobs.run();
  CHECK_FALSE(failed.handed_back);
  CHECK(failed.retryable);
  CHECK(failed.retry_after_ms > 0);
}

TEST_CASE("what the target answers keeps its circuit closed, what it does not opens it") {
  HttpJobs jobs({http_answer(404), http_answer(429)}, {1, seconds{60}, seconds{60}});
  jobs.run();
  jobs.run();
  for (const CircuitView& each : jobs.circuits->view()) CHECK(each.state == CircuitState::closed);
  jobs.run({{"url", jobs.server.url("/", "metadata.example")}});  // refused by us: no fault of the target
  CHECK_FALSE(jobs.run({{"url", jobs.server.url("/", "metadata.example")}}).handed_back);
  const HandlerResult nobody = jobs.run({{"url", "http://127.0.0.1:1/"}});
  CHECK(nobody.retryable);
  CHECK_FALSE(nobody.handed_back);
  CHECK(jobs.run({{"url", "http://127.0.0.1:1/"}}).handed_back);
}

TEST_CASE("a target that is silent counts as ill, an attempt that is cancelled does not") {
  HttpJobs jobs({}, {1, seconds{60}, seconds{60}});
  HandlerResult cancelled;
  std::thread worker([&] { cancelled = jobs.run(); });
  const bool came = eventually([&] { return jobs.server.requests().size() == 1; });
  jobs.stop.request_stop();
  worker.join();
  CHECK(came);
  CHECK_THAT(cancelled.error, Contains("stopped"));
  CHECK(jobs.circuits->view().at(0).state == CircuitState::closed);
  jobs.stop = std::stop_source();
  jobs.timeout = milliseconds{100};
  const HandlerResult late = jobs.run();
  CHECK(late.retryable);
  CHECK_THAT(late.error, Contains("timed out"));
  CHECK(jobs.circuits->view().at(0).state == CircuitState::open);
}

}  // namespace duly
