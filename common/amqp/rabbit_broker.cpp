#include "common/amqp/rabbit_broker.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/amqp/rabbit_consumer.h"
#include "common/amqp/rabbit_publisher.h"

namespace duly {

// What lives on the loop's thread.  The threads hold it weakly, in tasks that the broker may not outlive.
struct RabbitLoopSide {
  BrokerEvents events;
  std::set<std::string> consuming;
  RabbitConsumer* consumer = nullptr;
};

namespace {

// Messages that were under way when their consumer was cancelled go back to their queue.
void deliver(RabbitLoopSide& side, std::vector<Delivery> deliveries) {
  std::erase_if(deliveries, [&side](const Delivery& delivery) {
    if (side.consuming.contains(delivery.queue)) return false;
    side.consumer->settle(delivery.generation, delivery.tag, Settle::requeue);
    return true;
  });
  if (!deliveries.empty()) side.events.deliveries(std::move(deliveries));
}

// Runs `call(side)` on the loop, unless the broker is gone by then.
template <class Call>
void post(Loop& loop, const std::weak_ptr<RabbitLoopSide>& side, Call call) {
  loop.post([side, call = std::move(call)]() mutable {
    if (const auto alive = side.lock()) call(*alive);
  });
}

RabbitPublisherEvents publisher_events(Loop& loop, const std::weak_ptr<RabbitLoopSide>& side) {
  return {
      [&loop, side](bool up) { post(loop, side, [up](RabbitLoopSide& s) { s.events.publisher_state(up); }); },
      [&loop, side](bool blocked) {
        post(loop, side, [blocked](RabbitLoopSide& s) { s.events.publisher_blocked(blocked); });
      },
      [&loop, side](std::vector<SettledPublish> settled) {
        post(loop, side,
             [all = std::move(settled)](RabbitLoopSide& s) mutable { s.events.settled(std::move(all)); });
      }};
}

RabbitConsumerEvents consumer_events(Loop& loop, const std::weak_ptr<RabbitLoopSide>& side) {
  return {[&loop, side] { post(loop, side, [](RabbitLoopSide& s) { s.events.consumer_up(); }); },
          [&loop, side] { post(loop, side, [](RabbitLoopSide& s) { s.events.consumer_down(); }); },
          [&loop, side](std::vector<Delivery> deliveries) {
            post(loop, side,
                 [all = std::move(deliveries)](RabbitLoopSide& s) mutable { deliver(s, std::move(all)); });
          },
          [&loop, side](const QueueDepth& depth) {
            post(loop, side, [depth](RabbitLoopSide& s) { s.events.inspected(depth); });
          }};
}

}  // namespace

struct RabbitBroker::Parts {
  Parts(Loop& loop, RabbitConfig given)
      : config(std::move(given)),
        side(std::make_shared<RabbitLoopSide>()),
        publisher(config, loop, publisher_events(loop, side)),
        consumer(config, loop, consumer_events(loop, side)),
        watchdog(loop,
                 std::clamp<Duration>(config.publish_deadline / 10, milliseconds{10}, milliseconds{250}),
                 {&publisher.line(), &consumer.line()}, [this] { publisher.expire_queue(); }) {
    side->consumer = &consumer;
  }

  const RabbitConfig config;
  std::shared_ptr<RabbitLoopSide> side;
  RabbitPublisher publisher;
  RabbitConsumer consumer;
  SocketWatchdog watchdog;
};

RabbitBroker::RabbitBroker(Loop& loop, RabbitConfig config)
    : parts_(std::make_unique<Parts>(loop, std::move(config))) {}

RabbitBroker::~RabbitBroker() = default;

void RabbitBroker::start(BrokerEvents events) {
  parts_->side->events = std::move(events);
  parts_->publisher.start();
  parts_->consumer.start();
}

void RabbitBroker::publish(PublishTicket ticket, AmqpMessage message) {
  parts_->publisher.publish(ticket, std::move(message));
}

void RabbitBroker::consume(const std::string& queue, int prefetch) {
  parts_->side->consuming.insert(queue);
  parts_->consumer.consume(queue, prefetch);
}

void RabbitBroker::cancel_consumers() {
  parts_->side->consuming.clear();
  parts_->consumer.cancel();
}

void RabbitBroker::settle(std::uint64_t generation, std::uint64_t tag, Settle how) {
  parts_->consumer.settle(generation, tag, how);
}

void RabbitBroker::inspect(const std::string& queue) { parts_->consumer.inspect(queue); }

void RabbitBroker::ensure_queue(const std::string& queue) { parts_->publisher.ensure_queue(queue); }

void RabbitBroker::drop_connections(Duration pause) {
  parts_->publisher.drop(pause);
  parts_->consumer.drop(pause);
}

}  // namespace duly
