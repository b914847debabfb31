// Declares what contract section 5 draws: exchanges, queues and bindings, all durable.
//
// What exists with other properties is left as it is, named in the log, and used.
//
// Bindings.  To bind, RabbitMQ with its old metadata store (Mnesia) waits for every node of a cluster, also
// for one that is paused: for a minute, until it is thrown out.  So the binding of a queue that is there
// already, and with it most likely its binding, is only asked for, on a channel where nobody waits for an
// answer.
#pragma once

#include <string>

#include "common/amqp/broker.h"
#include "common/amqp/rabbit_connection.h"

namespace duly {

// Must be open; what comes on it is to be ignored.
inline constexpr amqp_channel_t kBindChannel = 4;

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
