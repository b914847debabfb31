// The rules that every Broker keeps of messages to exchanges that are not ours (deliver mode).
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "common/model/message_properties.h"
#include "tests/contract/broker_contract.h"

namespace duly::test {

// A message as deliver mode sends it, with this id.
inline AmqpMessage delivery_to(const std::string& exchange, const std::string& key,
                               const std::string& message_id, const std::string& body = "{}") {
  MessageProperties properties;
  properties.message_id = message_id;
  AmqpMessage message;
  message.exchange = exchange;
  message.routing_key = key;
  message.body = make_bytes(body);
  message.verbatim = true;
  message.properties = write_properties(properties);
  return message;
}

// What shares its channel with one that closes it may be in doubt: then it is published again.
inline PublishOutcome told_in_the_end(Client& client, PublishTicket ticket, const AmqpMessage& message) {
  for (int round = 0; round < 5 && client.outcomes[ticket].at(0) == PublishOutcome::in_doubt; ++round) {
    ticket += 100;
    client.broker->publish(ticket, message);
    if (!client.until([&] { return client.outcomes.contains(ticket); })) return PublishOutcome::in_doubt;
  }
  return client.outcomes[ticket].at(0);
}

// Deliver mode: to the queue's own name by way of the default exchange, which is one that is not Duly's.
inline void deliveries_arrive_as_they_were(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);
  const std::string way = topology::execute_queue(queue);
  REQUIRE(client.until_up());
  REQUIRE(client.until_ready(queue, 0));
  AmqpMessage message = delivery_to("", way, "m-1", std::string("\0\xFF{", 3));
  MessageProperties properties = *read_properties(message.properties);
  properties.headers = {MessageHeader::text("a", "x"), MessageHeader::number("n", -7),
                        MessageHeader::flag("f", true), MessageHeader::real("r", 0.5),
                        MessageHeader{"nested", 'F', std::string("\0\0\0\4\1kt\1", 8)}};
  properties.priority = 3;
  properties.timestamp_s = 1'767'225'600;
  properties.correlation_id = "c";
  properties.reply_to = "r";
  properties.type = "order/made";
  message.properties = write_properties(properties);
  client.broker->publish(1, message);
  client.broker->consume(queue, 10);
  REQUIRE(client.until_delivered(1));
  REQUIRE(client.until_settled(1));
  CHECK(client.outcomes[1] == std::vector{PublishOutcome::confirmed});
  const AmqpMessage& got = client.deliveries.front().message;
  CHECK(*got.body == *message.body);
  const auto read = read_properties(got.properties);
  REQUIRE(read);
  CHECK(*read == properties);
}

inline void deliveries_to_others_are_settled(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);
  const std::string way = topology::execute_queue(queue);
  REQUIRE(client.until_up());
  REQUIRE(client.until_ready(queue, 0));
  const auto outcome = [&client](PublishTicket ticket) { return client.outcomes[ticket].at(0); };

  SECTION("no way, no exchange, no leave: each says so, and neighbours lose nothing for good") {
    const std::string nowhere = topology::execute_queue(world.fresh_queue());
    const AmqpMessage own = message_for(queue, "own");
    client.broker->publish(1, delivery_to("", nowhere, "same"));
    client.broker->publish(2, delivery_to("", way, "same"));
    client.broker->publish(3, delivery_to("no-such-exchange", "k", ""));
    client.broker->publish(4, own);
    client.broker->publish(5, delivery_to("amq.rabbitmq.trace", "k", "internal"));
    client.broker->publish(6, own);
    REQUIRE(client.until_settled(6));
    CHECK(client.each_settled_once());
    CHECK(outcome(4) == PublishOutcome::confirmed);
    CHECK(outcome(6) == PublishOutcome::confirmed);
    CHECK(told_in_the_end(client, 1, delivery_to("", nowhere, "same")) == PublishOutcome::returned);
    CHECK(told_in_the_end(client, 2, delivery_to("", way, "same")) == PublishOutcome::confirmed);
    CHECK(told_in_the_end(client, 3, delivery_to("no-such-exchange", "k", "")) == PublishOutcome::returned);
    const AmqpMessage internal = delivery_to("amq.rabbitmq.trace", "k", "internal");
    CHECK(told_in_the_end(client, 5, internal) == PublishOutcome::returned);
    std::string all;
    for (const auto& [ticket, detail] : client.details) all += detail;
    CHECK(all.find("no exchange 'no-such-exchange'") != std::string::npos);
    CHECK(all.find("ACCESS_REFUSED") != std::string::npos);
  }
  SECTION("of messages with one id those without a way are returned, and no other") {
    for (PublishTicket ticket = 1; ticket <= 20; ++ticket) {
      const std::string to = ticket % 2 == 0 ? topology::execute_queue(queue + "-none") : way;
      client.broker->publish(ticket, delivery_to("", to, "same", std::to_string(ticket % 4)));
    }
    REQUIRE(client.until_settled(20));
    for (PublishTicket ticket = 1; ticket <= 20; ++ticket) {
      INFO(ticket);
      CHECK(outcome(ticket) == (ticket % 2 == 0 ? PublishOutcome::returned : PublishOutcome::confirmed));
    }
    CHECK(client.until_ready(queue, 10));
  }
}

// Neighbours of messages to a bad exchange, once it is known to be bad: not one of them is even in doubt.
inline void a_bad_exchange_costs_its_neighbours_nothing(BrokerWorld& world, const std::string& exchange) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);
  REQUIRE(client.until_up());
  REQUIRE(client.until_ready(queue, 0));
  client.broker->publish(1, delivery_to(exchange, "k", "first"));
  REQUIRE(client.until_settled(1));
  CHECK(client.outcomes[1] == std::vector{PublishOutcome::returned});
  for (PublishTicket ticket = 2; ticket <= 41; ++ticket) {
    const bool good = ticket % 2 == 0;
    const std::string way = good ? topology::execute_queue(queue) : "k";
    client.broker->publish(ticket, delivery_to(good ? "" : exchange, way, std::to_string(ticket)));
  }
  REQUIRE(client.until_settled(41));
  for (PublishTicket ticket = 2; ticket <= 41; ++ticket) {
    INFO(ticket);
    const auto wanted = ticket % 2 == 0 ? PublishOutcome::confirmed : PublishOutcome::returned;
    CHECK(client.outcomes[ticket] == std::vector{wanted});
  }
}

// Refused for what no name tells: the publisher finds out which one it was, and the others arrive.
inline void one_that_closes_the_channel_is_found(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);
  const std::string way = topology::execute_queue(queue);
  REQUIRE(client.until_up());
  REQUIRE(client.until_ready(queue, 0));
  AmqpMessage bad = delivery_to("", way, "bad");
  MessageProperties properties = *read_properties(bad.properties);
  properties.user_id = "somebody-else";
  bad.properties = write_properties(properties);
  std::map<PublishTicket, int> left;  // numbers of those that have not arrived, by their last ticket
  PublishTicket ticket = 0;
  const auto send = [&](int number) {
    left[++ticket] = number;
    const std::string id = std::to_string(number);
    client.broker->publish(ticket, number == 7 ? bad : delivery_to("", way, id));
  };
  for (int number = 1; number <= 20; ++number) send(number);
  for (int round = 0; round < 5 && !left.empty(); ++round) {
    REQUIRE(client.until_settled(ticket));
    const auto open = std::exchange(left, {});
    for (const auto& [last, number] : open) {
      const PublishOutcome told = client.outcomes.at(last).at(0);
      if (told == PublishOutcome::in_doubt) send(number);
      if (told == PublishOutcome::returned) CHECK(number == 7);
      if (told == PublishOutcome::confirmed) CHECK(number != 7);
    }
  }
  CHECK(left.empty());
  CHECK(client.each_settled_once());
}

}  // namespace duly::test
