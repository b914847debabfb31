// The Broker of a running process: RabbitMQ through rabbitmq-c.
//
// Operation.  One thread and connection publish, one consume, and a watchdog frees either from a call that
// does not end.  What they have to say is posted to the loop, in batches. Concurrency.  Made, called and
// destroyed on the loop's thread, or destroyed when the loop has stopped; no event comes after that.  The
// loop outlives the broker.
#pragma once

#include <memory>

#include "common/amqp/broker.h"
#include "common/amqp/rabbit_config.h"
#include "common/runtime/loop.h"

namespace duly {

class RabbitBroker final : public Broker {
 public:
  RabbitBroker(Loop& loop, RabbitConfig config);
  ~RabbitBroker() override;

  void start(BrokerEvents events) override;
  void publish(PublishTicket ticket, AmqpMessage message) override;
  void consume(const std::string& queue, int prefetch) override;
  void cancel_consumers() override;
  void settle(std::uint64_t generation, std::uint64_t tag, Settle how) override;
  void inspect(const std::string& queue) override;
  void ensure_queue(const std::string& queue) override;
  void drop_connections(Duration pause) override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace duly
