#include "common/amqp/rabbit_consumer.h"

#include <algorithm>
#include <utility>

#include "common/amqp/rabbit_topology.h"
#include "common/base/log.h"

namespace duly {
namespace {

constexpr amqp_channel_t kConsumeChannel = 1;
constexpr amqp_channel_t kLookChannel =
    2;  // looking at a queue that is not there closes its channel, and no other
constexpr std::size_t kReadFramesPerTurn = 1024;
constexpr int kLargestPrefetch = 2000;  // RabbitMQ 4.3 refuses more at a quorum queue
constexpr seconds kAbsentLook{1};

}  // namespace

RabbitConsumer::RabbitConsumer(const RabbitConfig& config, const Loop& clock, RabbitConsumerEvents events)
    : config_(config),
      events_(std::move(events)),
      assembler_(config.largest_body),
      worker_(config, "consume", clock) {}

void RabbitConsumer::start() {
  worker_.start({[this](RabbitConnection& connection) { return prepare(connection); },
                 [this](RabbitConnection& connection) { return turn(connection); }, [this] { lost(); },
                 [this] { return idle(); }});
}

void RabbitConsumer::ask(Request request) {
  {
    MutexLock lock(mutex_);
    requests_.push_back(std::move(request));
  }
  worker_.wake();
}

void RabbitConsumer::inspect(const std::string& queue) {
  bool fits = false;
  {
    MutexLock lock(mutex_);
    fits = looks_.contains(queue) || looks_.size() < limits::kQueues;
    if (fits) looks_.insert(queue);
  }
  if (fits) {
    worker_.wake();
  } else {
    events_.inspected(QueueDepth{queue, std::nullopt, 0, /*reachable=*/false});
  }
}

std::vector<RabbitConsumer::Request> RabbitConsumer::take_requests() {
  MutexLock lock(mutex_);
  return std::exchange(requests_, {});
}

std::set<std::string> RabbitConsumer::take_looks() {
  MutexLock lock(mutex_);
  return std::exchange(looks_, {});
}

Status RabbitConsumer::prepare(RabbitConnection& connection) {
  for (const amqp_channel_t channel : {kConsumeChannel, kLookChannel, kBindChannel}) {
    if (auto status = connection.open_channel(channel); !status) return status;
  }
  if (auto status = declare_topology(connection, kLookChannel, config_.queue_type); !status) return status;
  ++generation_;
  unsettled_.clear();
  absent_.clear();
  for (const auto& [queue, prefetch] : wanted_) {
    if (auto status = begin_consumer(connection, queue, prefetch); !status) return status;
  }
  events_.up();
  return ok_status();
}

Result<MonoTime> RabbitConsumer::turn(RabbitConnection& connection) {
  if (auto status = perform_all(connection); !status) return status.error();
  auto status = read_all(connection);
  flush();
  if (status) status = look(connection);
  if (status) status = begin_absent(connection);
  if (!status) return status.error();
  return absent_.empty() ? MonoTime::max() : next_absent_look_;
}

void RabbitConsumer::lost() {
  flush();
  assembler_ = MessageAssembler{config_.largest_body};
  unsettled_.clear();
  events_.down();
}

// Without a connection: what was wanted is remembered, what was delivered is void, and nobody can look.
MonoTime RabbitConsumer::idle() {
  for (const Request& request : take_requests()) {
    if (const auto* consume = std::get_if<Consume>(&request)) wanted_[consume->queue] = consume->prefetch;
    if (std::holds_alternative<Cancel>(request)) wanted_.clear();
  }
  for (const std::string& queue : take_looks()) {
    events_.inspected(QueueDepth{queue, std::nullopt, 0, /*reachable=*/false});
  }
  return MonoTime::max();
}

Status RabbitConsumer::read_all(RabbitConnection& connection) {
  amqp_frame_t frame;
  for (std::size_t i = 0; i < kReadFramesPerTurn; ++i) {
    const auto read = connection.read(frame);
    if (read == RabbitConnection::Read::nothing) break;
    if (read == RabbitConnection::Read::lost) return Error{Errc::unavailable, connection.what_was_lost()};
    if (auto status = on_frame(connection, frame); !status) return status;
  }
  connection.release_buffers();
  return ok_status();
}

Status RabbitConsumer::on_frame(RabbitConnection& connection, const amqp_frame_t& frame) {
  if (frame.channel == kBindChannel) return ok_status();
  if (frame.frame_type == AMQP_FRAME_METHOD) return on_method(connection, frame.payload.method);
  if (frame.channel == kConsumeChannel && assembler_.add(frame)) return on_whole_message(connection);
  return ok_status();
}

Status RabbitConsumer::on_method(RabbitConnection& connection, const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto* deliver = static_cast<const amqp_basic_deliver_t*>(method.decoded);
      incoming_ = Delivery{generation_, deliver->delivery_tag, deliver->redelivered != 0,
                           to_text(deliver->consumer_tag), AmqpMessage{}};
      incoming_.message.exchange = to_text(deliver->exchange);
      incoming_.message.routing_key = to_text(deliver->routing_key);
      assembler_.begin();
      return ok_status();
    }
    case AMQP_BASIC_CANCEL_METHOD: {
      const auto* cancel = static_cast<const amqp_basic_cancel_t*>(method.decoded);
      const auto wanted = wanted_.find(to_text(cancel->consumer_tag));
      if (wanted == wanted_.end()) return ok_status();
      log(LogLevel::warn, "amqp", "a queue was deleted under its consumer", {{"queue", wanted->first}});
      return begin_consumer(connection, wanted->first, wanted->second);
    }
    case AMQP_CONNECTION_CLOSE_METHOD: {
      amqp_connection_close_ok_t closed{};
      const auto call = connection.watched();
      amqp_send_method(connection.state(), 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &closed);
      return Error{Errc::unavailable, describe_close(method)};
    }
    case AMQP_CHANNEL_CLOSE_METHOD: return Error{Errc::unavailable, describe_close(method)};
    default: return ok_status();
  }
}

Status RabbitConsumer::on_whole_message(RabbitConnection& connection) {
  auto message = assembler_.take();
  unsettled_.insert(incoming_.tag);
  if (!message) {
    log(LogLevel::warn, "amqp", "a message is too large and was rejected", {{"queue", incoming_.queue}});
    return send_settle(connection, incoming_.tag, Settle::reject);
  }
  message->exchange = std::move(incoming_.message.exchange);
  message->routing_key = std::move(incoming_.message.routing_key);
  incoming_.message = *std::move(message);
  deliveries_.push_back(std::move(incoming_));
  return ok_status();
}

// In the order in which they were asked; acknowledgements that follow each other go together.
Status RabbitConsumer::perform_all(RabbitConnection& connection) {
  std::set<std::uint64_t> acks;
  for (const Request& request : take_requests()) {
    const auto* one = std::get_if<SettleOne>(&request);
    if (one != nullptr && one->how == Settle::ack) {
      if (one->generation == generation_) acks.insert(one->tag);
      continue;
    }
    if (auto status = acknowledge(connection, std::exchange(acks, {})); !status) return status;
    if (auto status = perform(connection, request); !status) return status;
  }
  return acknowledge(connection, std::move(acks));
}

// All before the first that is still worked on in one frame: a frame for each is a system call for each.
Status RabbitConsumer::acknowledge(RabbitConnection& connection, std::set<std::uint64_t> acks) {
  auto first_kept = unsettled_.begin();
  std::uint64_t covered = 0;
  for (auto ack = acks.begin(); ack != acks.end() && first_kept != unsettled_.end(); ++ack) {
    if (*ack < *first_kept) continue;  // settled before
    if (*ack > *first_kept) break;
    covered = *ack;
    ++first_kept;
  }
  if (covered != 0) {
    unsettled_.erase(unsettled_.begin(), first_kept);
    const auto call = connection.watched();
    const int status = amqp_basic_ack(connection.state(), kConsumeChannel, covered, /*multiple=*/1);
    if (auto sent = connection.sent(status, "settle"); !sent) return sent;
  }
  for (const std::uint64_t tag : acks) {
    if (auto status = send_settle(connection, tag, Settle::ack); !status) return status;
  }
  return ok_status();
}

Status RabbitConsumer::perform(RabbitConnection& connection, const Request& request) {
  if (const auto* one = std::get_if<SettleOne>(&request)) {
    if (one->generation != generation_) return ok_status();
    return send_settle(connection, one->tag, one->how);
  }
  if (const auto* consume = std::get_if<Consume>(&request)) {
    const auto known = wanted_.find(consume->queue);
    if (known != wanted_.end() && known->second == consume->prefetch) return ok_status();
    if (known != wanted_.end()) {
      if (auto status = end_consumer(connection, consume->queue); !status) return status;
    }
    wanted_[consume->queue] = consume->prefetch;
    return begin_consumer(connection, consume->queue, consume->prefetch);
  }
  absent_.clear();
  for (const auto& [queue, prefetch] : std::exchange(wanted_, {})) {
    if (auto status = end_consumer(connection, queue); !status) return status;
  }
  return ok_status();
}

// The consumer tag is the queue's name as the caller knows it.
Status RabbitConsumer::begin_consumer(RabbitConnection& connection, const std::string& queue, int prefetch) {
  if (auto status = declare_queue(connection, kLookChannel, config_.queue_type, queue); !status)
    return status;
  const auto there = look_at_queue(connection, kLookChannel, queue);
  if (!there && there.error().code == Errc::not_found) return wait_for_queue(queue);
  if (!there && there.error().code != Errc::conflict) return there.error();
  absent_.erase(queue);
  const auto bounded = static_cast<std::uint16_t>(std::clamp(prefetch, 1, kLargestPrefetch));
  {
    const auto call = connection.watched_rpc();
    amqp_basic_qos(connection.state(), kConsumeChannel, /*prefetch_size=*/0, bounded, /*global=*/0);
    if (auto status = connection.reply(kConsumeChannel, "basic.qos"); !status) return status;
  }
  const std::string name = topology::broker_queue(queue);
  const auto call = connection.watched_rpc();
  amqp_basic_consume(connection.state(), kConsumeChannel, as_bytes(name), as_bytes(queue), /*no_local=*/0,
                     /*no_ack=*/0, /*exclusive=*/0, amqp_empty_table);
  return connection.reply(kConsumeChannel, "basic.consume");
}

// Where this user may not declare it, a queue may be missing until somebody else does.  Consuming it now
// would cost the channel, with all that is consumed on it.
Status RabbitConsumer::wait_for_queue(const std::string& queue) {
  if (!absent_.insert(queue).second) return ok_status();
  log(LogLevel::warn, "amqp", "a queue is not there and this user may not declare it: waiting for it",
      {{"queue", queue}});
  return ok_status();
}

Status RabbitConsumer::begin_absent(RabbitConnection& connection) {
  if (absent_.empty() || connection.now() < next_absent_look_) return ok_status();
  next_absent_look_ = connection.now() + kAbsentLook;
  for (const std::string& queue : std::set<std::string>(absent_)) {
    if (auto status = begin_consumer(connection, queue, wanted_.at(queue)); !status) return status;
  }
  return ok_status();
}

Status RabbitConsumer::end_consumer(RabbitConnection& connection, const std::string& queue) {
  const auto call = connection.watched_rpc();
  amqp_basic_cancel(connection.state(), kConsumeChannel, as_bytes(queue));
  return connection.reply(kConsumeChannel, "basic.cancel");
}

Status RabbitConsumer::send_settle(RabbitConnection& connection, std::uint64_t tag, Settle how) {
  if (unsettled_.erase(tag) == 0) return ok_status();
  const auto call = connection.watched();
  const int status =
      how == Settle::ack
          ? amqp_basic_ack(connection.state(), kConsumeChannel, tag, /*multiple=*/0)
          : amqp_basic_reject(connection.state(), kConsumeChannel, tag, how == Settle::requeue);
  return connection.sent(status, "settle");
}

Status RabbitConsumer::look(RabbitConnection& connection) {
  for (const std::string& queue : take_looks()) {
    auto depth = look_at_queue(connection, kLookChannel, queue);
    const bool gone = !depth && depth.error().code == Errc::not_found;
    if (depth && absent_.contains(queue)) next_absent_look_ = MonoTime{};  // it has come
    events_.inspected(depth ? *depth : QueueDepth{queue, std::nullopt, 0, /*reachable=*/gone});
    if (!depth && !gone) {
      // The rest is answered by idle() when the next connect fails, or looked at when it does not.
      return depth.error();
    }
  }
  return ok_status();
}

void RabbitConsumer::flush() {
  if (deliveries_.empty()) return;
  events_.deliveries(std::exchange(deliveries_, {}));
}

}  // namespace duly
