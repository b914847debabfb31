#include <duly/publisher.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "client/chance.h"
#include "client/texts.h"
#include "common/amqp/amqp_url.h"
#include "common/amqp/rabbit_publisher.h"
#include "common/base/log.h"
#include "common/model/limits.h"
#include "common/model/message_properties.h"
#include "common/runtime/asio_loop.h"

namespace duly::client {
namespace {

constexpr Duration kLook = milliseconds{100};  // how often the watchdog looks
constexpr std::size_t kUnderWay = limits::kPublishWindow;

Error bad_field(const std::string& field, const std::string& what) {
  return {ErrorKind::invalid, 0, field + ": " + what};
}

void add_text(MessageProperties& to, const char* name, const std::string& value) {
  if (!value.empty()) to.headers.push_back(MessageHeader::text(name, value));
}

void add_when(MessageProperties& to, const Message& message) {
  if (message.delay) to.headers.push_back(MessageHeader::number("x-delay", message.delay->count()));
  if (!message.due_at) return;
  // Never early: rounded up.
  const auto due = std::chrono::ceil<milliseconds>(message.due_at->time_since_epoch());
  to.headers.push_back(MessageHeader::number("duly-due-at", due.count()));
}

// What the server would park in duly.dead, and what AMQP has no place for, is told here and now.
Result<AmqpMessage> amqp_message(const Message& message) {
  if (message.type.empty() && message.deliver_exchange.empty()) return bad_field("type", "is empty");
  if (message.type.size() > limits::kTypeBytes) return bad_field("type", "is too long");
  if (message.content_type.size() > limits::kContentTypeBytes)
    return bad_field("content_type", "is too long");
  if (message.payload.size() > limits::kPayloadBytes) return bad_field("payload", "is larger than 1 MiB");
  if (message.delay && message.due_at) return bad_field("due_at", "and delay are both given");
  if (!is_key(message.message_id))
    return bad_field("message_id", "must be 1 to 255 printable ASCII characters");
  MessageProperties properties;
  properties.delivery_mode = 2;
  properties.content_type = message.content_type;
  properties.message_id = message.message_id;
  if (!message.type.empty()) properties.type = message.type;
  add_when(properties, message);
  add_text(properties, "duly-queue", message.queue);
  add_text(properties, "duly-key", message.key);
  add_text(properties, "duly-deliver-exchange", message.deliver_exchange);
  add_text(properties, "duly-deliver-routing-key", message.deliver_routing_key);
  if (message.priority)
    properties.headers.push_back(MessageHeader::number("duly-priority", *message.priority));
  AmqpMessage out;
  out.exchange = topology::kSubmitExchange;
  out.body = std::make_shared<const std::string>(message.payload);
  out.properties = write_properties(properties);
  out.verbatim =
      true;  // on the channel where an exchange that is not there is an answer, not a broken connection
  return out;
}

Result<std::string> result_of(const SettledPublish& settled, std::string id) {
  switch (settled.outcome) {
    case PublishOutcome::confirmed: return id;
    case PublishOutcome::returned:
      return Error{ErrorKind::unreachable, 0, "no way to the queue: " + settled.detail, std::move(id)};
    case PublishOutcome::rejected:
      return Error{ErrorKind::busy, 0, "the broker did not take it", std::move(id)};
    case PublishOutcome::in_doubt: break;
  }
  return Error{ErrorKind::unknown, 0, "no confirm: it may be in the queue", std::move(id)};
}

RabbitConfig rabbit_config(const PublisherOptions& options) {
  RabbitConfig config;
  config.urls = {options.amqp};
  config.ca_file = options.ca_file;
  config.connection_name = options.name;
  config.declares = false;
  config.publish_deadline = options.timeout;
  config.confirm_deadline = options.timeout;
  return config;
}

// Whoever uses the library has a log of their own.
void silence_log() {
  static std::once_flag once;
  std::call_once(once, [] { configure_log(LogFormat::text, LogLevel::silent); });
}

}  // namespace

struct SubmitPublisher::Parts {
  explicit Parts(const PublisherOptions& options)
      : config(rabbit_config(options)),
        publisher(
            config, clock,
            {[](bool) {}, [](bool) {}, [this](std::vector<SettledPublish> all) { settle(std::move(all)); }}),
        watchdog(clock, kLook, {&publisher.line()}, [this] { publisher.expire_queue(); }) {
    publisher.start();
  }

  void settle(std::vector<SettledPublish> all) DULY_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    under_way -= all.size();
    for (SettledPublish& each : all) settled.insert_or_assign(each.ticket, std::move(each));
    changed.notify_all();
  }

  PublishTicket send(AmqpMessage message) DULY_EXCLUDES(mutex) {
    PublishTicket ticket = 0;
    {
      MutexLock lock(mutex);
      while (under_way >= kUnderWay) changed.wait_for(mutex, seconds{1});
      ++under_way;
      ticket = ++last_ticket;
    }
    // Its answer may come on this thread.
    MutexLock lock(sending);
    publisher.publish(ticket, std::move(message));
    return ticket;
  }

  // Every publish is settled, by its deadlines at the latest.
  SettledPublish wait(PublishTicket ticket) DULY_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    while (settled.count(ticket) == 0) changed.wait_for(mutex, seconds{1});
    SettledPublish result = std::move(settled.at(ticket));
    settled.erase(ticket);
    return result;
  }

  const RabbitConfig config;
  AsioLoop clock;  // only asked for the time
  Mutex sending;   // publish() is for one thread at a time
  Mutex mutex;
  Condition changed;
  std::map<PublishTicket, SettledPublish> settled DULY_GUARDED_BY(mutex);
  std::size_t under_way DULY_GUARDED_BY(mutex) = 0;
  PublishTicket last_ticket DULY_GUARDED_BY(mutex) = 0;
  RabbitPublisher publisher;
  SocketWatchdog watchdog;  // last: its thread uses all of the above
};

SubmitPublisher::SubmitPublisher(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SubmitPublisher::~SubmitPublisher() = default;
SubmitPublisher::SubmitPublisher(SubmitPublisher&&) noexcept = default;
SubmitPublisher& SubmitPublisher::operator=(SubmitPublisher&&) noexcept = default;

Result<SubmitPublisher> SubmitPublisher::make(PublisherOptions options) {
  if (const auto url = parse_amqp_url(options.amqp); !url) return bad_field("amqp", url.error().what);
  if (options.timeout <= milliseconds{0}) return bad_field("timeout", "must be more than 0");
  silence_log();
  return SubmitPublisher(std::make_unique<Parts>(options));
}

Result<std::string> SubmitPublisher::publish(const Message& message) const {
  return std::move(publish_all({message}).front());
}

std::vector<Result<std::string>> SubmitPublisher::publish_all(const std::vector<Message>& messages) const {
  std::vector<Result<std::string>> results;
  std::vector<std::pair<std::size_t, PublishTicket>> sent;  // which of the results, and its ticket
  for (Message message : messages) {
    if (message.message_id.empty()) message.message_id = new_key();
    auto out = amqp_message(message);
    if (out) sent.emplace_back(results.size(), parts_->send(std::move(*out)));
    if (out) {
      results.emplace_back(std::move(message.message_id));
    } else {
      results.emplace_back(out.error());
    }
  }
  for (const auto& [at, ticket] : sent)
    results[at] = result_of(parts_->wait(ticket), std::move(results[at]).value());
  return results;
}

}  // namespace duly::client
