#include <poll.h>

#include <array>
#include <string>

#include "common/runtime/asio_loop.h"
#include "tests/bench/give_up.h"
#include "tests/bench/limits/line.h"
#include "tests/bench/messages/messages.h"

namespace duly::bench {
namespace {

constexpr long kReadEvery = 64;         // publishes between two looks for confirms
constexpr std::int64_t kStride = 7919;  // a prime: neighbours' delays are far from each other

std::int64_t wall_us() { return machine_wall().time_since_epoch().count(); }

// What one run says of each of its messages.
class Letter {
 public:
  explicit Letter(const Flags& flags)
      : exchange_(flags.text("exchange")),
        key_(flags.text("key")),
        say_(flags.text("say")),
        deliver_exchange_(flags.text("deliver-exchange")),
        message_ids_(flags.text("message-ids")),
        delay_ms_(static_cast<std::int64_t>(flags.number("delay-ms", 0))),
        span_ms_(static_cast<std::int64_t>(flags.number("delay-to-ms", 0)) - delay_ms_ + 1) {
    if (!say_.empty() && say_ != "x-delay" && say_ != "duly-due-at" && say_ != "expiration")
      give_up("--say takes x-delay, duly-due-at or expiration");
  }

  void publish(Publisher& publisher, std::int64_t number) {
    const std::int64_t delay_ms = delay_ms_ + (span_ms_ > 1 ? number * kStride % span_ms_ : 0);
    const std::int64_t due_ms = wall_us() / 1000 + delay_ms;
    properties_._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
    properties_.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    properties_.content_type = amqp_cstring_bytes("application/json");
    headers_ = {};
    said_ = std::to_string(delay_ms);
    if (say_ == "expiration") put(AMQP_BASIC_EXPIRATION_FLAG, properties_.expiration, said_);
    if (say_ == "x-delay") put_header("x-delay", delay_ms);
    if (say_ == "duly-due-at") put_header("duly-due-at", due_ms);
    if (!deliver_exchange_.empty()) put_header("duly-deliver-exchange", deliver_exchange_);
    id_ = message_ids_ + std::to_string(number);
    if (!message_ids_.empty()) put(AMQP_BASIC_MESSAGE_ID_FLAG, properties_.message_id, id_);
    if (headers_.num_entries > 0) {
      properties_._flags |= AMQP_BASIC_HEADERS_FLAG;
      properties_.headers = headers_;
    }
    publisher.publish(exchange_, key_, properties_, write_marked({number, due_ms * 1000}));
  }

 private:
  void put(amqp_flags_t flag, amqp_bytes_t& property, const std::string& text) {
    properties_._flags |= flag;
    property = bytes_of(text);
  }
  amqp_table_entry_t& next_header(const char* name) {
    headers_.entries = entries_.data();
    amqp_table_entry_t& entry = entries_.at(static_cast<std::size_t>(headers_.num_entries++));
    entry.key = amqp_cstring_bytes(name);
    return entry;
  }
  void put_header(const char* name, std::int64_t value) {
    amqp_table_entry_t& entry = next_header(name);
    entry.value.kind = AMQP_FIELD_KIND_I64;
    entry.value.value.i64 = value;
  }
  void put_header(const char* name, const std::string& value) {
    amqp_table_entry_t& entry = next_header(name);
    entry.value.kind = AMQP_FIELD_KIND_UTF8;
    entry.value.value.bytes = bytes_of(value);
  }

  const std::string exchange_, key_, say_, deliver_exchange_, message_ids_;
  const std::int64_t delay_ms_, span_ms_;
  amqp_basic_properties_t properties_{};
  std::array<amqp_table_entry_t, 2> entries_{};
  amqp_table_t headers_{};
  std::string id_, said_;
};

// Takes confirms until then.  It waits for the socket itself: rabbitmq-c waits whole milliseconds, and looks
// over and over for the rest, which would be a processor less for what is measured.
void read_until(Line& line, Publisher& publisher, MonoTime due) {
  for (MonoTime now = machine_now(); now < due; now = machine_now()) {
    publisher.read_all();
    pollfd socket{amqp_get_sockfd(line.state()), POLLIN, 0};
    const std::int64_t left_us = (due - now).count();
    const timespec limit{left_us / 1'000'000, left_us % 1'000'000 * 1000};
    ::ppoll(&socket, 1, &limit, nullptr);
  }
}

}  // namespace

void publish_messages(const Flags& flags, Tally& tally) {
  const long count = static_cast<long>(flags.number("count", 0));
  const double rate = flags.number("rate", 0);
  Letter letter(flags);
  Line line(flags.text("amqp"));
  Publisher publisher(line, count);
  const std::int64_t first_us = wall_us();
  const MonoTime begun = machine_now();
  for (long i = 0; i < count; ++i) {
    if (rate > 0)
      read_until(line, publisher,
                 begun + Duration{static_cast<std::int64_t>(static_cast<double>(i) * 1e6 / rate)});
    letter.publish(publisher, i);
    if (i % kReadEvery == 0) publisher.read_all();
    publisher.wait_for_room(kWindow);
  }
  publisher.wait_for_room(1);
  const double seconds = static_cast<double>((machine_now() - begun).count()) / 1e6;
  tally.whole("published", count);
  tally.whole("first_us", first_us);
  tally.number("seconds", seconds);
  tally.number("per_s", static_cast<double>(count) / seconds);
}

}  // namespace duly::bench
