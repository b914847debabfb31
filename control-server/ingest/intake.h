// Takes commands from the queue duly.submit and results from duly.results: of every message either what it
// says is stored, or a dead letter that says why not is with the broker, before it is acknowledged.
//
// Operation.  A delivery is read (submit_message.h, result_message.h) and handed to the engine as what HTTP
// would make of it; the engine's answer, which comes after the commit, acknowledges it.  What cannot be
// understood, or is refused for good, is published to duly.dead with the reason, and acknowledged when that
// is confirmed.  What the engine has no room for (its mailbox is full, the disk is low) waits here and is
// tried again: the prefetch then holds the rest in the broker.  Nothing is put back into its queue.
// Concurrency.  The thread of `loop`.
// Limits.  Holds what the broker lets a consumer of each queue have unsettled: limits::kSubmitPrefetch and
// limits::kResultPrefetch messages.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/amqp/broker.h"
#include "common/runtime/loop.h"
#include "control-server/core/effects.h"
#include "control-server/core/inputs.h"

namespace duly {

class Intake {
 public:
  // As Broker::consume() names them.
  static inline const std::string kSubmitQueue = "/" + topology::kSubmitQueue;
  static inline const std::string kResultQueue = "/" + topology::kResultsQueue;

  struct Ports {
    std::function<bool(Input&&)> submit;  // false = the mailbox is full, and nothing was taken
    std::function<void(std::uint64_t generation, std::uint64_t tag)> acknowledge;
    std::function<void(PublishTicket, AmqpMessage)> publish;
  };
  Intake(Loop& loop, Ports ports);

  // Replies and tickets of the intake are apart from those of others.
  static bool owns_reply(ReplyTo reply) { return reply >= kFirst; }
  static bool owns_ticket(PublishTicket ticket) { return ticket >= kFirst; }

  void delivered(std::vector<Delivery> deliveries);
  // What was delivered and not acknowledged comes again.
  void consumer_down();
  void answered(const Answer& answer);
  void settled(const SettledPublish& result);

 private:
  static constexpr std::uint64_t kFirst = std::uint64_t{1} << 62;

  struct Taken {
    Delivery delivery;
    Input request;
  };
  struct Letter {
    std::uint64_t generation = 0, tag = 0;
    AmqpMessage message;
  };
  void take(Delivery delivery);
  void ask_engine();
  void refused(std::map<ReplyTo, Taken>::node_type taken, const Problem& problem);
  void park(Delivery delivery, const std::string& reason);
  void publish(Letter letter);
  void publish_again();
  void rest();

  Loop& loop_;
  const Ports ports_;
  std::uint64_t last_ = kFirst;
  std::map<ReplyTo, Taken> waiting_;  // for the engine to have room, in order of arrival
  std::map<ReplyTo, Taken> asked_;
  std::map<PublishTicket, Letter> letters_;  // on their way
  std::vector<Letter> again_;                // that the broker did not confirm
  bool resting_ = false;
};

}  // namespace duly
