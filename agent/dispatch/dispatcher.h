// The dispatch role's decisions: what to publish when, what to mark, what to give back.  Pure: no socket, no
// thread, no clock.
//
// Operation.  Commands are handed over slightly ahead of their time and published when due, never before.
// Only a confirmed publish is marked; anything else is given back, but for a delivery (to an exchange that is
// not ours) that has no way to go: that is marked as failed.  Publishing stops before the lease can
// have ended: it is trusted for (ttl - margin) from the moment the last acknowledged heartbeat was *sent*.
// What is due of a queue with a bundle goes out together, as far as it is due: nobody waits for company.
// Concurrency.  One thread; call take() after every input and perform what it gives, in order.
// Limits.  At most limits::kAgentInHand commands in hand, limits::kPublishWindow messages unconfirmed.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/amqp/broker.h"
#include "common/base/histogram.h"
#include "common/wire/messages.h"

namespace duly {

struct DispatchEffects {
  std::vector<AgentMessage> messages;
  std::vector<std::pair<PublishTicket, HandOutItem>> publishes;
  std::vector<std::pair<PublishTicket, std::vector<HandOutItem>>> bundles;  // several in one message
  std::vector<std::string> ensure_queues;
};

// Since the start; for the agent's metrics.
struct DispatchCounters {
  std::array<std::uint64_t, 4> settled{};     // by PublishOutcome
  std::array<std::uint64_t, 5> given_back{};  // by GiveBackReason
  std::uint64_t handed_out = 0;
  std::uint64_t marked = 0;  // marks that the server has acknowledged
  Histogram lateness;        // publish after the due time
  Histogram confirm;         // the broker's confirm after the publish
};

class Dispatcher {
 public:
  // ---- the link
  // ----------------------------------------------------------------------------------------------
  void welcome(MonoTime hello_sent, Duration ttl);
  void link_lost();
  void heartbeat_acknowledged(MonoTime sent);
  void lease(const Lease& lease);
  void revoke(const Revoke& revoke);
  void hand_out(MonoTime now, HandOut batch);
  void marks_acknowledged(std::uint64_t sequence);

  // ---- the broker
  // --------------------------------------------------------------------------------------------
  void broker_usable(bool usable);
  void settled(MonoTime now, const std::vector<SettledPublish>& results);

  void tick(MonoTime now);
  // Takes no further work and lets go of every shard, once what it has published is settled and marked.
  void drain();

  DispatchEffects take(MonoTime now);
  // When tick() wants to be called next, or nothing.
  [[nodiscard]] std::optional<MonoTime> next_wakeup() const;

  // ---- for hello and heartbeat
  // -------------------------------------------------------------------------------
  [[nodiscard]] std::vector<Holding> holdings() const;
  [[nodiscard]] std::vector<AttemptRef> in_hand() const;
  [[nodiscard]] std::int64_t in_flight() const {
    return static_cast<std::int64_t>(upcoming_.size()) + open_commands_;
  }
  [[nodiscard]] std::int64_t published() const { return published_; }
  [[nodiscard]] const DispatchCounters& counters() const { return counters_; }
  // Nothing held, nothing unsettled, nothing unmarked: it is safe to leave.
  [[nodiscard]] bool idle() const {
    return holdings_.empty() && open_.empty() && to_mark_.empty() && marks_.empty();
  }

 private:
  struct Held {
    Epoch epoch;
    bool revoking = false;
  };
  // One message: one command, or those of a bundle.
  struct Open {
    std::vector<HandOutItem> items;
    MonoTime published;
  };
  [[nodiscard]] bool holds(const HandOutItem& item) const;
  void publish_due(MonoTime now);
  HandOutItem take_due(MonoTime now);
  void publish(std::vector<HandOutItem> items, MonoTime now);
  void settle(const SettledPublish& result, const Open& open, MonoTime now);
  void mark(const HandOutItem& item);
  void mark_unroutable(const HandOutItem& item, const std::string& detail);
  void give_back(const HandOutItem& item, GiveBackReason reason);
  void let_go_of_all();
  void give_back_upcoming(ShardId shard);
  void drop_upcoming(ShardId shard);
  void release_settled();
  void flush_marks();
  void grant_credit();

  bool linked_ = false;
  bool await_first_lease_ = false;
  bool broker_usable_ = false;
  bool draining_ = false;
  Duration ttl_{};
  MonoTime trusted_until_{};
  std::map<ShardId, Held> holdings_;
  std::map<std::pair<MonoTime, std::uint64_t>, HandOutItem>
      upcoming_;  // by time to publish, then as handed out
  std::uint64_t next_arrival_ = 1;
  std::set<std::string> known_queues_;  // declared once by us
  std::map<PublishTicket, Open> open_;  // published, not settled
  std::int64_t open_commands_ = 0;      // of those messages
  PublishTicket next_ticket_ = 1;
  std::vector<MarkItem> to_mark_;
  std::map<std::uint64_t, std::vector<MarkItem>> marks_;  // sent, not acknowledged
  std::uint64_t next_marks_ = 1;
  std::int64_t room_given_ = 0;  // credit the server still has
  std::int64_t published_ = 0;
  DispatchCounters counters_;
  DispatchEffects effects_;
  std::vector<GiveBackItem> given_back_;
};

}  // namespace duly
