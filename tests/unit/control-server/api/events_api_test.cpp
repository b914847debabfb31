// GET /v1/events as a route: what it refuses, and what it hands to the connection.
#include <catch2/catch.hpp>

#include "tests/unit/control-server/api/api_world.h"

namespace duly::testing {

TEST_CASE("a stream of events is begun by a head of its own") {
  ApiWorld w;
  w.ask("GET", "/v1/events?queue=mail&type=a.b&state=dead&id=cmd_0000000000001");
  REQUIRE(w.status() == 200);
  CHECK(w.answer->content_type == "text/event-stream");
  REQUIRE(w.answer->stream);
  CHECK(w.sent.empty());  // the engine is not asked
  std::string text;
  const auto stream = std::make_shared<HttpStream>();
  stream->send = [&](const std::string& piece) { text += piece; };
  w.answer->stream(stream);
  CHECK(w.events.listening() == 1);
  stream->sent();
  w.loop.advance(Duration{0});
  CHECK(text == "retry: 1000\nid: abc-0\n\n");
  stream->closed();
  CHECK(w.events.listening() == 0);
}

TEST_CASE("the last id that a client has seen comes in its header") {
  ApiWorld w;
  w.ask("GET", "/v1/events", "", {{"last-event-id", "elsewhere-7"}});
  std::string text;
  const auto stream = std::make_shared<HttpStream>();
  stream->send = [&](const std::string& piece) { text += piece; };
  w.answer->stream(stream);
  stream->sent();
  w.loop.advance(Duration{0});
  CHECK(text == "retry: 1000\nevent: reset\nid: abc-0\ndata: {\"reason\":\"unknown_id\"}\n\n");
  stream->closed();
}

TEST_CASE("a filter that cannot be understood is refused by its name") {
  ApiWorld w;
  for (const char* const bad :
       {"queue=a/b", "queue=", "type=", "state=lost", "id=7", "id=", "label.x=1", "limit=1"}) {
    CAPTURE(bad);
    w.ask("GET", std::string("/v1/events?") + bad);
    CHECK(w.status() == 400);
    const std::string name = std::string(bad).substr(0, std::string(bad).find('='));
    CHECK(w.json()["errors"][0]["detail"].get<std::string>().find(name) != std::string::npos);
  }
}

TEST_CASE("there is nothing but GET of a stream") {
  ApiWorld w;
  for (const char* const method : {"HEAD", "POST", "PUT", "DELETE"}) {
    w.ask(method, "/v1/events");
    CHECK(w.status() == 405);
    CHECK(w.field("Allow") == "GET");
  }
}

TEST_CASE("one stream too many is told so") {
  ApiWorld w;
  std::vector<std::shared_ptr<HttpStream>> streams;
  for (std::size_t i = 0; i < limits::kEventStreams; ++i) {
    w.ask("GET", "/v1/events");
    REQUIRE(w.status() == 200);
    streams.push_back(std::make_shared<HttpStream>());
    w.answer->stream(streams.back());
  }
  w.ask("GET", "/v1/events");
  CHECK(w.status() == 503);
  CHECK(w.json()["title"] == "too_many_streams");
  CHECK(w.field("Retry-After") == "1");
  streams.front()->closed();
  w.ask("GET", "/v1/events");
  CHECK(w.status() == 200);
}

}  // namespace duly::testing
