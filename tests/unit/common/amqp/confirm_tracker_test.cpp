#include "common/amqp/confirm_tracker.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace duly {

// Shown as text when a check fails, and compared as text: "7 confirmed".
static std::vector<std::string> told(const std::vector<SettledPublish>& settled) {
  static const char* const kNames[] = {"confirmed", "returned", "rejected", "in_doubt"};
  std::vector<std::string> all;
  for (const auto& one : settled) {
    all.push_back(std::to_string(one.ticket) + " " + kNames[static_cast<int>(one.outcome)]);
  }
  return all;
}
using Told = std::vector<std::string>;

// Of a message to our own queue with this id.
static Fingerprint by_id(const std::string& message_id) {
  AmqpMessage message;
  message.exchange = topology::kExecuteExchange;
  message.routing_key = "default";
  message.message_id = message_id;
  return fingerprint_of(message, Compare::by_id);
}

// Of a delivery with the same id as every other.
static Fingerprint delivery(const std::string& exchange, const std::string& key, const std::string& body,
                            const std::string& properties = "p") {
  AmqpMessage message;
  message.exchange = exchange;
  message.routing_key = key;
  message.message_id = "same";
  message.body = make_bytes(body);
  message.properties = properties;
  return fingerprint_of(message, Compare::by_content);
}

static constexpr MonoTime at(int second) { return MonoTime{seconds{second}}; }

TEST_CASE("tags count from one, and an ack settles its own publish only") {
  ConfirmTracker tracker;
  CHECK(tracker.on_publish(70, by_id("a"), at(1)) == 1);
  CHECK(tracker.on_publish(71, by_id("b"), at(2)) == 2);
  CHECK(tracker.on_publish(72, by_id("c"), at(3)) == 3);
  CHECK(told(tracker.on_ack(2, false)) == Told{"71 confirmed"});
  CHECK(tracker.open() == 2);
  CHECK(told(tracker.on_ack(1, false)) == Told{"70 confirmed"});
  CHECK(told(tracker.on_ack(3, false)) == Told{"72 confirmed"});
  CHECK(tracker.open() == 0);
}

TEST_CASE("a multiple ack settles everything up to its tag that is still open") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 5; ++ticket) tracker.on_publish(ticket, by_id("m"), at(0));
  CHECK(told(tracker.on_ack(2, false)) == Told{"2 confirmed"});
  CHECK(told(tracker.on_ack(4, true)) == Told{"1 confirmed", "3 confirmed", "4 confirmed"});
  CHECK(told(tracker.on_ack(4, true)).empty());
  CHECK(tracker.open() == 1);
}

TEST_CASE("a multiple ack whose own tag was settled before still settles those below it") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 3; ++ticket) tracker.on_publish(ticket, by_id("m"), at(0));
  CHECK(told(tracker.on_ack(2, false)) == Told{"2 confirmed"});
  CHECK(told(tracker.on_ack(2, true)) == Told{"1 confirmed"});
}

TEST_CASE("a multiple ack beyond the last publish settles what is open") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("m"), at(0));
  CHECK(told(tracker.on_ack(99, true)) == Told{"1 confirmed"});
}

TEST_CASE("tag zero with multiple means everything, without it nothing") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 3; ++ticket) tracker.on_publish(ticket, by_id("m"), at(0));
  CHECK(told(tracker.on_ack(0, false)).empty());
  CHECK(told(tracker.on_nack(0, true)) == Told{"1 rejected", "2 rejected", "3 rejected"});
  CHECK(told(tracker.on_ack(0, true)).empty());
}

TEST_CASE("unknown and already settled tags change nothing") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("m"), at(0));
  CHECK(told(tracker.on_ack(2, false)).empty());
  CHECK(told(tracker.on_ack(1, false)) == Told{"1 confirmed"});
  CHECK(told(tracker.on_ack(1, false)).empty());
  CHECK(told(tracker.on_nack(1, false)).empty());
}

TEST_CASE("a return makes the ack that follows mean returned, for that publish only") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("a"), at(0));
  tracker.on_publish(2, by_id("b"), at(0));
  tracker.on_return(by_id("b"));
  CHECK(told(tracker.on_ack(2, true)) == Told{"1 confirmed", "2 returned"});
}

TEST_CASE("a returned publish is returned even when it is then refused") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("a"), at(0));
  tracker.on_return(by_id("a"));
  CHECK(told(tracker.on_nack(1, false)) == Told{"1 returned"});
}

TEST_CASE("of two publishes with one message id the older is returned first") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("same"), at(0));
  tracker.on_publish(2, by_id("same"), at(0));
  tracker.on_return(by_id("same"));
  CHECK(told(tracker.on_ack(1, false)) == Told{"1 returned"});
  tracker.on_return(by_id("same"));
  CHECK(told(tracker.on_ack(2, false)) == Told{"2 returned"});
}

TEST_CASE("a return by a way that nothing went changes nothing") {
  ConfirmTracker tracker;
  tracker.on_publish(1, delivery("x", "a", "1"), at(0));
  tracker.on_return(delivery("x", "b", "1"));
  tracker.on_return(delivery("y", "a", "1"));
  CHECK(told(tracker.on_ack(1, false)) == Told{"1 confirmed"});
}

TEST_CASE("of deliveries with one id the one with this body and these properties is returned") {
  ConfirmTracker tracker;
  tracker.on_publish(1, delivery("x", "k", "1"), at(0));
  tracker.on_publish(2, delivery("x", "k", "2"), at(0));
  tracker.on_publish(3, delivery("x", "k", "2", "q"), at(0));
  tracker.on_return(delivery("x", "k", "2"), "NO_ROUTE");
  const auto settled = tracker.on_ack(3, true);
  CHECK(told(settled) == Told{"1 confirmed", "2 returned", "3 confirmed"});
  CHECK(settled[1].detail == "NO_ROUTE");
}

TEST_CASE("a return that is like none of those that went its way is held against all of them") {
  ConfirmTracker tracker;
  tracker.on_publish(1, delivery("x", "k", "1"), at(0));
  tracker.on_publish(2, delivery("x", "other", "1"), at(0));
  tracker.on_publish(3, delivery("x", "k", "2"), at(0));
  tracker.on_return(delivery("x", "k", "changed on its way"));
  CHECK(told(tracker.on_ack(3, true)) == Told{"1 returned", "2 confirmed", "3 returned"});
}

TEST_CASE("a channel closed for an exchange fails what went there, and leaves the rest in doubt") {
  ConfirmTracker tracker;
  tracker.on_publish(1, delivery("x", "k", "1"), at(0));
  tracker.on_publish(2, delivery("gone", "k", "1"), at(0));
  tracker.on_publish(3, delivery("gone", "l", "1"), at(0));
  const auto settled = tracker.on_channel_refused("NOT_FOUND - no exchange 'gone' in vhost '/'");
  CHECK(told(settled) == Told{"2 returned", "3 returned", "1 in_doubt"});
  CHECK(settled[0].detail == "NOT_FOUND - no exchange 'gone' in vhost '/'");
  CHECK(tracker.on_publish(4, delivery("x", "k", "1"), at(0)) == 1);
}

TEST_CASE("a channel closed without a name is held against an only publish, else against nobody") {
  ConfirmTracker tracker;
  tracker.on_publish(1, delivery("x", "k", "1"), at(0));
  tracker.on_publish(2, delivery("y", "k", "1"), at(0));
  CHECK(told(tracker.on_channel_refused("PRECONDITION_FAILED")) == Told{"1 in_doubt", "2 in_doubt"});
  tracker.on_publish(3, delivery("x", "k", "1"), at(0));
  CHECK(told(tracker.on_channel_refused("PRECONDITION_FAILED")) == Told{"3 returned"});
}

TEST_CASE("a nack is a refusal, single or multiple") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 3; ++ticket) tracker.on_publish(ticket, by_id("m"), at(0));
  CHECK(told(tracker.on_nack(3, false)) == Told{"3 rejected"});
  CHECK(told(tracker.on_nack(2, true)) == Told{"1 rejected", "2 rejected"});
}

TEST_CASE(
    "when the channel is lost everything open is in doubt, also what was returned, and tags begin again") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("a"), at(0));
  tracker.on_publish(2, by_id("b"), at(0));
  tracker.on_return(by_id("a"));
  CHECK(told(tracker.on_channel_lost()) == Told{"1 in_doubt", "2 in_doubt"});
  CHECK(told(tracker.on_channel_lost()).empty());
  CHECK(tracker.on_publish(3, by_id("c"), at(0)) == 1);
}

TEST_CASE("a late ack of a lost channel settles nothing while nothing is open") {
  ConfirmTracker tracker;
  tracker.on_publish(1, by_id("a"), at(0));
  tracker.on_publish(2, by_id("b"), at(0));
  CHECK(tracker.on_channel_lost().size() == 2);
  CHECK(told(tracker.on_ack(2, true)).empty());
}

TEST_CASE("the oldest is the earliest publish still open") {
  ConfirmTracker tracker;
  CHECK_FALSE(tracker.oldest());
  tracker.on_publish(1, by_id("a"), at(5));
  tracker.on_publish(2, by_id("b"), at(6));
  CHECK(tracker.oldest() == at(5));
  (void)tracker.on_ack(1, false);
  CHECK(tracker.oldest() == at(6));
  (void)tracker.on_ack(2, false);
  CHECK_FALSE(tracker.oldest());
}

}  // namespace duly
