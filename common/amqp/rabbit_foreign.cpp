#include "common/amqp/rabbit_foreign.h"

#include <algorithm>

#include "common/amqp/rabbit_connection.h"
#include "common/base/log.h"

namespace duly {
namespace {

constexpr std::size_t kExchangesKnown = 1024;
// Asking again costs two round trips; being refused by a publish costs the channel.
constexpr seconds kMissingKept{1};
constexpr seconds kRefusedKept{10};
constexpr std::size_t kMoreAfterDoubt = 64;  // publishes that may have come in between

}  // namespace

Status RabbitForeign::prepare(RabbitConnection& connection) {
  if (auto status = connection.open_channel(kChannel); !status) return status;
  const auto call = connection.watched_rpc();
  amqp_confirm_select(connection.state(), kChannel);
  return connection.reply(kChannel, "confirm.select");
}

// ---- publishing
// ------------------------------------------------------------------------------------------------

const RabbitForeign::Refusal* RabbitForeign::refusal_of(const std::string& exchange, MonoTime now) const {
  const auto known = exchanges_.find(exchange);
  const bool refused = known != exchanges_.end() && known->second && known->second->until > now;
  return refused ? &*known->second : nullptr;
}

bool RabbitForeign::must_ask(const std::string& exchange, MonoTime now) const {
  if (exchange.empty()) return false;  // the default one is always there
  const auto known = exchanges_.find(exchange);
  return known == exchanges_.end() || (known->second && known->second->until <= now);
}

Status RabbitForeign::publish(RabbitConnection& connection, amqp_channel_t ask_on, PublishTicket ticket,
                              AmqpMessage message) {
  if (must_ask(message.exchange, connection.now())) {
    if (auto status = ask(connection, ask_on, message.exchange); !status) {
      settled_.push_back({ticket, PublishOutcome::in_doubt});
      return status;
    }
  }
  if (const Refusal* refusal = refusal_of(message.exchange, connection.now())) {
    settled_.push_back({ticket, PublishOutcome::returned, refusal->reason});
    return ok_status();
  }
  if (one_at_a_time_ == 0) return send(connection, ticket, message);
  waiting_.push_back({ticket, std::move(message)});
  return send_waiting(connection);
}

Status RabbitForeign::ask(RabbitConnection& connection, amqp_channel_t ask_on, const std::string& exchange) {
  const auto call = connection.watched_rpc();
  amqp_exchange_declare(connection.state(), ask_on, as_bytes(exchange), amqp_cstring_bytes("direct"),
                        /*passive=*/1, /*durable=*/0, /*auto_delete=*/0, /*internal=*/0, amqp_empty_table);
  const auto status = connection.reply(ask_on, "look for the exchange");
  if (!status && status.error().code != Errc::not_found && status.error().code != Errc::conflict)
    return status;
  if (exchanges_.size() >= kExchangesKnown) exchanges_.clear();
  auto& known = exchanges_[exchange];
  known.reset();
  if (!status) known = Refusal{connection.now() + kMissingKept, status.error().what};
  return ok_status();
}

Status RabbitForeign::send(RabbitConnection& connection, PublishTicket ticket, const AmqpMessage& message) {
  const auto call = connection.watched();
  const int sent = publish_message(connection.state(), kChannel, message);
  if (sent == AMQP_STATUS_BAD_AMQP_DATA) {  // nothing has left
    settled_.push_back({ticket, PublishOutcome::returned, "its properties cannot be read"});
    return ok_status();
  }
  tracker_.on_publish(ticket, fingerprint_of(message, Compare::by_content), connection.now());
  return connection.sent(sent, "publish");
}

Status RabbitForeign::send_waiting(RabbitConnection& connection) {
  while (!waiting_.empty() && (one_at_a_time_ == 0 || tracker_.open() == 0)) {
    const Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    if (one_at_a_time_ > 0) --one_at_a_time_;
    if (auto status = send(connection, next.ticket, next.message); !status) return status;
  }
  return ok_status();
}

// ---- what the broker says
// ----------------------------------------------------------------------------------------

Status RabbitForeign::on_frame(RabbitConnection& connection, const amqp_frame_t& frame) {
  if (frame.frame_type == AMQP_FRAME_METHOD) return on_method(connection, frame.payload.method);
  if (!returned_.add(frame)) return ok_status();
  auto message = returned_.take();
  if (!message) return Error{Errc::unavailable, "a message came back that is larger than any that was sent"};
  message->exchange = std::move(returned_to_.exchange);
  message->routing_key = std::move(returned_to_.routing_key);
  tracker_.on_return(fingerprint_of(*message, Compare::by_content), returned_why_);
  return ok_status();
}

Status RabbitForeign::on_method(RabbitConnection& connection, const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto* ack = static_cast<const amqp_basic_ack_t*>(method.decoded);
      settle(tracker_.on_ack(ack->delivery_tag, ack->multiple != 0));
      return send_waiting(connection);
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto* nack = static_cast<const amqp_basic_nack_t*>(method.decoded);
      settle(tracker_.on_nack(nack->delivery_tag, nack->multiple != 0));
      return send_waiting(connection);
    }
    case AMQP_BASIC_RETURN_METHOD: {
      const auto* back = static_cast<const amqp_basic_return_t*>(method.decoded);
      returned_to_.exchange = to_text(back->exchange);
      returned_to_.routing_key = to_text(back->routing_key);
      returned_why_ = to_text(back->reply_text);
      returned_.begin();
      return ok_status();
    }
    case AMQP_CHANNEL_CLOSE_METHOD: {
      const auto* close = static_cast<const amqp_channel_close_t*>(method.decoded);
      const bool missing = close->reply_code == AMQP_NOT_FOUND;
      return on_close(connection, to_text(close->reply_text), missing ? kMissingKept : kRefusedKept);
    }
    default: return ok_status();
  }
}

Status RabbitForeign::on_close(RabbitConnection& connection, const std::string& reason, Duration kept) {
  log(LogLevel::warn, "amqp", "the broker refuses what is delivered", {{"broker_says", reason}});
  const std::size_t open = tracker_.open();
  std::vector<SettledPublish> settled = tracker_.on_channel_refused(reason);
  const bool known_which = std::any_of(settled.begin(), settled.end(), [](const SettledPublish& one) {
    return one.outcome == PublishOutcome::returned;
  });
  if (!known_which) one_at_a_time_ = open + kMoreAfterDoubt;
  settle(std::move(settled));
  returned_ = MessageAssembler{};
  for (auto& [exchange, refusal] : exchanges_) {
    if (reason.find("'" + exchange + "'") != std::string::npos)
      refusal = Refusal{connection.now() + kept, reason};
  }
  amqp_channel_close_ok_t closed{};
  {
    const auto call = connection.watched();
    const int sent = amqp_send_method(connection.state(), kChannel, AMQP_CHANNEL_CLOSE_OK_METHOD, &closed);
    if (auto status = connection.sent(sent, "close channel"); !status) return status;
  }
  if (auto status = prepare(connection); !status) return status;
  return send_waiting(connection);
}

void RabbitForeign::lost() {
  settle(tracker_.on_channel_lost());
  for (const Waiting& one : std::exchange(waiting_, {}))
    settled_.push_back({one.ticket, PublishOutcome::in_doubt});
  returned_ = MessageAssembler{};
  exchanges_.clear();
}

void RabbitForeign::settle(std::vector<SettledPublish> settled) {
  for (SettledPublish& one : settled) settled_.push_back(std::move(one));
}

}  // namespace duly
