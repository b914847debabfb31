// Publishes what may be lost and must hold nobody up: without confirms, on a connection and a thread of its
// own.
//
// Operation.  The thread asks for one message after another while there are some, and says of each that no
// queue is bound to its routing key (every publish is mandatory).  Without a connection, or while the broker
// blocks it, nothing is asked for; what was under way when a connection breaks is lost.
// Concurrency.  Made, started and destroyed by one thread; wake() and drop() may be called from any.  The
// functions of RabbitNotices run on the notifier's thread.  The clock outlives it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/amqp/broker.h"
#include "common/amqp/rabbit_config.h"
#include "common/runtime/loop.h"

namespace duly {

struct RabbitNotices {
  std::function<std::optional<AmqpMessage>(MonoTime now)> next;
  std::function<void(const std::string& routing_key, MonoTime now)> unheard;
};

class RabbitNotifier {
 public:
  RabbitNotifier(const Loop& clock, RabbitConfig config, RabbitNotices notices);
  ~RabbitNotifier();
  RabbitNotifier(const RabbitNotifier&) = delete;
  RabbitNotifier& operator=(const RabbitNotifier&) = delete;

  void start();
  // There is something to ask for.
  void wake();
  // As Broker::drop_connections.
  void drop(Duration pause);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace duly
