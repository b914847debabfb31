#include "tests/bench/limits/line.h"

#include <amqp_tcp_socket.h>

#include <utility>

#include "tests/bench/give_up.h"

namespace duly::bench {

Line::Line(std::string url) : state_(amqp_new_connection()) {
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

Line::~Line() {
  amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(state_);
}

void Line::declare(const std::string& queue) {
  amqp_table_entry_t type{};
  type.key = amqp_cstring_bytes("x-queue-type");
  type.value.kind = AMQP_FIELD_KIND_UTF8;
  type.value.value.bytes = amqp_cstring_bytes("quorum");
  amqp_queue_declare(state_, kChannel, bytes_of(queue), /*passive=*/0, /*durable=*/1, /*exclusive=*/0,
                     /*auto_delete=*/0, {1, &type});
  check("declare a queue");
}

void Line::remove(const std::string& queue) {
  amqp_queue_delete(state_, kChannel, bytes_of(queue), /*if_unused=*/0, /*if_empty=*/0);
  check("delete the queue");
}

void Line::want_confirms() {
  amqp_confirm_select(state_, kChannel);
  check("have confirms");
}

void Line::consume(const std::string& queue) {
  amqp_basic_qos(state_, kChannel, 0, kWindow, 0);
  check("set the prefetch");
  amqp_basic_consume(state_, kChannel, bytes_of(queue), amqp_empty_bytes, /*no_local=*/0, /*no_ack=*/0,
                     /*exclusive=*/0, amqp_empty_table);
  check("consume");
}

bool Line::take(amqp_envelope_t& envelope, timeval limit) {
  amqp_maybe_release_buffers(state_);
  const auto reply = amqp_consume_message(state_, &envelope, &limit, 0);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return true;
  if (reply.reply_type != AMQP_RESPONSE_LIBRARY_EXCEPTION || reply.library_error != AMQP_STATUS_TIMEOUT)
    give_up("the broker ended the connection while it delivered");
  return false;
}

void Line::acknowledge(std::uint64_t tag) {
  if (amqp_basic_ack(state_, kChannel, tag, /*multiple=*/1) != AMQP_STATUS_OK)
    give_up("an acknowledgement failed");
}

std::string Line::version() const {
  const amqp_table_t* said = amqp_get_server_properties(state_);
  for (int i = 0; i < said->num_entries; ++i) {
    const amqp_table_entry_t& entry = said->entries[i];
    const std::string name(static_cast<const char*>(entry.key.bytes), entry.key.len);
    if (name != "version" || entry.value.kind != AMQP_FIELD_KIND_UTF8) continue;
    return {static_cast<const char*>(entry.value.value.bytes.bytes), entry.value.value.bytes.len};
  }
  return "?";
}

void Line::check(const char* what) {
  if (amqp_get_rpc_reply(state_).reply_type != AMQP_RESPONSE_NORMAL) give_up(std::string("cannot ") + what);
}

Publisher::Publisher(Line& line, long count)
    : line_(line), confirmed_tags_(static_cast<std::size_t>(count) + 1) {
  line_.want_confirms();
}

void Publisher::publish(const std::string& exchange, const std::string& key,
                        const amqp_basic_properties_t& properties, const std::string& body) {
  if (amqp_basic_publish(line_.state(), kChannel, bytes_of(exchange), bytes_of(key), /*mandatory=*/0,
                         /*immediate=*/0, &properties, bytes_of(body)) != AMQP_STATUS_OK)
    give_up("a publish failed");
  ++published_;
}

bool Publisher::read(timeval limit) {
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

void Publisher::read_all() {
  while (read({0, 0})) continue;
  amqp_maybe_release_buffers(line_.state());
}

void Publisher::wait_for_room(long most) {
  while (unconfirmed() >= most) {
    if (!read(kPatience)) give_up("the broker does not confirm");
    read_all();
  }
}

void Publisher::confirm(std::uint64_t tag, bool multiple) {
  if (tag >= confirmed_tags_.size()) give_up("a confirm of what was not published");
  for (std::uint64_t one = multiple ? lowest_ : tag; one <= tag; ++one) {
    if (confirmed_tags_[one]) continue;
    confirmed_tags_[one] = true;
    ++confirmed_;
  }
  if (multiple) lowest_ = tag + 1;
}

}  // namespace duly::bench
