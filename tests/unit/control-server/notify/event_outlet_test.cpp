#include "control-server/notify/event_outlet.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "common/wire/json.h"

namespace duly {
namespace {

constexpr MonoTime kNow{seconds{100}};
constexpr QueueNumber kMail = 1, kMailShort = 4;
constexpr TypeNumber kSend = 2, kSendLong = 3;

StateChange a_change(State state = State::succeeded, std::int64_t id = 7) {
  StateChange change;
  change.id = CommandId{id};
  change.at_ms = 1'795'251'600'250;
  change.queue = kMail;
  change.type = kSend;
  change.attempt = 2;
  change.state = state;
  return change;
}

StateChanges a_batch(std::vector<StateChange> items) { return {std::move(items), {}, true}; }

// Knows its names, as after a start.
struct Fixture {
  explicit Fixture(EventOutletLimits limits = {}) : outlet(limits) {
    outlet.learn({{kMail, "mail"}, {kSend, "send.mail"}, {kSendLong, "mail"}, {kMailShort, "mail.send"}});
  }
  EventOutlet outlet;

  std::vector<std::string> keys(MonoTime now) {
    std::vector<std::string> all;
    while (const auto message = outlet.next(now)) all.push_back(message->routing_key);
    return all;
  }
};

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE("the event message is the one of the examples") {
  std::ifstream in(DULY_SOURCE_DIR "/proto-schemas/examples/event-message.json", std::ios::binary);
  const Json wanted = Json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  Fixture f;
  StateChange change = a_change(State::dead);
  change.id = *parse_command_id("cmd_1P2Z8M40R8001");
  change.reason = DeadReason::attempts_exhausted;
  f.outlet.offer(a_batch({change}));
  const auto message = f.outlet.next(kNow);
  REQUIRE(message);
  CHECK(message->exchange == wanted.at("exchange"));
  CHECK(message->routing_key == wanted.at("routing_key"));
  CHECK(*message->body == wanted.at("body"));
  const Json& properties = wanted.at("properties");
  CHECK(message->correlation_id == properties.at("correlation_id"));
  CHECK(message->type == properties.at("type"));
  CHECK(message->content_type == properties.at("content_type"));
  CHECK(message->timestamp_s == properties.at("timestamp"));
  CHECK(message->message_id.empty());
  CHECK(message->headers.empty());
}

TEST_CASE("changes come out in their order, over batches, each once") {
  Fixture f;
  f.outlet.offer(a_batch({a_change(State::scheduled), a_change(State::queued)}));
  f.outlet.offer(a_batch({a_change(State::running)}));
  CHECK(f.keys(kNow) == Keys{"mail.send.mail.scheduled", "mail.send.mail.queued", "mail.send.mail.running"});
  CHECK(f.keys(kNow).empty());
  CHECK(f.outlet.counts().published == 3);
}

TEST_CASE("a name that came with a batch is known for that batch and for later ones") {
  Fixture f;
  StateChange change = a_change();
  change.type = 9;
  f.outlet.offer({{change}, {{9, "bill"}}, true});
  CHECK(f.keys(kNow) == Keys{"mail.bill.succeeded"});
  f.outlet.offer(a_batch({change}));
  CHECK(f.keys(kNow) == Keys{"mail.bill.succeeded"});
}

TEST_CASE("a key that nobody is bound to is spared for a second, and no other is") {
  Fixture f;
  f.outlet.unheard("mail.send.mail.succeeded", kNow);  // not known yet: says nothing
  f.outlet.offer(a_batch({a_change(), a_change(State::running)}));
  CHECK(f.keys(kNow).size() == 2);
  f.outlet.unheard("mail.send.mail.succeeded", kNow);
  f.outlet.offer(a_batch({a_change(), a_change(State::running)}));
  CHECK(f.keys(kNow + limits::kUnheardEvent - microseconds{1}) == Keys{"mail.send.mail.running"});
  CHECK(f.outlet.counts().unheard == 1);
  f.outlet.offer(a_batch({a_change()}));
  CHECK(f.keys(kNow + limits::kUnheardEvent) == Keys{"mail.send.mail.succeeded"});
}

TEST_CASE("names with dots that make the same routing key are one key to be spared") {
  Fixture f;
  StateChange other = a_change();  // mail.send + mail, where the first is mail + send.mail
  other.queue = kMailShort;
  other.type = kSendLong;
  f.outlet.offer(a_batch({a_change(), other}));
  CHECK(f.keys(kNow) == Keys{"mail.send.mail.succeeded", "mail.send.mail.succeeded"});
  f.outlet.unheard("mail.send.mail.succeeded", kNow);
  f.outlet.offer(a_batch({a_change(), other}));
  CHECK(f.keys(kNow).empty());
}

TEST_CASE("what does not fit pushes the oldest batch out, is counted, and takes no name with it") {
  EventOutletLimits limits;
  limits.waiting = 4;
  Fixture f(limits);
  StateChange named = a_change();
  named.type = 9;
  f.outlet.offer({{named, named}, {{9, "bill"}}, true});
  f.outlet.offer(a_batch({a_change(State::queued)}));
  CHECK(f.outlet.counts().dropped == 0);
  f.outlet.offer(a_batch({named}));
  CHECK(f.outlet.counts().dropped == 0);
  f.outlet.offer(a_batch({a_change(State::running)}));
  CHECK(f.outlet.counts().dropped == 2);
  CHECK(f.keys(kNow) == Keys{"mail.send.mail.queued", "mail.bill.succeeded", "mail.send.mail.running"});
  f.outlet.offer({{}, {}, false});  // of a batch that was too large to be told
  CHECK(f.outlet.counts().dropped == 3);
}

TEST_CASE("of too many routing keys the one known the longest is forgotten") {
  EventOutletLimits limits;
  limits.keys = 2;
  Fixture f(limits);
  f.outlet.offer(a_batch({a_change(State::queued), a_change(State::running)}));
  CHECK(f.keys(kNow).size() == 2);
  for (const char* key : {"mail.send.mail.queued", "mail.send.mail.running"}) f.outlet.unheard(key, kNow);
  f.outlet.offer(a_batch({a_change(State::succeeded)}));
  CHECK(f.keys(kNow).size() == 1);  // in the place of `queued`
  f.outlet.offer(a_batch({a_change(State::running)}));
  CHECK(f.keys(kNow).empty());
  f.outlet.offer(a_batch({a_change(State::queued)}));
  CHECK(f.keys(kNow) == Keys{"mail.send.mail.queued"});
}

}  // namespace duly
