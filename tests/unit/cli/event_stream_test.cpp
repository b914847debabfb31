#include "cli/event_stream.h"

#include <catch2/catch.hpp>
#include <vector>

namespace duly::cli {
namespace {

const std::string kThree =
    ": 7-4\n\n"
    "id: 7-5\nevent: command\ndata: {\"id\":\"a\"}\n\n"
    "event: reset\ndata: {\"reason\":\"too_old\"}\n\n"
    "id: 7-9\r\nevent: command\r\ndata: {\"id\":\"b\"}\r\n\r\n";

std::vector<std::string> told(EventStream& stream, const std::string& text, std::size_t pieces_of) {
  std::vector<std::string> events;
  for (std::size_t at = 0; at < text.size(); at += pieces_of) {
    CHECK(stream.feed(text.substr(at, pieces_of), [&](const StreamEvent& event) {
      events.push_back(event.kind + " " + event.id + " " + event.data);
      return true;
    }));
  }
  return events;
}

}  // namespace

TEST_CASE("events are told once each, however their text is cut") {
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{7}, kThree.size()}) {
    CAPTURE(size);
    EventStream stream;
    CHECK(told(stream, kThree, size) == std::vector<std::string>{"command 7-5 {\"id\":\"a\"}",
                                                                 "reset  {\"reason\":\"too_old\"}",
                                                                 "command 7-9 {\"id\":\"b\"}"});
    CHECK(stream.last_id() == "7-9");
  }
}

TEST_CASE("what was half read when a connection ended is not told, and its id not remembered") {
  EventStream stream;
  CHECK(told(stream, "id: 1-1\nevent: command\ndata: 1\n\nid: 1-2\nevent: command\ndata: {\"i", 64).size() ==
        1);
  stream.restart();
  CHECK(stream.last_id() == "1-1");
  CHECK(told(stream, "id: 1-2\nevent: command\ndata: 2\n\n", 64) ==
        std::vector<std::string>{"command 1-2 2"});
}

TEST_CASE("who wants no more, and a line without an end, end the reading") {
  EventStream stream;
  int calls = 0;
  CHECK_FALSE(stream.feed(kThree, [&](const StreamEvent&) { return ++calls < 2; }));
  CHECK(calls == 2);
  EventStream endless;
  bool more = true;
  for (int i = 0; i < 100 && more; ++i)
    more = endless.feed(std::string(1024, 'x'), [](const StreamEvent&) { return true; });
  CHECK_FALSE(more);
}

}  // namespace duly::cli
