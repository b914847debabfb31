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

void publish_one(Publisher& publisher) {
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  publisher.publish("", kQueue, properties, kBody);
}

void publish_all(Publisher& publisher, long count) {
  while (publisher.published() < count) {
    publish_one(publisher);
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

double publish_alone(const std::string& url, long count) {
  Line line(url);
  line.declare(kQueue);
  Publisher publisher(line, count);
  const MonoTime begun = machine_now();
  publish_all(publisher, count);
  const double rate = per_second(count, begun);
  line.remove(kQueue);
  return rate;
}

// The acknowledgements are sent when it ends, but perhaps not read: the broker's confirms are, and its
// deliveries.
double publish_and_consume(const std::string& url, long count) {
  Line out(url), in(url);
  out.declare(kQueue);
  in.consume(kQueue);
  Publisher publisher(out, count);
  const MonoTime begun = machine_now();
  std::thread consumer([&] { consume_all(in, count); });
  publish_all(publisher, count);
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
    publish_one(publisher);
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
  tally.number("publish_confirm_per_s", publish_alone(url, count));
  tally.number("publish_consume_per_s", publish_and_consume(url, count));
  std::vector<double> took = publish_singly(url, single);
  tally.quantiles("publish_single", took, "ms");
}

}  // namespace duly::bench
