#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <cstdint>
#include <thread>
#include <vector>

#include "common/runtime/asio_loop.h"
#include "tests/bench/limits/limits.h"

namespace duly::bench {
namespace {

constexpr amqp_channel_t kChannel = 1;
constexpr long kWindow = 1000;   // publishes without their confirm
constexpr long kAckEvery = 100;  // deliveries settled by one acknowledgement
constexpr long kReadEvery = 64;  // publishes between two looks for confirms
constexpr timeval kPatience{10, 0};
constexpr std::size_t kBody = 256;
constexpr const char* kQueue = "bench.limits";

// One connection with one channel, on the queue that is measured.
class Line {
 public:
  explicit Line(std::string url) : state_(amqp_new_connection()) {
    amqp_connection_info where{};
    if (amqp_parse_url(url.data(), &where) != AMQP_STATUS_OK) give_up("this is no AMQP URL");
    amqp_socket_t* socket = amqp_tcp_socket_new(state_);
    if (socket == nullptr ||
        amqp_socket_open_noblock(socket, where.host, where.port, &kPatience) != AMQP_STATUS_OK)
      give_up("the broker does not answer");
    amqp_set_rpc_timeout(state_, &kPatience);
    const auto reply = amqp_login(state_, where.vhost, 0, AMQP_DEFAULT_FRAME_SIZE, 0, AMQP_SASL_METHOD_PLAIN,
                                  where.user, where.password);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) give_up("the broker refuses the login");
    amqp_channel_open(state_, kChannel);
    check("open a channel");
  }
  ~Line() {
    amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state_);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void declare() {
    amqp_table_entry_t type{};
    type.key = amqp_cstring_bytes("x-queue-type");
    type.value.kind = AMQP_FIELD_KIND_UTF8;
    type.value.value.bytes = amqp_cstring_bytes("quorum");
    amqp_queue_declare(state_, kChannel, queue(), /*passive=*/0, /*durable=*/1, /*exclusive=*/0,
                       /*auto_delete=*/0, {1, &type});
    check("declare a queue");
  }
  void remove() {
    amqp_queue_delete(state_, kChannel, queue(), /*if_unused=*/0, /*if_empty=*/0);
    check("delete the queue");
  }
  void want_confirms() {
    amqp_confirm_select(state_, kChannel);
    check("have confirms");
  }
  void consume() {
    amqp_basic_qos(state_, kChannel, 0, kWindow, 0);
    check("set the prefetch");
    amqp_basic_consume(state_, kChannel, queue(), amqp_empty_bytes, /*no_local=*/0, /*no_ack=*/0,
                       /*exclusive=*/0, amqp_empty_table);
    check("consume");
  }

  void check(const char* what) {
    if (amqp_get_rpc_reply(state_).reply_type != AMQP_RESPONSE_NORMAL) give_up(std::string("cannot ") + what);
  }
  [[nodiscard]] amqp_connection_state_t state() const { return state_; }
  static amqp_bytes_t queue() { return amqp_cstring_bytes(kQueue); }
  [[nodiscard]] std::string version() const {
    const amqp_table_t* said = amqp_get_server_properties(state_);
    for (int i = 0; i < said->num_entries; ++i) {
      const amqp_table_entry_t& entry = said->entries[i];
      const std::string name(static_cast<const char*>(entry.key.bytes), entry.key.len);
      if (name != "version" || entry.value.kind != AMQP_FIELD_KIND_UTF8) continue;
      return {static_cast<const char*>(entry.value.value.bytes.bytes), entry.value.value.bytes.len};
    }
    return "?";
  }

 private:
  amqp_connection_state_t state_;
};

// Publishes persistent messages with up to kWindow of them unconfirmed.
class Publisher {
 public:
  Publisher(Line& line, long count) : line_(line), confirmed_tags_(static_cast<std::size_t>(count) + 1) {
    line_.want_confirms();
  }

  void publish() {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
    const amqp_bytes_t body{body_.size(), body_.data()};
    if (amqp_basic_publish(line_.state(), kChannel, amqp_empty_bytes, Line::queue(), /*mandatory=*/0,
                           /*immediate=*/0, &properties, body) != AMQP_STATUS_OK)
      give_up("a publish failed");
    ++published_;
  }
  // Waits for one frame, up to `limit`; false when none came.
  bool read(timeval limit) {
    amqp_frame_t frame;
    const int status = amqp_simple_wait_frame_noblock(line_.state(), &frame, &limit);
    if (status == AMQP_STATUS_TIMEOUT) return false;
    if (status != AMQP_STATUS_OK) give_up(std::string("lost the broker: ") + amqp_error_string2(status));
    if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
      give_up("the broker says something else than that it confirms");
    const auto* ack = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
    confirm(ack->delivery_tag, ack->multiple != 0);
    return true;
  }
  void read_all() {
    while (read({0, 0})) continue;
    amqp_maybe_release_buffers(line_.state());
  }
  void publish_all(long count) {
    while (confirmed_ < count) {
      while (published_ < count && published_ - confirmed_ < kWindow) {
        publish();
        if (published_ % kReadEvery == 0) read_all();
      }
      if (confirmed_ < count && !read(kPatience)) give_up("the broker does not confirm");
      read_all();
    }
  }

 private:
  void confirm(std::uint64_t tag, bool multiple) {
    if (tag >= confirmed_tags_.size()) give_up("a confirm of what was not published");
    for (std::uint64_t one = multiple ? lowest_ : tag; one <= tag; ++one) {
      if (confirmed_tags_[one]) continue;
      confirmed_tags_[one] = true;
      ++confirmed_;
    }
    if (multiple) lowest_ = tag + 1;
  }

  Line& line_;
  std::vector<bool> confirmed_tags_;
  std::uint64_t lowest_ = 1;
  long published_ = 0, confirmed_ = 0;
  std::string body_ = std::string(kBody, 'x');
};

void consume_all(Line& line, long count) {
  for (long taken = 1; taken <= count; ++taken) {
    amqp_envelope_t envelope;
    const auto reply = amqp_consume_message(line.state(), &envelope, &kPatience, 0);
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) give_up("the broker does not deliver");
    if ((taken % kAckEvery == 0 || taken == count) &&
        amqp_basic_ack(line.state(), kChannel, envelope.delivery_tag, /*multiple=*/1) != AMQP_STATUS_OK)
      give_up("an acknowledgement failed");
    amqp_destroy_envelope(&envelope);
    amqp_maybe_release_buffers(line.state());
  }
}

double per_second(long count, MonoTime begun) {
  return static_cast<double>(count) * 1e6 / static_cast<double>((machine_now() - begun).count());
}

double publish_alone(const std::string& url, long count) {
  Line line(url);
  line.declare();
  Publisher publisher(line, count);
  const MonoTime begun = machine_now();
  publisher.publish_all(count);
  const double rate = per_second(count, begun);
  line.remove();
  return rate;
}

// The acknowledgements are sent when it ends, but perhaps not read: the broker's confirms are, and its
// deliveries.
double publish_and_consume(const std::string& url, long count) {
  Line out(url), in(url);
  out.declare();
  in.consume();
  Publisher publisher(out, count);
  const MonoTime begun = machine_now();
  std::thread consumer([&] { consume_all(in, count); });
  publisher.publish_all(count);
  consumer.join();
  const double rate = per_second(count, begun);
  out.remove();
  return rate;
}

std::vector<double> publish_singly(const std::string& url, long count) {
  Line line(url);
  line.declare();
  Publisher publisher(line, count);
  std::vector<double> took;
  for (long i = 0; i < count; ++i) {
    const MonoTime begun = machine_now();
    publisher.publish();
    if (!publisher.read(kPatience)) give_up("the broker does not confirm");
    took.push_back(static_cast<double>((machine_now() - begun).count()) / 1e3);
  }
  line.remove();
  return took;
}

}  // namespace

void measure_broker(const std::string& url, long count, long single, Tally& tally) {
  tally.text("rabbitmq_version", Line(url).version());
  tally.text("rabbitmq_c_version", amqp_version());
  tally.number("publish_confirm_per_s", publish_alone(url, count));
  tally.number("publish_consume_per_s", publish_and_consume(url, count));
  std::vector<double> took = publish_singly(url, single);
  tally.quantiles("publish_single", took, "ms");
}

}  // namespace duly::bench
