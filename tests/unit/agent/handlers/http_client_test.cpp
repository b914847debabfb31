#include "common/http/http_client.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/unit/agent/handlers/handler_fixture.h"
#include "tests/unit/agent/handlers/http_fixture.h"

namespace duly {
namespace {

using test::closed_port;
using test::eventually;
using test::http_answer;
using test::kPatience;
using test::ScriptedServer;

constexpr std::size_t kKept = 1000;

// What a name leads to, and how often it was asked for.
struct Names {
  std::vector<std::string> addresses;
  int asked = 0;
};

std::shared_ptr<const HttpClient> client_with(Names* names, bool internal) {
  HttpClientConfig config;
  config.inner_networks = internal;
  config.body_bytes = kKept;
  config.resolver = [names](const std::string&) -> Result<std::vector<IpAddress>> {
    ++names->asked;
    std::vector<IpAddress> addresses;
    for (const std::string& text : names->addresses) addresses.push_back(*parse_ip(text));
    if (addresses.empty()) return Error{Errc::unavailable, "no such name"};
    return addresses;
  };
  return *HttpClient::make(std::move(config));
}

ClientRequest get(const std::string& url, const std::string& method = "GET") {
  return {method, *parse_http_url(url), {}, ""};
}

HttpOutcome ask(const std::string& url, const std::string& method = "GET") {
  Names none;
  return client_with(&none, false)->send(get(url, method), machine_now() + kPatience, {});
}

HttpOutcome ask_by_name(Names& names, const std::string& url, bool internal) {
  return client_with(&names, internal)->send(get(url), machine_now() + kPatience, {});
}

}  // namespace

TEST_CASE("a request goes out once, whole, and its answer comes back") {
  const ScriptedServer server({http_answer(201, "made", "X-One: 1\r\nETag: \"e\"\r\n")});
  Names none;
  const ClientRequest request{"PUT", *parse_http_url(server.url("/a%20b?c=d")), {{"X-Two", "2"}}, "body"};
  const HttpOutcome outcome = client_with(&none, false)->send(request, machine_now() + kPatience, {});
  CAPTURE(outcome.error);
  REQUIRE(outcome.trouble == HttpTrouble::none);
  CHECK(outcome.answer.status == 201);
  CHECK(outcome.answer.body == "made");
  CHECK_FALSE(outcome.answer.truncated);
  CHECK(outcome.answer.header("x-one") == "1");
  CHECK(outcome.answer.header("etag") == "\"e\"");
  CHECK(outcome.answer.header("x-three").empty());
  REQUIRE(server.requests().size() == 1);
  CHECK(server.requests()[0] ==
        "PUT /a%20b?c=d HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
            "\r\nConnection: close\r\nX-Two: 2\r\nContent-Length: 4\r\n\r\nbody");
}

TEST_CASE("answers framed by chunks, by the end of the connection, and without a body are read") {
  const ScriptedServer server(
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
       "HTTP/1.0 200 OK\r\n\r\nto the end", "HTTP/1.1 204 No Content\r\n\r\n",
       "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
           http_answer(200, "last")});
  CHECK(ask(server.url()).answer.body == "abcde");
  CHECK(ask(server.url()).answer.body == "to the end");
  CHECK(ask(server.url()).answer.status == 204);
  CHECK(ask(server.url(), "HEAD").trouble == HttpTrouble::none);
  CHECK(ask(server.url()).answer.body == "last");
}

TEST_CASE("of a body no more is kept than asked for, and the rest is not waited for") {
  const ScriptedServer server(
      {http_answer(200, std::string(kKept, 'x')), http_answer(200, std::string(kKept + 1, 'x')),
       "HTTP/1.1 200 OK\r\nContent-Length: 9000000000\r\n\r\n" + std::string(100'000, 'x')});
  CHECK_FALSE(ask(server.url()).answer.truncated);
  for (int i = 0; i < 2; ++i) {
    const HttpOutcome outcome = ask(server.url());
    CHECK(outcome.answer.truncated);
    CHECK(outcome.answer.body == std::string(kKept, 'x'));
  }
}

TEST_CASE("an answer that is none, or has a head without end, is trouble") {
  const std::string long_line = "HTTP/1.1 200 OK\r\nX: " + std::string(kAnswerHeaderBytes, 'x') + "\r\n\r\n";
  std::string many_lines = "HTTP/1.1 200 OK\r\n";
  while (many_lines.size() < 100 * kAnswerHeaderBytes) many_lines += "X: y\r\n";
  std::string interim;
  for (int i = 0; i < 20; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  const ScriptedServer server({"", "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\n", long_line, many_lines + "\r\n",
                               interim, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
                               "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"});
  for (int i = 0; i < 9; ++i) {
    const HttpOutcome outcome = ask(server.url());
    INFO(i << " " << outcome.error);
    CHECK(outcome.trouble == HttpTrouble::broken);
    CHECK_FALSE(outcome.error.empty());
  }
}

TEST_CASE("a name that leads inside is refused, and nothing is sent") {
  const ScriptedServer server({http_answer(200)});
  for (const char* address :
       {"127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1", "0.0.0.0"}) {
    Names names{{address}};
    const HttpOutcome outcome = ask_by_name(names, server.url("/", "target.example"), false);
    INFO(address);
    CHECK(outcome.trouble == HttpTrouble::refused);
    CHECK_THAT(outcome.error, Catch::Contains("not allowed"));
  }
  CHECK(server.requests().empty());
}

TEST_CASE("one inner address among others is enough to be refused") {
  const ScriptedServer server({http_answer(200)});
  Names names{{"93.184.216.34", "2606:2800:220:1::1", "127.0.0.1"}};
  CHECK(ask_by_name(names, server.url("/", "target.example"), false).trouble == HttpTrouble::refused);
  CHECK(server.requests().empty());
}

TEST_CASE("an operator may open this machine and private networks, but not what clouds keep at link-local") {
  const ScriptedServer server({http_answer(200, "in")});
  Names names{{"127.0.0.1"}};
  CHECK(ask_by_name(names, server.url("/", "target.example"), true).answer.body == "in");
  CHECK_THAT(server.requests().at(0), Catch::Contains("Host: target.example:"));
  for (const char* address :
       {"169.254.169.254", "fe80::1", "::ffff:127.0.0.1", "224.0.0.1", "64:ff9b::7f00:1"}) {
    Names never{{address}};
    CHECK(ask_by_name(never, server.url("/", "target.example"), true).trouble == HttpTrouble::refused);
  }
}

TEST_CASE("a name is looked up once, and the connection goes to what was checked") {
  const ScriptedServer server({http_answer(200, "checked")});
  Names names{{"127.0.0.1"}};
  HttpClientConfig config;
  config.inner_networks = true;
  config.body_bytes = kKept;
  // A name server that answers otherwise a moment later.
  config.resolver = [&names](const std::string&) -> Result<std::vector<IpAddress>> {
    return std::vector<IpAddress>{*parse_ip(names.asked++ == 0 ? "127.0.0.1" : "169.254.169.254")};
  };
  const auto client = *HttpClient::make(std::move(config));
  const HttpOutcome outcome =
      client->send(get(server.url("/", "rebinding.example")), machine_now() + kPatience, {});
  CHECK(outcome.answer.body == "checked");
  CHECK(names.asked == 1);
}

TEST_CASE("where nobody listens, and a name that nobody knows, is unreachable") {
  const HttpOutcome outcome = ask("http://127.0.0.1:" + std::to_string(closed_port()) + "/");
  CHECK(outcome.trouble == HttpTrouble::unreachable);
  CHECK_THAT(outcome.error, Catch::Contains("refused"));
  Names none;
  CHECK(ask_by_name(none, "http://nobody.example/", true).trouble == HttpTrouble::unreachable);
}

TEST_CASE("the next address is tried when one does not take connections") {
  const ScriptedServer server({http_answer(200, "second")});
  Names names{{"127.0.0.2", "127.0.0.1"}};  // the server listens on the latter only
  CHECK(ask_by_name(names, server.url("/", "two.example"), true).answer.body == "second");
}

TEST_CASE("a silent target holds the caller until the deadline and no longer") {
  const ScriptedServer server({});
  Names none;
  const MonoTime begun = machine_now();
  const HttpOutcome outcome =
      client_with(&none, false)->send(get(server.url()), begun + milliseconds{100}, {});
  CHECK(outcome.trouble == HttpTrouble::timed_out);
  CHECK(machine_now() - begun >= milliseconds{100});
  CHECK(machine_now() - begun < kPatience);
}

TEST_CASE("a stop ends the wait at once, and one from before sends nothing") {
  const ScriptedServer server({});
  Names none;
  const auto client = client_with(&none, false);
  std::stop_source stop;
  HttpOutcome outcome;
  std::thread caller(
      [&] { outcome = client->send(get(server.url()), machine_now() + kPatience * 10, stop.get_token()); });
  const bool came = eventually([&] { return server.requests().size() == 1; });
  stop.request_stop();
  caller.join();
  CHECK(came);
  CHECK(outcome.trouble == HttpTrouble::stopped);
  CHECK(client->send(get(server.url()), machine_now() + kPatience, stop.get_token()).trouble ==
        HttpTrouble::stopped);
  CHECK(server.requests().size() == 1);
}

TEST_CASE("a file of authorities that cannot be read is an error that names it") {
  HttpClientConfig config;
  config.ca_file = "/no/such/file";
  const auto made = HttpClient::make(std::move(config));
  REQUIRE_FALSE(made);
  CHECK_THAT(made.error().what, Catch::StartsWith("/no/such/file"));
}

}  // namespace duly
