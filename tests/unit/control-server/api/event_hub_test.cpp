#include "control-server/api/event_hub.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <vector>

#include "common/wire/json.h"
#include "tests/unit/control-server/api/manual_loop.h"

namespace duly::testing {
namespace {

constexpr std::int32_t kMail = 1, kNight = 2, kSend = 3, kReport = 4;

struct EventFrame {
  std::string event, id;
  Json data;
};

// A client that takes what it is given at once, until it is told to stop.
struct Listening {
  explicit Listening(ManualLoop& l) : loop(l) {
    stream->send = [this](std::string piece) {
      ++pieces;
      largest = std::max(largest, piece.size());
      text += piece;
      if (taking) loop.post([this] { stream->sent(); });
    };
    stream->end = [this] {
      ended = true;
      stream->closed();
    };
  }
  void listen(EventHub& hub, EventFilter filter = {}, const std::string& from = {}) {
    hub.listen(std::move(filter), from, stream);
    stream->sent();  // the head is out
    loop.advance(milliseconds{5});
  }
  // What has come, frame by frame; taken away.
  std::vector<EventFrame> take() {
    std::vector<EventFrame> frames;
    std::size_t begin = 0;
    for (std::size_t end = text.find("\n\n"); end != std::string::npos; end = text.find("\n\n", begin)) {
      EventFrame frame;
      std::string rest = text.substr(begin, end + 1 - begin);
      begin = end + 2;
      for (std::size_t line = rest.find('\n'); line != std::string::npos; line = rest.find('\n')) {
        const std::string one = rest.substr(0, line);
        rest.erase(0, line + 1);
        if (one.starts_with("event: ")) frame.event = one.substr(7);
        if (one.starts_with("id: ")) frame.id = last_id = one.substr(4);
        if (one.starts_with("data: ")) frame.data = parse_json(one.substr(6), 3).value();
      }
      if (!frame.event.empty()) frames.push_back(frame);
    }
    CHECK(begin == text.size());  // only whole frames are sent
    text.clear();
    return frames;
  }

  ManualLoop& loop;
  std::shared_ptr<HttpStream> stream = std::make_shared<HttpStream>();
  std::string text, last_id;
  int pieces = 0;
  std::size_t largest = 0;
  bool taking = true, ended = false;
};

StateChange state_change(std::int64_t id, State state, std::int32_t queue = kMail,
                         std::int32_t type = kSend) {
  return {CommandId{id}, ManualLoop::kStartMs, queue, type, 1, state, DeadReason::none};
}

struct HubWorld {
  explicit HubWorld(EventLimits limits = {}) : hub(loop, "abc", {}, limits) {
    hub.learn({{kMail, "mail"}, {kNight, "night"}, {kSend, "send"}, {kReport, "report"}});
  }
  void publish(std::vector<StateChange> items) {
    hub.publish({std::move(items), {}, true});
    loop.advance(milliseconds{5});
  }
  ManualLoop loop;
  EventHub hub;
};

EventLimits keeping(std::size_t kept) {
  EventLimits limits;
  limits.kept = kept;
  limits.streams = 3;
  return limits;
}

}  // namespace

TEST_CASE("the ring numbers without a gap, and the oldest give way") {
  EventRing ring(4);
  CHECK(ring.first() == ring.end());
  for (int i = 1; i <= 10; ++i) ring.add(state_change(i, State::scheduled));
  CHECK(ring.first() == 7);
  CHECK(ring.end() == 11);
  for (std::uint64_t n = 7; n < 11; ++n) CHECK(ring.at(n).id.value == static_cast<std::int64_t>(n));
  ring.lose();
  CHECK(ring.first() == ring.end());
  ring.add(state_change(99, State::queued));
  CHECK(ring.at(12).id.value == 99);
}

TEST_CASE("a large ring grows as it fills and keeps what it should") {
  EventRing ring(5000);
  for (int i = 1; i <= 12'345; ++i) ring.add(state_change(i, State::scheduled));
  CHECK(ring.first() == 12'346 - 5000);
  CHECK(ring.at(ring.first()).id.value == static_cast<std::int64_t>(ring.first()));
  CHECK(ring.at(12'345).id.value == 12'345);
}

TEST_CASE("a listener is told every change from now on, in order, and where it stands before the first") {
  HubWorld w;
  w.publish({state_change(1, State::scheduled)});
  Listening client(w.loop);
  client.listen(w.hub);
  CHECK(client.text == "retry: 1000\nid: abc-1\n\n");
  CHECK(client.take().empty());
  w.publish({state_change(1, State::queued), state_change(2, State::scheduled, kNight, kReport)});
  StateChange dead = state_change(1, State::dead);
  dead.attempt = 3;
  dead.reason = DeadReason::poison;
  w.publish({dead});
  const auto frames = client.take();
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].event == "command");
  CHECK(frames[0].id == "abc-2");
  CHECK(frames[0].data ==
        Json::parse(R"({"id":"cmd_0000000000001","queue":"mail","type":"send","state":"queued",
                                          "attempt":1,"at":"2026-11-21T09:00:00.000Z"})"));
  CHECK(frames[1].data["queue"] == "night");
  CHECK(frames[2].id == "abc-4");
  CHECK(frames[2].data["reason"] == "poison");
  CHECK(frames[2].data["attempt"] == 3);
}

TEST_CASE("an event names the workflow that its command is part of") {
  ManualLoop loop;
  EventHub hub(loop, "abc", [](CommandId id) { return CommandId{id.value == 7 ? 5 : 0}; });
  Listening client(loop);
  client.listen(hub);
  hub.publish({{state_change(7, State::running), state_change(8, State::running)}, {{kMail, "mail"}}, true});
  loop.advance(milliseconds{5});
  const auto frames = client.take();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].data["workflow_id"] == "wf_0000000000005");
  CHECK(frames[0].data["queue"] == "mail");
  CHECK(!frames[1].data.contains("workflow_id"));
}

TEST_CASE("who comes back with its last id misses nothing and hears nothing twice") {
  HubWorld w;
  Listening first(w.loop);
  first.listen(w.hub);
  w.publish({state_change(1, State::scheduled), state_change(2, State::scheduled)});
  CHECK(first.take().size() == 2);
  first.stream->closed();
  CHECK(w.hub.listening() == 0);
  w.publish({state_change(1, State::queued)});
  Listening again(w.loop);
  again.listen(w.hub, {}, first.last_id);
  w.publish({state_change(1, State::running)});
  const auto frames = again.take();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].data["state"] == "queued");
  CHECK(frames[1].data["state"] == "running");
  Listening nothing_new(w.loop);
  nothing_new.listen(w.hub, {}, again.last_id);
  CHECK(nothing_new.take().empty());
}

TEST_CASE("an id that is too old, of another process or of nobody is answered with one reset") {
  HubWorld w(keeping(4));
  for (int i = 1; i <= 6; ++i) w.publish({state_change(i, State::scheduled)});
  const auto reason = [&](const std::string& id) {
    Listening client(w.loop);
    client.listen(w.hub, {}, id);
    const auto frames = client.take();
    client.stream->closed();
    if (frames.size() != 1) return std::to_string(frames.size()) + " frames";
    CHECK(frames[0].id == "abc-6");
    return frames[0].event == "reset" ? frames[0].data["reason"].get<std::string>() : frames[0].event;
  };
  CHECK(reason("abc-1") == "too_old");
  CHECK(reason("abc-0") == "too_old");
  for (const char* const id : {"abd-5", "abc-7", "abc-", "abc", "-5", "abc-5x", "abc--5",
                               "abc-99999999999999999999", "ABC-5", " ", "abc-5 "}) {
    CAPTURE(id);
    CHECK(reason(id) == "unknown_id");
  }
  Listening oldest(w.loop);
  oldest.listen(w.hub, {}, "abc-2");
  CHECK(oldest.take().size() == 4);  // exactly what is kept
}

TEST_CASE("a filter lets through what it names, and all of it must agree") {
  HubWorld w;
  const auto heard = [&](EventFilter filter) {
    Listening client(w.loop);
    client.listen(w.hub, std::move(filter));
    w.publish({state_change(1, State::scheduled, kMail, kSend),
               state_change(2, State::scheduled, kNight, kSend), state_change(1, State::dead, kMail, kSend),
               state_change(3, State::dead, kNight, kReport)});
    std::string text;
    for (const EventFrame& frame : client.take()) text += frame.id.substr(4) + " ";
    client.stream->closed();
    return text;
  };
  CHECK(heard({}) == "1 2 3 4 ");
  CHECK(heard({"mail", "", {}, {}}) == "5 7 ");
  CHECK(heard({"", "send", {}, {}}) == "9 10 11 ");
  CHECK(heard({"", "", State::dead, {}}) == "15 16 ");
  CHECK(heard({"", "", {}, CommandId{1}}) == "17 19 ");
  CHECK(heard({"mail", "send", State::dead, CommandId{1}}) == "23 ");
  CHECK(heard({"mail", "report", {}, {}}).empty());
  CHECK(heard({"of tomorrow", "", {}, {}}).empty());
}

TEST_CASE("a queue that is new is known by the changes that bring it") {
  HubWorld w;
  Listening client(w.loop);
  client.listen(w.hub, {"fresh", "", {}, {}});
  w.hub.publish({{state_change(1, State::scheduled, 50)}, {{50, "fresh"}}, true});
  w.loop.advance(milliseconds{5});
  CHECK(client.take().at(0).data["queue"] == "fresh");
}

TEST_CASE("a slow reader holds one piece, is told once what it missed, and holds nobody up") {
  HubWorld w(keeping(100));
  Listening slow(w.loop);
  Listening quick(w.loop);
  slow.listen(w.hub);
  quick.listen(w.hub);
  slow.taking = false;
  for (int i = 1; i <= 1000; ++i) w.publish({state_change(i, State::scheduled)});
  CHECK(quick.take().size() == 1000);
  CHECK(slow.take().size() == 1);  // on its way when it stopped
  slow.taking = true;
  slow.stream->sent();
  w.loop.advance(milliseconds{5});
  w.publish({state_change(1001, State::scheduled)});
  const auto frames = slow.take();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].event == "reset");
  CHECK(frames[0].data["reason"] == "too_slow");
  CHECK(frames[0].id == "abc-1000");
  CHECK(frames[1].id == "abc-1001");
}

TEST_CASE("changes that could not even be noted are one reset for everybody") {
  HubWorld w;
  Listening client(w.loop);
  client.listen(w.hub);
  w.hub.publish({{state_change(5, State::queued)}, {}, false});
  w.loop.advance(milliseconds{5});
  const auto frames = client.take();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].event == "reset");
  w.publish({state_change(5, State::running)});
  CHECK(client.take().size() == 1);
}

TEST_CASE("one turn of the loop does a bounded amount of work, and every listener has its part") {
  EventLimits limits;
  limits.piece_bytes = 4000;
  HubWorld w(limits);
  std::vector<std::unique_ptr<Listening>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Listening>(w.loop));
    clients.back()->listen(w.hub);
  }
  std::vector<StateChange> many;
  for (int i = 0; i < 4'000; ++i) many.push_back(state_change(i, State::scheduled));
  w.hub.publish({many, {}, true});
  w.loop.advance(Duration{0});
  for (const auto& client : clients) CHECK(client->pieces == 2);  // the greeting, and one of many
  w.loop.advance(milliseconds{10});
  CHECK(clients[0]->text.size() < 100'000);
  w.loop.advance(seconds{5});
  for (const auto& client : clients) {
    CHECK(client->take().size() == 4'000);
    CHECK(client->largest < 4400);
  }
}

TEST_CASE("a quiet stream beats, and its place in the ring does not grow old") {
  HubWorld w(keeping(4));
  Listening client(w.loop);
  client.listen(w.hub, {"night", "", {}, {}});
  client.text.clear();
  for (int i = 1; i <= 20; ++i) w.publish({state_change(i, State::scheduled, kMail)});
  CHECK(client.text.empty());
  w.loop.advance(seconds{15});
  CHECK(client.text == ":\nid: abc-20\n\n");
  w.loop.advance(seconds{30});
  CHECK(client.text == ":\nid: abc-20\n\n:\nid: abc-20\n\n:\nid: abc-20\n\n");
  client.taking = false;
  w.loop.advance(seconds{60});  // one more, and then it takes no more
  CHECK(client.pieces == 5);
}

TEST_CASE("there is room for so many streams, and again when one has ended") {
  HubWorld w(keeping(4));
  std::vector<std::unique_ptr<Listening>> clients;
  for (int i = 0; i < 3; ++i) {
    CHECK(!w.hub.full());
    clients.push_back(std::make_unique<Listening>(w.loop));
    clients.back()->listen(w.hub);
  }
  CHECK(w.hub.full());
  clients[1]->stream->closed();
  CHECK(!w.hub.full());
  w.hub.end_all();
  CHECK(clients[0]->ended);
  CHECK(clients[2]->ended);
  CHECK(w.hub.listening() == 0);
  w.publish({state_change(1, State::scheduled)});
  w.loop.advance(seconds{60});
}

}  // namespace duly::testing
