#include "common/amqp/rabbit_publisher.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "common/amqp/rabbit_topology.h"
#include "common/base/log.h"

namespace duly {
namespace {

constexpr seconds kRejectsForLong{1};  // without a confirm in between
constexpr amqp_channel_t kPublishChannel = 1;
constexpr amqp_channel_t kDeclareChannel = 2;  // a refused declaration closes its channel, and no other
constexpr std::size_t kConfirmFramesPerTurn = 4096;

}  // namespace

RabbitPublisher::RabbitPublisher(const RabbitConfig& config, const Loop& clock, RabbitPublisherEvents events)
    : config_(config),
      events_(std::move(events)),
      queue_limit_(2 * config.publish_window),
      worker_(config, "publish", clock) {}

void RabbitPublisher::start() {
  worker_.start({[this](RabbitConnection& connection) { return prepare(connection); },
                 [this](RabbitConnection& connection) { return turn(connection); }, [this] { lost(); },
                 [this] { return expire_queue(); }});
}

void RabbitPublisher::publish(PublishTicket ticket, AmqpMessage message) {
  Work work = Waiting{ticket, std::move(message), worker_.now() + config_.publish_deadline};
  bool fits = false;
  {
    MutexLock lock(mutex_);
    fits = queue_.size() < queue_limit_;
    if (fits) queue_.push_back(std::move(work));
  }
  if (fits) {
    worker_.wake();
  } else {
    events_.settled({{ticket, PublishOutcome::in_doubt}});
  }
}

void RabbitPublisher::ensure_queue(const std::string& queue) {
  MutexLock lock(mutex_);
  const bool is_new = ensured_.insert(queue).second;
  // Asked for again, it may have been deleted meanwhile; with a full queue the next reconnect must do.
  if (!is_new && queue_.size() >= queue_limit_) return;
  queue_.emplace_back(queue);
  worker_.wake();
}

Status RabbitPublisher::prepare(RabbitConnection& connection) {
  for (const amqp_channel_t channel : {kPublishChannel, kDeclareChannel, kBindChannel}) {
    if (auto status = connection.open_channel(channel); !status) return status;
  }
  if (config_.declares) {
    if (auto status = declare_topology(connection, kDeclareChannel, config_.queue_type); !status)
      return status;
  }
  std::set<std::string> ensured;
  {
    MutexLock lock(mutex_);
    ensured = ensured_;
  }
  for (const std::string& queue : ensured) {
    if (auto status = declare_queue(connection, kDeclareChannel, config_.queue_type, queue); !status)
      return status;
  }
  {
    const auto call = connection.watched_rpc();
    amqp_confirm_select(connection.state(), kPublishChannel);
    if (auto status = connection.reply(kPublishChannel, "confirm.select"); !status) return status;
  }
  if (auto status = foreign_.prepare(connection); !status) return status;
  events_.state(/*up=*/true);
  return ok_status();
}

Result<MonoTime> RabbitPublisher::turn(RabbitConnection& connection) {
  auto status = read_all(connection);
  if (status && !blocked_) status = do_work(connection);
  MonoTime next = expire_queue();
  flush();
  if (!status) return status.error();
  if (const auto first = oldest()) {
    const MonoTime give_up = *first + config_.confirm_deadline;
    if (worker_.now() >= give_up) return Error{Errc::unavailable, "the broker confirms nothing"};
    next = std::min(next, give_up);
  }
  return next;
}

std::optional<MonoTime> RabbitPublisher::oldest() const {
  const auto own = tracker_.oldest();
  const auto foreign = foreign_.oldest();
  return own && foreign ? std::min(*own, *foreign) : own ? own : foreign;
}

void RabbitPublisher::lost() {
  rejecting_since_.reset();
  settle(tracker_.on_channel_lost());
  foreign_.lost();
  returned_ = MessageAssembler{};
  flush();
  set_blocked(false);
  events_.state(/*up=*/false);
}

Status RabbitPublisher::read_all(RabbitConnection& connection) {
  amqp_frame_t frame;
  for (std::size_t i = 0; i < kConfirmFramesPerTurn; ++i) {
    const auto read = connection.read(frame);
    if (read == RabbitConnection::Read::nothing) break;
    if (read == RabbitConnection::Read::lost) return Error{Errc::unavailable, connection.what_was_lost()};
    if (auto status = on_frame(connection, frame); !status) return status;
  }
  connection.release_buffers();
  return ok_status();
}

Status RabbitPublisher::on_frame(RabbitConnection& connection, const amqp_frame_t& frame) {
  if (frame.channel == kBindChannel) return ok_status();
  if (frame.channel == RabbitForeign::kChannel) return foreign_.on_frame(connection, frame);
  if (frame.frame_type == AMQP_FRAME_METHOD) return on_method(connection, frame.payload.method);
  if (frame.channel != kPublishChannel || !returned_.add(frame)) return ok_status();
  if (auto message = returned_.take()) {
    message->exchange = std::move(returned_to_.exchange);
    message->routing_key = std::move(returned_to_.routing_key);
    tracker_.on_return(fingerprint_of(*message, Compare::by_id));
  }
  return ok_status();
}

Status RabbitPublisher::on_method(RabbitConnection& connection, const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
      settle(tracker_.on_ack(ack->delivery_tag, ack->multiple != 0));
      rejecting_since_.reset();
      return ok_status();
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto* nack = static_cast<const amqp_basic_nack_t*>(method.decoded);
      settle(tracker_.on_nack(nack->delivery_tag, nack->multiple != 0));
      return rejected();
    }
    case AMQP_BASIC_RETURN_METHOD: {
      const auto* back = static_cast<const amqp_basic_return_t*>(method.decoded);
      returned_to_.exchange = to_text(back->exchange);
      returned_to_.routing_key = to_text(back->routing_key);
      returned_.begin();
      return ok_status();
    }
    case AMQP_CONNECTION_BLOCKED_METHOD: set_blocked(true); return ok_status();
    case AMQP_CONNECTION_UNBLOCKED_METHOD: set_blocked(false); return ok_status();
    case AMQP_CONNECTION_CLOSE_METHOD: {
      amqp_connection_close_ok_t closed{};
      const auto call = connection.watched();
      amqp_send_method(connection.state(), 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &closed);
      return Error{Errc::unavailable, describe_close(method)};
    }
    // The tags of a new channel begin at 1 again, so the whole connection goes, and is prepared anew.
    case AMQP_CHANNEL_CLOSE_METHOD: return Error{Errc::unavailable, describe_close(method)};
    default: return ok_status();
  }
}

// A channel that was opened while a quorum queue was without a leader may go on rejecting what is for it when
// there is one again (RabbitMQ 3.10); a new one does not.  With a queue that is full by policy nothing is
// won, and little lost.
Status RabbitPublisher::rejected() {
  if (!rejecting_since_) rejecting_since_ = worker_.now();
  if (worker_.now() - *rejecting_since_ < kRejectsForLong) return ok_status();
  return Error{Errc::unavailable, "the broker rejects what is published"};
}

void RabbitPublisher::set_blocked(bool blocked) {
  if (blocked == blocked_) return;
  blocked_ = blocked;
  log(LogLevel::warn, "amqp", blocked ? "the broker blocks publishing" : "publishing is unblocked");
  events_.blocked(blocked);
}

// Up to so many publishes, and the declarations before and between them.
std::deque<RabbitPublisher::Work> RabbitPublisher::take_work(std::size_t publishes) {
  MutexLock lock(mutex_);
  std::deque<Work> taken;
  if (publishes >= queue_.size()) {
    taken.swap(queue_);
    return taken;
  }
  while (!queue_.empty() && (publishes > 0 || std::holds_alternative<std::string>(queue_.front()))) {
    if (std::holds_alternative<Waiting>(queue_.front())) --publishes;
    taken.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return taken;
}

Status RabbitPublisher::do_work(RabbitConnection& connection) {
  const std::size_t window = config_.publish_window;
  std::deque<Work> work = take_work(window - std::min(window, tracker_.open() + foreign_.open()));
  std::optional<GatheredWrites> gathered;
  while (!work.empty()) {
    Status status = ok_status();
    if (auto* waiting = std::get_if<Waiting>(&work.front())) {
      const AmqpMessage& message = waiting->message;
      const bool asks = message.verbatim && foreign_.must_ask(message.exchange, worker_.now());
      if (asks) gathered.reset();  // for the same reason as below
      if (!asks && !gathered && work.size() > 1) gathered.emplace(connection.descriptor());
      status = publish_one(connection, *waiting);
    } else {
      const auto& queue = std::get<std::string>(work.front());
      gathered.reset();  // its answer is waited for
      status = declare_queue(connection, kDeclareChannel, config_.queue_type, queue);
    }
    work.pop_front();
    if (!status) {
      give_back(std::move(work));
      return status;
    }
  }
  return ok_status();
}

Status RabbitPublisher::publish_one(RabbitConnection& connection, Waiting& waiting) {
  if (waiting.message.verbatim)
    return foreign_.publish(connection, kDeclareChannel, waiting.ticket, std::move(waiting.message));
  tracker_.on_publish(waiting.ticket, fingerprint_of(waiting.message, Compare::by_id), worker_.now());
  const auto call = connection.watched();
  return connection.sent(publish_message(connection.state(), kPublishChannel, waiting.message), "publish");
}

// What was taken and not yet written waits for the next connection, in its place and with its deadline.
void RabbitPublisher::give_back(std::deque<Work> work) {
  MutexLock lock(mutex_);
  queue_.insert(queue_.begin(), std::make_move_iterator(work.begin()), std::make_move_iterator(work.end()));
}

MonoTime RabbitPublisher::expire_queue() {
  const MonoTime now = worker_.now();
  MonoTime next = MonoTime::max();
  std::vector<SettledPublish> expired;
  {
    MutexLock lock(mutex_);
    for (auto work = queue_.begin(); work != queue_.end() && next == MonoTime::max();) {
      const auto* waiting = std::get_if<Waiting>(&*work);
      if (waiting == nullptr) {
        ++work;
      } else if (waiting->deadline > now) {
        next = waiting->deadline;
      } else {
        expired.push_back({waiting->ticket, PublishOutcome::in_doubt});
        work = queue_.erase(work);
      }
    }
  }
  if (!expired.empty()) events_.settled(std::move(expired));
  return next;
}

void RabbitPublisher::settle(std::vector<SettledPublish> settled) {
  settled_.insert(settled_.end(), std::make_move_iterator(settled.begin()),
                  std::make_move_iterator(settled.end()));
}

void RabbitPublisher::flush() {
  settle(foreign_.take_settled());
  if (settled_.empty()) return;
  events_.settled(std::exchange(settled_, {}));
}

}  // namespace duly
