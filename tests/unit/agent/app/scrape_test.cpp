#include "agent/app/scrape.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

using Catch::Matchers::Contains;

std::string ask(const std::string& head, const ScrapeDoor& door = {}) {
  return answer_scrape(head, door, [] { return std::string("duly_up 1\n"); });
}

std::string get(const std::string& path, const std::string& fields = "", const ScrapeDoor& door = {}) {
  return ask("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1:9\r\n" + fields + "\r\n", door);
}

int status_of(const std::string& answer) { return std::stoi(answer.substr(9, 3)); }

}  // namespace

TEST_CASE("metrics and health are answered, each answer whole and the last of its connection") {
  const std::string metrics = get("/metrics?x=1");
  CHECK(metrics.rfind("HTTP/1.1 200 OK\r\n", 0) == 0);
  CHECK_THAT(metrics, Contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
  CHECK_THAT(metrics, Contains("Content-Length: 10\r\n") && Contains("Connection: close\r\n"));
  CHECK_THAT(metrics, Catch::Matchers::EndsWith("\r\n\r\nduly_up 1\n"));
  CHECK_THAT(get("/healthz"), Contains("{\"status\":\"alive\"}"));
  const std::string head = ask("HEAD /metrics HTTP/1.0\r\n\r\n");
  CHECK_THAT(head, Contains("Content-Length: 10\r\n") && Catch::Matchers::EndsWith("\r\n\r\n"));
}

TEST_CASE("what is not there, not allowed or not HTTP is refused") {
  CHECK(status_of(get("/")) == 404);
  CHECK(status_of(get("/metrics/")) == 404);
  CHECK(status_of(ask("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")) == 405);
  for (const char* head :
       {"\r\n\r\n", "GET /metrics\r\n\r\n", "GET metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /metrics HTTP/1.1\r\n\r\n", "GET /metrics HTTP/2\r\nHost: localhost\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost : localhost\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n", ""})
    CHECK(status_of(ask(head)) == 400);
}

TEST_CASE("on loopback only this machine's names are answered for") {
  const auto with_host = [](const std::string& host, bool loopback) {
    return status_of(ask("GET /metrics HTTP/1.1\r\nHost: " + host + "\r\n\r\n", {{}, loopback}));
  };
  for (const char* host : {"localhost", "LocalHost:80", "127.0.0.1", "[::1]:9464"})
    CHECK(with_host(host, true) == 200);
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "[::2]", "", "localhost.evil"})
    CHECK(with_host(host, true) == 421);
  CHECK(with_host("agent-7.example", false) == 200);
}

TEST_CASE("with tokens metrics need one of them, and health none") {
  const ScrapeDoor door{{sha256("first-token-0123456"), sha256("second-token-012345")}, true};
  CHECK(status_of(get("/metrics", "", door)) == 401);
  CHECK(status_of(get("/metrics", "Authorization: Bearer \r\n", door)) == 401);
  CHECK(status_of(get("/metrics", "Authorization: Bearer first-token-012345\r\n", door)) == 401);
  CHECK(status_of(get("/metrics", "Authorization: Basic first-token-0123456\r\n", door)) == 401);
  CHECK(status_of(get("/metrics", "authorization: bearer  second-token-012345 \r\n", door)) == 200);
  CHECK(status_of(get("/healthz", "", door)) == 200);
  CHECK_THAT(get("/metrics", "", door), Contains("WWW-Authenticate: Bearer\r\n"));
}

}  // namespace duly
