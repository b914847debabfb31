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

static constexpr MonoTime at(int second) { return MonoTime{seconds{second}}; }

TEST_CASE("tags count from one, and an ack settles its own publish only") {
  ConfirmTracker tracker;
  CHECK(tracker.on_publish(70, "a", at(1)) == 1);
  CHECK(tracker.on_publish(71, "b", at(2)) == 2);
  CHECK(tracker.on_publish(72, "c", at(3)) == 3);
  CHECK(told(tracker.on_ack(2, false)) == Told{"71 confirmed"});
  CHECK(tracker.open() == 2);
  CHECK(told(tracker.on_ack(1, false)) == Told{"70 confirmed"});
  CHECK(told(tracker.on_ack(3, false)) == Told{"72 confirmed"});
  CHECK(tracker.open() == 0);
}

TEST_CASE("a multiple ack settles everything up to its tag that is still open") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 5; ++ticket) tracker.on_publish(ticket, "m", at(0));
  CHECK(told(tracker.on_ack(2, false)) == Told{"2 confirmed"});
  CHECK(told(tracker.on_ack(4, true)) == Told{"1 confirmed", "3 confirmed", "4 confirmed"});
  CHECK(told(tracker.on_ack(4, true)).empty());
  CHECK(tracker.open() == 1);
}

TEST_CASE("a multiple ack whose own tag was settled before still settles those below it") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 3; ++ticket) tracker.on_publish(ticket, "m", at(0));
  CHECK(told(tracker.on_ack(2, false)) == Told{"2 confirmed"});
  CHECK(told(tracker.on_ack(2, true)) == Told{"1 confirmed"});
}

TEST_CASE("a multiple ack beyond the last publish settles what is open") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "m", at(0));
  CHECK(told(tracker.on_ack(99, true)) == Told{"1 confirmed"});
}

TEST_CASE("tag zero with multiple means everything, without it nothing") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 3; ++ticket) tracker.on_publish(ticket, "m", at(0));
  CHECK(told(tracker.on_ack(0, false)).empty());
  CHECK(told(tracker.on_nack(0, true)) == Told{"1 rejected", "2 rejected", "3 rejected"});
  CHECK(told(tracker.on_ack(0, true)).empty());
}

TEST_CASE("unknown and already settled tags change nothing") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "m", at(0));
  CHECK(told(tracker.on_ack(2, false)).empty());
  CHECK(told(tracker.on_ack(1, false)) == Told{"1 confirmed"});
  CHECK(told(tracker.on_ack(1, false)).empty());
  CHECK(told(tracker.on_nack(1, false)).empty());
}

TEST_CASE("a return makes the ack that follows mean returned, for that publish only") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "a", at(0));
  tracker.on_publish(2, "b", at(0));
  tracker.on_return("b");
  CHECK(told(tracker.on_ack(2, true)) == Told{"1 confirmed", "2 returned"});
}

TEST_CASE("a returned publish is returned even when it is then refused") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "a", at(0));
  tracker.on_return("a");
  CHECK(told(tracker.on_nack(1, false)) == Told{"1 returned"});
}

TEST_CASE("of two publishes with one message id the older is returned first") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "same", at(0));
  tracker.on_publish(2, "same", at(0));
  tracker.on_return("same");
  CHECK(told(tracker.on_ack(1, false)) == Told{"1 returned"});
  tracker.on_return("same");
  CHECK(told(tracker.on_ack(2, false)) == Told{"2 returned"});
}

TEST_CASE("a return of an unknown message changes nothing") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "a", at(0));
  tracker.on_return("never sent");
  CHECK(told(tracker.on_ack(1, false)) == Told{"1 confirmed"});
}

TEST_CASE("a nack is a refusal, single or multiple") {
  ConfirmTracker tracker;
  for (PublishTicket ticket = 1; ticket <= 3; ++ticket) tracker.on_publish(ticket, "m", at(0));
  CHECK(told(tracker.on_nack(3, false)) == Told{"3 rejected"});
  CHECK(told(tracker.on_nack(2, true)) == Told{"1 rejected", "2 rejected"});
}

TEST_CASE(
    "when the channel is lost everything open is in doubt, also what was returned, and tags begin again") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "a", at(0));
  tracker.on_publish(2, "b", at(0));
  tracker.on_return("a");
  CHECK(told(tracker.on_channel_lost()) == Told{"1 in_doubt", "2 in_doubt"});
  CHECK(told(tracker.on_channel_lost()).empty());
  CHECK(tracker.on_publish(3, "c", at(0)) == 1);
}

TEST_CASE("a late ack of a lost channel settles nothing while nothing is open") {
  ConfirmTracker tracker;
  tracker.on_publish(1, "a", at(0));
  tracker.on_publish(2, "b", at(0));
  CHECK(tracker.on_channel_lost().size() == 2);
  CHECK(told(tracker.on_ack(2, true)).empty());
}

TEST_CASE("the oldest is the earliest publish still open") {
  ConfirmTracker tracker;
  CHECK_FALSE(tracker.oldest());
  tracker.on_publish(1, "a", at(5));
  tracker.on_publish(2, "b", at(6));
  CHECK(tracker.oldest() == at(5));
  (void)tracker.on_ack(1, false);
  CHECK(tracker.oldest() == at(6));
  (void)tracker.on_ack(2, false);
  CHECK_FALSE(tracker.oldest());
}

}  // namespace duly
