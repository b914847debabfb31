// The rules that every Broker keeps: run against the model and against RabbitMQ itself.
#pragma once

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "tests/contract/broker_world.h"

namespace duly::test {

inline AmqpMessage message_for(const std::string& queue, const std::string& message_id) {
  AmqpMessage message;
  message.exchange = topology::kExecuteExchange;
  message.routing_key = queue;
  message.message_id = message_id;
  message.body = make_bytes("{}");
  return message;
}

// Publishes `count` messages with tickets from 1 on; their ids are the queue's name and the ticket.
inline void publish_some(Client& client, const std::string& queue, PublishTicket count) {
  for (PublishTicket ticket = 1; ticket <= count; ++ticket) {
    client.broker->publish(ticket, message_for(queue, queue + "." + std::to_string(ticket)));
  }
}

inline void publishes_are_settled(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);

  SECTION("a confirmed publish arrives with all its properties, byte for byte") {
    AmqpMessage sent = message_for(queue, "cmd_0123456789ABC.1");
    std::string body;
    for (int i = 0; i < 300'000; ++i) body += static_cast<char>(i * 7);
    sent.body = make_bytes(body);
    sent.correlation_id = "cmd_0123456789ABC";
    sent.type = "mail.send";
    sent.content_type = "application/octet-stream";
    sent.timestamp_s = 1'767'225'600;
    sent.headers = {{"duly-attempt", std::int64_t{1}},
                    {"duly-epoch", std::int64_t{INT64_MIN}},
                    {"duly-key", std::string("order \xC3\xA9")},
                    {"traceparent", std::string()}};
    client.broker->publish(1, sent);
    client.broker->consume(queue, 10);
    REQUIRE(client.until_delivered(1));
    REQUIRE(client.until_settled(1));
    REQUIRE(client.count(PublishOutcome::confirmed) == 1);
    const Delivery& got = client.deliveries.front();
    CHECK_FALSE(got.redelivered);
    CHECK(got.queue == queue);
    CHECK(got.message.exchange == sent.exchange);
    CHECK(got.message.routing_key == sent.routing_key);
    CHECK(*got.message.body == body);
    CHECK(got.message.message_id == sent.message_id);
    CHECK(got.message.correlation_id == sent.correlation_id);
    CHECK(got.message.type == sent.type);
    CHECK(got.message.content_type == sent.content_type);
    CHECK(got.message.timestamp_s == sent.timestamp_s);
    CHECK(got.message.headers == sent.headers);
  }
  SECTION("publishes made before the connection is up, and more than the window, are all confirmed") {
    publish_some(client, queue, 2 * kWindow - 1);
    REQUIRE(client.until_settled(2 * kWindow - 1));
    CHECK(client.count(PublishOutcome::confirmed) == 2 * kWindow - 1);
    CHECK(client.until_ready(queue, 2 * kWindow - 1));
  }
  SECTION("of too many publishes at once each is settled, once, and those confirmed are in the queue") {
    REQUIRE(client.until_up());
    publish_some(client, queue, 10 * kWindow);
    REQUIRE(client.until_settled(10 * kWindow));
    world.run_for(milliseconds{200});
    CHECK(client.each_settled_once());
    const auto confirmed = client.count(PublishOutcome::confirmed);
    CHECK(confirmed >= kWindow);
    CHECK(confirmed + client.count(PublishOutcome::in_doubt) == 10 * kWindow);
    CHECK(client.until_ready(queue, static_cast<std::int64_t>(confirmed)));
  }
}

inline void publishes_fail_truly(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);

  SECTION("an unroutable message is returned, never confirmed, and its neighbours are") {
    const std::string nowhere = world.fresh_queue();
    for (PublishTicket ticket = 1; ticket <= 20; ++ticket) {
      client.broker->publish(ticket, message_for(ticket % 2 == 0 ? nowhere : queue, std::to_string(ticket)));
    }
    REQUIRE(client.until_settled(20));
    for (PublishTicket ticket = 1; ticket <= 20; ++ticket) {
      const auto wanted = ticket % 2 == 0 ? PublishOutcome::returned : PublishOutcome::confirmed;
      CHECK(client.outcomes[ticket] == std::vector{wanted});
    }
  }
  SECTION("a lost connection leaves open publishes in doubt, and comes back") {
    REQUIRE(client.until_up());
    publish_some(client, queue, kWindow);
    client.broker->drop_connections(milliseconds{200});
    REQUIRE(client.until_settled(kWindow));
    CHECK(client.each_settled_once());
    CHECK(client.count(PublishOutcome::confirmed) + client.count(PublishOutcome::in_doubt) == kWindow);
    REQUIRE(client.until([&client] { return client.consumer_losses == 1; }));
    REQUIRE(client.until_up());
    client.broker->publish(9999, message_for(queue, "after"));
    REQUIRE(client.until_settled(kWindow + 1));
    CHECK(client.outcomes[9999] == std::vector{PublishOutcome::confirmed});
  }
}

// A queue with ten messages in it.
inline std::string filled_queue(Client& client) {
  const std::string queue = client.world.fresh_queue();
  client.broker->ensure_queue(queue);
  publish_some(client, queue, 10);
  REQUIRE(client.until_settled(10));
  REQUIRE(client.count(PublishOutcome::confirmed) == 10);
  return queue;
}

inline void deliveries_follow_the_consumer(BrokerWorld& world) {
  Client client(world);
  const std::string queue = filled_queue(client);

  SECTION("the prefetch is never exceeded, and an acknowledgement makes room for one more") {
    client.broker->consume(queue, 3);
    REQUIRE(client.until_delivered(3));
    world.run_for(milliseconds{200});
    REQUIRE(client.deliveries.size() == 3);
    client.settle(client.deliveries.front(), Settle::ack);
    REQUIRE(client.until_delivered(4));
    world.run_for(milliseconds{200});
    CHECK(client.deliveries.size() == 4);
    CHECK(client.deliveries.back().message.message_id == queue + ".4");
  }
  SECTION("unsettled deliveries of a consumer that is gone come again, marked as redelivered") {
    auto other = std::make_unique<Client>(world);
    other->broker->consume(queue, 4);
    REQUIRE(other->until_delivered(4));
    other->settle(other->deliveries[0], Settle::ack);
    REQUIRE(other->until_delivered(5));
    other.reset();
    client.broker->consume(queue, 100);
    REQUIRE(client.until_delivered(9));
    std::map<std::string, bool> redelivered;
    for (const auto& one : client.deliveries) redelivered[one.message.message_id] = one.redelivered;
    CHECK_FALSE(redelivered.contains(queue + ".1"));
    CHECK(redelivered.at(queue + ".2"));
    CHECK(redelivered.at(queue + ".4"));
    CHECK_FALSE(redelivered.at(queue + ".10"));
  }
  SECTION("after a reconnect deliveries are of a new generation, and those of the old cannot be settled") {
    client.broker->consume(queue, 100);
    REQUIRE(client.until_delivered(10));
    client.broker->drop_connections(milliseconds{50});
    REQUIRE(client.until([&client] { return client.consumer_losses == 1; }));
    REQUIRE(client.until_delivered(20));
    CHECK(client.deliveries[10].generation > client.deliveries[0].generation);
    CHECK(client.deliveries[10].redelivered);
    for (int i = 0; i < 10; ++i) client.settle(client.deliveries[static_cast<std::size_t>(i)], Settle::ack);
    world.run_for(milliseconds{200});
    client.broker->drop_connections(milliseconds{50});
    CHECK(client.until_delivered(30));
  }
}

inline void acknowledgements_leave_out_what_is_open(Client& client, const std::string& queue) {
  client.broker->consume(queue, 100);
  REQUIRE(client.until_delivered(10));
  for (const std::size_t which : {1U, 0U, 2U, 9U, 7U, 3U, 6U, 5U})
    client.settle(client.deliveries[which], Settle::ack);
  client.world.run_for(milliseconds{300});  // the broker has heard of it
  client.broker->drop_connections(milliseconds{50});
  REQUIRE(client.until_delivered(12));
  client.world.run_for(milliseconds{300});
  REQUIRE(client.deliveries.size() == 12);
  const auto name = [&client](std::size_t which) { return client.deliveries[which].message.message_id; };
  CHECK(std::set{name(10), name(11)} == std::set{name(4), name(8)});
  for (const std::size_t which : {10U, 11U}) client.settle(client.deliveries[which], Settle::ack);
  CHECK(client.until_ready(queue, 0));
}

inline void deliveries_are_settled(BrokerWorld& world) {
  Client client(world);
  const std::string queue = filled_queue(client);

  SECTION("acknowledged messages are gone; one settled twice does no harm") {
    client.broker->consume(queue, 100);
    REQUIRE(client.until_delivered(10));
    for (const auto& one : client.deliveries) client.settle(one, Settle::ack);
    for (const auto& one : client.deliveries) client.settle(one, Settle::requeue);
    CHECK(client.until_ready(queue, 0));
    client.broker->drop_connections(milliseconds{50});
    REQUIRE(client.until([&client] { return client.consumer_losses == 1; }));
    REQUIRE(client.until_up());
    world.run_for(milliseconds{300});
    CHECK(client.deliveries.size() == 10);
  }
  SECTION("of many that are acknowledged at once, those that are still worked on are left out") {
    acknowledgements_leave_out_what_is_open(client, queue);
  }
  SECTION("a requeued message is delivered again") {
    client.broker->consume(queue, 1);
    REQUIRE(client.until_delivered(1));
    client.settle(client.deliveries[0], Settle::requeue);
    REQUIRE(client.until_delivered(2));
    CHECK(client.deliveries[1].message.message_id == queue + ".1");
    CHECK(client.deliveries[1].redelivered);
  }
  SECTION("a rejected message goes to the dead letters") {
    client.broker->consume(queue, 1);
    REQUIRE(client.until_delivered(1));
    client.settle(client.deliveries[0], Settle::reject);
    REQUIRE(client.until_delivered(2));
    Client undertaker(world);
    undertaker.broker->consume("/duly.dead", 100);
    CHECK(undertaker.until([&] {
      for (const auto& one : undertaker.deliveries) {
        if (one.message.message_id == queue + ".1") return true;
      }
      return false;
    }));
    for (const auto& one : undertaker.deliveries) undertaker.settle(one, Settle::ack);
    world.run_for(milliseconds{100});
  }
  SECTION("cancelled consumers get nothing more, and what they hold stays theirs to settle") {
    client.broker->consume(queue, 2);
    REQUIRE(client.until_delivered(2));
    client.broker->cancel_consumers();
    for (const auto& one : client.deliveries) client.settle(one, Settle::ack);
    world.run_for(milliseconds{300});
    CHECK(client.deliveries.size() == 2);
    CHECK(client.until_ready(queue, 8));
    client.broker->consume(queue, 100);
    CHECK(client.until_delivered(10));
  }
}

// Of contract section 5: what others publish to duly.submit is consumed by the name "/duly.submit".
inline void messages_to_submit_arrive(BrokerWorld& world) {
  Client client(world);
  REQUIRE(client.until_up());
  AmqpMessage message = message_for("some.key", "m-" + world.fresh_queue());
  message.exchange = topology::kSubmitExchange;
  message.headers["x-delay"] = std::int64_t{1} << 40;
  client.broker->publish(1, message);
  REQUIRE(client.until_settled(1));
  CHECK(client.count(PublishOutcome::confirmed) == 1);
  client.broker->consume("/" + topology::kSubmitQueue, 10);
  REQUIRE(client.until_delivered(1));
  const Delivery& got = client.deliveries.back();
  CHECK(got.queue == "/" + topology::kSubmitQueue);
  CHECK(got.message.exchange == topology::kSubmitExchange);
  CHECK(got.message.routing_key == "some.key");
  CHECK(got.message.message_id == message.message_id);
  CHECK(got.message.headers == message.headers);
  client.settle(got, Settle::ack);
  world.run_for(milliseconds{200});
}

inline void queues_are_looked_after(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);
  REQUIRE(client.until_up());

  SECTION("inspect counts, and says when there is no such queue") {
    publish_some(client, queue, 5);
    REQUIRE(client.until_settled(5));
    REQUIRE(client.until_ready(queue, 5));
    CHECK(client.look(queue).consumers == 0);
    client.broker->consume(queue, 2);
    REQUIRE(client.until_delivered(2));
    REQUIRE(client.until_ready(queue, 3));
    CHECK(client.look(queue).consumers == 1);
    const QueueDepth gone = client.look(world.fresh_queue());
    CHECK(gone.reachable);
    CHECK_FALSE(gone.ready);
    CHECK(client.look(queue).reachable);  // the channel that the broker closed is open again
  }
  SECTION("a queue deleted under its consumer is declared anew and consumed again") {
    client.broker->consume(queue, 10);
    REQUIRE(client.until([&] { return client.look(queue).consumers == 1; }));
    world.delete_queue(topology::execute_queue(queue));
    REQUIRE(client.until([&] { return client.look(queue).consumers == 1; }));
    client.broker->publish(1, message_for(queue, "again"));
    REQUIRE(client.until_delivered(1));
    REQUIRE(client.until_settled(1));
    CHECK(client.deliveries[0].message.message_id == "again");
    CHECK(client.outcomes[1] == std::vector{PublishOutcome::confirmed});
  }
  SECTION("a queue that was deleted is made again when it is asked for") {
    REQUIRE(client.until_ready(queue, 0));
    world.delete_queue(topology::execute_queue(queue));
    client.broker->publish(1, message_for(queue, "1"));
    REQUIRE(client.until_settled(1));
    CHECK(client.outcomes[1] == std::vector{PublishOutcome::returned});
    client.broker->ensure_queue(queue);
    client.broker->publish(2, message_for(queue, "2"));
    REQUIRE(client.until_settled(2));
    CHECK(client.outcomes[2] == std::vector{PublishOutcome::confirmed});
  }
}

inline void all_recovers(Client& client, const std::string& queue, PublishTicket ticket) {
  REQUIRE(client.until([&client] { return client.publisher_up && client.consumer_up && !client.blocked; }));
  client.broker->publish(ticket, message_for(queue, "recovered"));
  REQUIRE(client.until([&] { return client.outcomes.contains(ticket); }));
  CHECK(client.outcomes[ticket] == std::vector{PublishOutcome::confirmed});
  CHECK(client.until_delivered_as("recovered"));
}

inline void a_failing_node_is_survived(BrokerWorld& world) {
  Client client(world);
  const std::string queue = world.fresh_queue();
  client.broker->ensure_queue(queue);
  client.broker->consume(queue, 1000);
  REQUIRE(client.until_up());
  // Both connections declare the queue. Until the one that came first has bound it too, a publish is
  // returned.
  REQUIRE(client.until([&] { return client.look(queue).consumers == 1; }));

  SECTION("publishes while the node is down are in doubt within the deadline") {
    client.broker->publish(1, message_for(queue, "kept"));
    REQUIRE(client.until_settled(1));
    REQUIRE(client.outcomes[1] == std::vector{PublishOutcome::confirmed});
    REQUIRE(client.until_delivered(1));
    client.deliveries.clear();  // not acknowledged: it must come again
    // RabbitMQ 3.10 writes its list of quorum queues late: killed just after a declaration, it forgets the
    // log of that queue, confirmed messages and all, and the queue never answers again.
    world.run_for(seconds{2});
    world.stop_node();
    REQUIRE(client.until([&client] { return !client.publisher_up && !client.consumer_up; }));
    client.broker->publish(2, message_for(queue, "lost"));
    REQUIRE(client.until_settled(2, kPublishDeadline + seconds{1}));
    CHECK(client.outcomes[2] == std::vector{PublishOutcome::in_doubt});
    CHECK_FALSE(client.look(queue).reachable);
    world.start_node();
    all_recovers(client, queue, 3);
    CHECK(client.until_delivered_as("kept"));
  }
  SECTION(
      "a node that is silent is given up within the deadlines, even by a publish that is stuck in a write") {
    world.pause_node();
    const Bytes large = make_bytes(std::string(256U << 10, 'x'));
    for (PublishTicket ticket = 1; ticket <= kWindow; ++ticket) {
      AmqpMessage message = message_for(queue, std::to_string(ticket));
      message.body = large;
      client.broker->publish(ticket, std::move(message));
    }
    REQUIRE(client.until_settled(kWindow, kPublishDeadline + kConfirmDeadline + seconds{1}));
    CHECK(client.count(PublishOutcome::in_doubt) == kWindow);
    CHECK(client.each_settled_once());
    world.resume_node();
    all_recovers(client, queue, 1000);
  }
  SECTION("a node that blocks publishers says so; publishes wait, then are in doubt") {
    world.set_blocked(true);
    client.broker->publish(1, message_for(queue, "1"));  // only who publishes is told
    REQUIRE(client.until([&client] { return client.blocked; }));
    client.broker->publish(2, message_for(queue, "2"));
    REQUIRE(client.until([&client] { return client.outcomes.contains(2); }, kPublishDeadline + seconds{1}));
    CHECK(client.outcomes[2] == std::vector{PublishOutcome::in_doubt});
    world.set_blocked(false);
    all_recovers(client, queue, 3);
    CHECK(client.each_settled_once());
  }
}

}  // namespace duly::test
