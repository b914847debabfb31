#include "common/amqp/rabbit_topology.h"

#include <vector>

#include "common/base/log.h"

namespace duly {
namespace {

constexpr std::int32_t kDeliveryLimit = 20;

amqp_table_entry_t text_argument(const char* name, const char* value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(name);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(value);
  return entry;
}

amqp_table_entry_t number_argument(const char* name, std::int32_t value) {
  amqp_table_entry_t entry{};
  entry.key = amqp_cstring_bytes(name);
  entry.value.kind = AMQP_FIELD_KIND_I32;
  entry.value.value.i32 = value;
  return entry;
}

// Whether a refused declaration may be lived with: the thing exists, made by somebody with other properties,
// or we may not configure here.  If it is not there at all, what uses it will say so.
Status accept_as_it_is(Status status, const std::string& name) {
  if (status || status.error().code != Errc::conflict) return status;
  // Users with the permissions of docs/rabbitmq.md meet this at each connect.
  const bool forbidden = status.error().what.find("ACCESS_REFUSED") != std::string::npos;
  log(forbidden ? LogLevel::debug : LogLevel::warn, "amqp",
      forbidden ? "not for this user to declare; used as it stands"
                : "declared otherwise by somebody else; used as it stands",
      {{"name", name}, {"broker_says", status.error().what}});
  return ok_status();
}

Status declare_exchange(RabbitConnection& connection, amqp_channel_t channel, const std::string& name,
                        const char* type) {
  const auto call = connection.watched_rpc();
  amqp_exchange_declare(connection.state(), channel, as_bytes(name), amqp_cstring_bytes(type), /*passive=*/0,
                        /*durable=*/1, /*auto_delete=*/0, /*internal=*/0, amqp_empty_table);
  return accept_as_it_is(connection.reply(channel, "declare exchange"), name);
}

// The answer to this one would wait for every node of the cluster.
Status bind_unheard(RabbitConnection& connection, const std::string& queue, const std::string& exchange,
                    const std::string& key) {
  amqp_queue_bind_t bind{};
  bind.queue = as_bytes(queue);
  bind.exchange = as_bytes(exchange);
  bind.routing_key = as_bytes(key);
  bind.nowait = 1;
  bind.arguments = amqp_empty_table;
  const auto call = connection.watched();
  return connection.sent(amqp_send_method(connection.state(), kBindChannel, AMQP_QUEUE_BIND_METHOD, &bind),
                         "bind");
}

Status bind_queue(RabbitConnection& connection, amqp_channel_t channel, const std::string& queue,
                  const std::string& exchange, const std::string& key) {
  const auto call = connection.watched_rpc();
  amqp_queue_bind(connection.state(), channel, as_bytes(queue), as_bytes(exchange), as_bytes(key),
                  amqp_empty_table);
  return accept_as_it_is(connection.reply(channel, "bind"), queue);
}

enum class Dying : bool { dead_letters, drops };  // what a queue does with a rejected message

Status declare_one(RabbitConnection& connection, amqp_channel_t channel, QueueType type,
                   const std::string& name, Dying dying) {
  std::vector<amqp_table_entry_t> arguments;
  if (type == QueueType::quorum) {
    arguments.push_back(text_argument("x-queue-type", "quorum"));
    if (dying == Dying::dead_letters)
      arguments.push_back(number_argument("x-delivery-limit", kDeliveryLimit));
  } else {
    arguments.push_back(number_argument("x-queue-version", 2));
  }
  if (dying == Dying::dead_letters) {
    arguments.push_back(text_argument("x-dead-letter-exchange", topology::kDeadExchange.c_str()));
  }
  const auto call = connection.watched_rpc();
  amqp_queue_declare(connection.state(), channel, as_bytes(name), /*passive=*/0, /*durable=*/1,
                     /*exclusive=*/0,
                     /*auto_delete=*/0, {static_cast<int>(arguments.size()), arguments.data()});
  return accept_as_it_is(connection.reply(channel, "declare queue"), name);
}

// By the broker's name of the queue.
Result<QueueDepth> look(RabbitConnection& connection, amqp_channel_t channel, const std::string& name) {
  const auto call = connection.watched_rpc();
  const auto* declared =
      amqp_queue_declare(connection.state(), channel, as_bytes(name), /*passive=*/1,
                         /*durable=*/1, /*exclusive=*/0, /*auto_delete=*/0, amqp_empty_table);
  if (auto status = connection.reply(channel, "look at queue"); !status) return status.error();
  return QueueDepth{name, std::int64_t{declared->message_count}, std::int64_t{declared->consumer_count},
                    true};
}

struct Binding {
  std::string exchange;  // empty = none
  std::string key;
};

Status declare_bound(RabbitConnection& connection, amqp_channel_t channel, QueueType type,
                     const std::string& name, const Binding& binding) {
  const auto before = look(connection, channel, name);
  if (!before && before.error().code == Errc::unavailable) return before.error();
  const bool is_new = !before && before.error().code == Errc::not_found;
  const Dying dying = name == topology::kDeadQueue ? Dying::drops : Dying::dead_letters;
  if (auto status = declare_one(connection, channel, type, name, dying); !status) return status;
  if (binding.exchange.empty()) return ok_status();
  if (!is_new) return bind_unheard(connection, name, binding.exchange, binding.key);
  return bind_queue(connection, channel, name, binding.exchange, binding.key);
}

Status declare_exchanges(RabbitConnection& connection, amqp_channel_t channel) {
  const std::pair<const std::string&, const char*> wanted[] = {{topology::kExecuteExchange, "direct"},
                                                               {topology::kDeadExchange, "topic"},
                                                               {topology::kSubmitExchange, "topic"},
                                                               {topology::kEventsExchange, "topic"}};
  for (const auto& [name, type] : wanted) {
    if (auto status = declare_exchange(connection, channel, name, type); !status) return status;
  }
  return ok_status();
}

}  // namespace

Status declare_topology(RabbitConnection& connection, amqp_channel_t channel, QueueType type) {
  if (auto status = declare_exchanges(connection, channel); !status) return status;
  const std::pair<const std::string&, Binding> queues[] = {
      {topology::kDeadQueue, {topology::kDeadExchange, "#"}},
      {topology::kSubmitQueue, {topology::kSubmitExchange, "#"}},
      {topology::kResultsQueue, {}}};
  for (const auto& [name, binding] : queues) {
    if (auto status = declare_bound(connection, channel, type, name, binding); !status) return status;
  }
  return ok_status();
}

Status declare_events(RabbitConnection& connection, amqp_channel_t channel) {
  return declare_exchange(connection, channel, topology::kEventsExchange, "topic");
}

Status declare_queue(RabbitConnection& connection, amqp_channel_t channel, QueueType type,
                     const std::string& queue) {
  if (topology::is_broker_queue(queue)) return declare_topology(connection, channel, type);
  return declare_bound(connection, channel, type, topology::broker_queue(queue),
                       {topology::kExecuteExchange, queue});
}

Result<QueueDepth> look_at_queue(RabbitConnection& connection, amqp_channel_t channel,
                                 const std::string& queue) {
  auto depth = look(connection, channel, topology::broker_queue(queue));
  if (depth) depth->queue = queue;
  return depth;
}

}  // namespace duly
