// Consumes, settles and looks at queues, on a connection and a thread of its own.
//
// Operation.  All consumers share one channel, so delivery tags are unique per connection, which is a
// generation. What consume() asked for is declared and consumed again at each connect, and when the broker
// cancels a consumer because its queue was deleted. Concurrency.  The requests from any one thread; events
// come on the consumer's thread. Limits.  At most limits::kQueues looks wait at once, each for one answer;
// settlements are as many as deliveries.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/amqp/rabbit_message.h"
#include "common/amqp/rabbit_worker.h"

namespace duly {

struct RabbitConsumerEvents {
  std::function<void()> up;
  std::function<void()> down;
  std::function<void(std::vector<Delivery>)> deliveries;
  std::function<void(QueueDepth)> inspected;
};

class RabbitConsumer {
 public:
  RabbitConsumer(const RabbitConfig& config, const Loop& clock, RabbitConsumerEvents events);
  ~RabbitConsumer() { worker_.stop(); }
  RabbitConsumer(const RabbitConsumer&) = delete;
  RabbitConsumer& operator=(const RabbitConsumer&) = delete;

  void start();
  void consume(const std::string& queue, int prefetch) { ask(Consume{queue, prefetch}); }
  void cancel() { ask(Cancel{}); }
  void settle(std::uint64_t generation, std::uint64_t tag, Settle how) {
    ask(SettleOne{generation, tag, how});
  }
  void inspect(const std::string& queue) DULY_EXCLUDES(mutex_);
  void drop(Duration pause) { worker_.drop(pause); }
  [[nodiscard]] WatchedLine& line() { return worker_.line(); }

 private:
  struct Consume {
    std::string queue;
    int prefetch;
  };
  struct Cancel {};
  struct SettleOne {
    std::uint64_t generation;
    std::uint64_t tag;
    Settle how;
  };
  using Request = std::variant<Consume, Cancel, SettleOne>;

  void ask(Request request) DULY_EXCLUDES(mutex_);
  std::vector<Request> take_requests() DULY_EXCLUDES(mutex_);

  Status prepare(RabbitConnection& connection) DULY_EXCLUDES(mutex_);
  Result<MonoTime> turn(RabbitConnection& connection) DULY_EXCLUDES(mutex_);
  void lost();
  MonoTime idle() DULY_EXCLUDES(mutex_);

  Status read_all(RabbitConnection& connection);
  Status on_frame(RabbitConnection& connection, const amqp_frame_t& frame);
  Status on_method(RabbitConnection& connection, const amqp_method_t& method);
  Status on_whole_message(RabbitConnection& connection);
  Status perform_all(RabbitConnection& connection) DULY_EXCLUDES(mutex_);
  Status acknowledge(RabbitConnection& connection, std::set<std::uint64_t> acks);
  Status perform(RabbitConnection& connection, const Request& request);
  Status begin_consumer(RabbitConnection& connection, const std::string& queue, int prefetch);
  Status wait_for_queue(const std::string& queue);
  Status begin_absent(RabbitConnection& connection);
  Status end_consumer(RabbitConnection& connection, const std::string& queue);
  Status send_settle(RabbitConnection& connection, std::uint64_t tag, Settle how);
  Status look(RabbitConnection& connection) DULY_EXCLUDES(mutex_);
  std::set<std::string> take_looks() DULY_EXCLUDES(mutex_);
  void flush();

  const RabbitConfig& config_;
  const RabbitConsumerEvents events_;

  // Consumer's thread only.
  std::map<std::string, int> wanted_;  // prefetch by queue
  std::set<std::string> absent_;       // of them, those that are not there to be consumed …
  MonoTime next_absent_look_{};        // … and when they are looked for again
  std::uint64_t generation_ = 0;
  std::set<std::uint64_t> unsettled_;  // tags; the broker closes the channel for one it does not know
  MessageAssembler assembler_;
  Delivery incoming_;  // without its message
  std::vector<Delivery> deliveries_;

  Mutex mutex_;
  std::vector<Request> requests_ DULY_GUARDED_BY(mutex_);
  std::set<std::string> looks_ DULY_GUARDED_BY(mutex_);
  RabbitWorker worker_;  // last: its thread uses all of the above
};

}  // namespace duly
