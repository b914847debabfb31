#include "common/amqp/rabbit_notifier.h"

#include <algorithm>
#include <utility>

#include "common/amqp/rabbit_message.h"
#include "common/amqp/rabbit_topology.h"
#include "common/amqp/rabbit_worker.h"
#include "common/base/log.h"

namespace duly {
namespace {

constexpr amqp_channel_t kNoticeChannel = 1;
// In one go, before it is looked whether any of it came back.
constexpr int kNoticesPerTurn = 256;
// Who may not write to the exchange is not let in again by asking ten times a second.
constexpr seconds kNotAllowedPause{10};

}  // namespace

struct RabbitNotifier::Parts {
  Parts(const Loop& clock, RabbitConfig given, RabbitNotices asked)
      : config(std::move(given)),
        notices(std::move(asked)),
        worker(config, "events", clock),
        watchdog(clock,
                 std::clamp<Duration>(config.publish_deadline / 10, milliseconds{10}, milliseconds{250}),
                 {&worker.line()}, [] {}) {}
  ~Parts() { worker.stop(); }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  Status prepare(RabbitConnection& connection);
  Result<MonoTime> turn(RabbitConnection& connection);
  Status read_all(RabbitConnection& connection);
  Status on_method(RabbitConnection& connection, const amqp_method_t& method);
  Status on_close(const amqp_method_t& method);

  const RabbitConfig config;
  const RabbitNotices notices;
  bool blocked = false;  // worker's thread only
  RabbitWorker worker;
  SocketWatchdog watchdog;
};

Status RabbitNotifier::Parts::prepare(RabbitConnection& connection) {
  blocked = false;
  if (auto status = connection.open_channel(kNoticeChannel); !status) return status;
  return declare_events(connection, kNoticeChannel);
}

Result<MonoTime> RabbitNotifier::Parts::turn(RabbitConnection& connection) {
  if (auto status = read_all(connection); !status) return status.error();
  if (blocked) return MonoTime::max();
  const GatheredWrites gathered(connection.descriptor());
  for (int i = 0; i < kNoticesPerTurn; ++i) {
    const auto message = notices.next(worker.now());
    if (!message) return MonoTime::max();
    const auto call = connection.watched();
    const int sent = publish_message(connection.state(), kNoticeChannel, *message);
    if (auto status = connection.sent(sent, "publish"); !status) return status.error();
  }
  return worker.now();
}

Status RabbitNotifier::Parts::read_all(RabbitConnection& connection) {
  amqp_frame_t frame;
  // As many as one turn can bring back: a method, a header and a body each.
  for (int i = 0; i < 4 * kNoticesPerTurn; ++i) {
    const auto read = connection.read(frame);
    if (read == RabbitConnection::Read::nothing) break;
    if (read == RabbitConnection::Read::lost) return Error{Errc::unavailable, connection.what_was_lost()};
    if (frame.frame_type != AMQP_FRAME_METHOD) continue;
    if (auto status = on_method(connection, frame.payload.method); !status) return status;
  }
  connection.release_buffers();
  return ok_status();
}

Status RabbitNotifier::Parts::on_method(RabbitConnection& connection, const amqp_method_t& method) {
  switch (method.id) {
    case AMQP_BASIC_RETURN_METHOD: {
      const auto* back = static_cast<const amqp_basic_return_t*>(method.decoded);
      notices.unheard(to_text(back->routing_key), worker.now());
      return ok_status();
    }
    case AMQP_CONNECTION_BLOCKED_METHOD: blocked = true; return ok_status();
    case AMQP_CONNECTION_UNBLOCKED_METHOD: blocked = false; return ok_status();
    case AMQP_CONNECTION_CLOSE_METHOD: {
      amqp_connection_close_ok_t closed{};
      const auto call = connection.watched();
      amqp_send_method(connection.state(), 0, AMQP_CONNECTION_CLOSE_OK_METHOD, &closed);
      return Error{Errc::unavailable, describe_close(method)};
    }
    case AMQP_CHANNEL_CLOSE_METHOD: return on_close(method);
    default: return ok_status();
  }
}

// An exchange that somebody has deleted is declared with the next connection, so that one comes at once.
Status RabbitNotifier::Parts::on_close(const amqp_method_t& method) {
  const auto* close = static_cast<const amqp_channel_close_t*>(method.decoded);
  if (close->reply_code == AMQP_ACCESS_REFUSED) {
    log(LogLevel::warn, "amqp", "events may not be published; trying again later",
        {{"broker_says", to_text(close->reply_text)}});
    worker.drop(kNotAllowedPause);
  }
  return Error{Errc::unavailable, describe_close(method)};
}

RabbitNotifier::RabbitNotifier(const Loop& clock, RabbitConfig config, RabbitNotices notices)
    : parts_(std::make_unique<Parts>(clock, std::move(config), std::move(notices))) {}

RabbitNotifier::~RabbitNotifier() = default;

void RabbitNotifier::start() {
  Parts& parts = *parts_;
  parts.worker.start({[&parts](RabbitConnection& connection) { return parts.prepare(connection); },
                      [&parts](RabbitConnection& connection) { return parts.turn(connection); }, [] {},
                      [] { return MonoTime::max(); }});
}

void RabbitNotifier::wake() { parts_->worker.wake(); }

void RabbitNotifier::drop(Duration pause) { parts_->worker.drop(pause); }

}  // namespace duly
