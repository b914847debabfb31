#include <amqp.h>

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "common/runtime/asio_loop.h"
#include "tests/bench/give_up.h"
#include "tests/bench/limits/limits.h"
#include "tests/bench/limits/line.h"

namespace duly::bench {
namespace {

constexpr long kReadEvery = 64;  // publishes between two looks for confirms
const std::string kQueue = "bench.limits";
const std::string kBody(256, 'x');

using Properties = amqp_basic_properties_t;

// The least that makes a message persistent.
Properties bare() {
  Properties properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  return properties;
}

amqp_table_entry_t text(const char* name, const char* value) {
  amqp_table_entry_t entry{amqp_cstring_bytes(name), {}};
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = amqp_cstring_bytes(value);
  return entry;
}

amqp_table_entry_t number(const char* name, std::int64_t value) {
  amqp_table_entry_t entry{amqp_cstring_bytes(name), {}};
  entry.value.kind = AMQP_FIELD_KIND_I64;
  entry.value.value.i64 = value;
  return entry;
}

// As an execution message has them (proto-schemas/PROTOCOL.md), so that any executor can read who it is.
Properties as_ours() {
  static std::vector<amqp_table_entry_t> headers = {text("duly-id", "cmd_03NFCA07W0001"),
                                                    number("duly-attempt", 1),
                                                    number("duly-max-attempts", 5),
                                                    text("duly-queue", "default"),
                                                    number("duly-shard", 17),
                                                    number("duly-epoch", 3),
                                                    number("duly-token", 1),
                                                    number("duly-due-at", 1'767'225'600'000)};
  Properties properties = bare();
  properties._flags |= AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_HEADERS_FLAG |
                       AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG |
                       AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG;
  properties.content_type = amqp_cstring_bytes("application/json");
  properties.headers = {static_cast<int>(headers.size()), headers.data()};
  properties.correlation_id = amqp_cstring_bytes("cmd_03NFCA07W0001");
  properties.message_id = amqp_cstring_bytes("cmd_03NFCA07W0001.1");
  properties.timestamp = 1'767'225'600;
  properties.type = amqp_cstring_bytes("builtin.noop");
  properties.app_id = amqp_cstring_bytes("duly");
  return properties;
}

void publish_all(Publisher& publisher, const Properties& properties, long count) {
  while (publisher.published() < count) {
    publisher.publish("", kQueue, properties, kBody);
    if (publisher.published() % kReadEvery == 0) publisher.read_all();
    publisher.wait_for_room(kWindow);
  }
  publisher.wait_for_room(1);
}

void consume_all(Line& line, long count) {
  for (long taken = 1; taken <= count; ++taken) {
    amqp_envelope_t envelope;
    if (!line.take(envelope, kPatience)) give_up("the broker does not deliver");
    if (taken % kAckEvery == 0 || taken == count) line.acknowledge(envelope.delivery_tag);
    amqp_destroy_envelope(&envelope);
  }
}

double per_second(long count, MonoTime begun) {
  return static_cast<double>(count) * 1e6 / static_cast<double>((machine_now() - begun).count());
}

double publish_alone(const std::string& url, const Properties& properties, long count) {
  Line line(url);
  line.declare(kQueue);
  Publisher publisher(line, count);
  const MonoTime begun = machine_now();
  publish_all(publisher, properties, count);
  const double rate = per_second(count, begun);
  line.remove(kQueue);
  return rate;
}

// The acknowledgements are sent when it ends, but perhaps not read: the broker's confirms are, and its
// deliveries.
double publish_and_consume(const std::string& url, const Properties& properties, long count) {
  Line out(url), in(url);
  out.declare(kQueue);
  in.consume(kQueue);
  Publisher publisher(out, count);
  const MonoTime begun = machine_now();
  std::thread consumer([&] { consume_all(in, count); });
  publish_all(publisher, properties, count);
  consumer.join();
  const double rate = per_second(count, begun);
  out.remove(kQueue);
  return rate;
}

std::vector<double> publish_singly(const std::string& url, long count) {
  Line line(url);
  line.declare(kQueue);
  Publisher publisher(line, count);
  std::vector<double> took;
  for (long i = 0; i < count; ++i) {
    const MonoTime begun = machine_now();
    publisher.publish("", kQueue, bare(), kBody);
    if (!publisher.read(kPatience)) give_up("the broker does not confirm");
    took.push_back(static_cast<double>((machine_now() - begun).count()) / 1e3);
  }
  line.remove(kQueue);
  return took;
}

}  // namespace

void measure_broker(const std::string& url, long count, long single, Tally& tally) {
  tally.text("rabbitmq_version", Line(url).version());
  tally.text("rabbitmq_c_version", amqp_version());
  tally.number("publish_confirm_per_s", publish_alone(url, bare(), count));
  tally.number("publish_consume_per_s", publish_and_consume(url, bare(), count));
  tally.number("publish_confirm_ours_per_s", publish_alone(url, as_ours(), count));
  tally.number("publish_consume_ours_per_s", publish_and_consume(url, as_ours(), count));
  std::vector<double> took = publish_singly(url, single);
  tally.quantiles("publish_single", took, "ms");
}

}  // namespace duly::bench
