// Declares what contract section 5 draws: exchanges, queues and bindings, all durable.
//
// What exists with other properties is left as it is, named in the log, and used.
#pragma once

#include <string>

#include "common/amqp/broker.h"
#include "common/amqp/rabbit_connection.h"

namespace duly {

// All of it but the execution queues.
Status declare_topology(RabbitConnection& connection, amqp_channel_t channel, QueueType type);
// The exchange of lifecycle events alone.
Status declare_events(RabbitConnection& connection, amqp_channel_t channel);
// A queue by the name consume() takes (topology::broker_queue); an execution queue is declared with its
// binding.
Status declare_queue(RabbitConnection& connection, amqp_channel_t channel, QueueType type,
                     const std::string& queue);
// Counts; Errc::not_found when there is no such queue, anything else when the connection is lost.
Result<QueueDepth> look_at_queue(RabbitConnection& connection, amqp_channel_t channel,
                                 const std::string& queue);

}  // namespace duly
