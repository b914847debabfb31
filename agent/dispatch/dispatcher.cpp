#include "agent/dispatch/dispatcher.h"

#include <algorithm>
#include <utility>

#include "common/base/assert.h"
#include "common/base/planted.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::int64_t kCapacity = static_cast<std::int64_t>(limits::kAgentInHand);
constexpr int kMarginShare = 5;  // the last fifth of a lease is not used

}  // namespace

// ---- the link
// --------------------------------------------------------------------------------------------------

void Dispatcher::welcome(MonoTime hello_sent, Duration ttl) {
  linked_ = true;
  await_first_lease_ = true;
  ttl_ = ttl;
  room_given_ = 0;  // a new connection begins without credit
  heartbeat_acknowledged(hello_sent);
  // Marks whose acknowledgement was lost are sent again; the server knows each by (command, attempt, token).
  for (auto& [sequence, items] : marks_) to_mark_.insert(to_mark_.end(), items.begin(), items.end());
  marks_.clear();
}

void Dispatcher::link_lost() { linked_ = false; }

void Dispatcher::heartbeat_acknowledged(MonoTime sent) {
  trusted_until_ = std::max(trusted_until_, sent + ttl_ - ttl_ / kMarginShare);
}

void Dispatcher::lease(const Lease& lease) {
  if (await_first_lease_) {
    await_first_lease_ = false;
    std::map<ShardId, Held> kept;
    for (const Holding& holding : lease.items) kept[holding.shard] = Held{holding.epoch, false};
    std::vector<ShardId> dropped;
    for (const auto& [shard, held] : holdings_) {
      const auto at = kept.find(shard);
      if (at == kept.end() || at->second.epoch != held.epoch) dropped.push_back(shard);
    }
    for (const ShardId shard : dropped) drop_upcoming(shard);
    holdings_ = std::move(kept);
    return;
  }
  for (const Holding& holding : lease.items) {
    const auto at = holdings_.find(holding.shard);
    if (at != holdings_.end() && at->second.epoch != holding.epoch) drop_upcoming(holding.shard);
    holdings_[holding.shard] = Held{holding.epoch, false};
  }
}

void Dispatcher::revoke(const Revoke& revoke) {
  for (const Holding& holding : revoke.items) {
    const auto at = holdings_.find(holding.shard);
    if (at == holdings_.end() || at->second.epoch != holding.epoch) continue;
    at->second.revoking = true;
    give_back_upcoming(holding.shard);
  }
}

void Dispatcher::hand_out(MonoTime now, HandOut batch) {
  for (HandOutItem& item : batch.items) {
    room_given_ = std::max<std::int64_t>(room_given_ - 1, 0);
    ++counters_.handed_out;
    if (!holds(item)) continue;  // handed out under a lease that is gone: the server forgot it with the lease
    const std::int64_t wait_us = DULY_PLANTED("publish.due") ? 0 : std::max<std::int64_t>(item.due_in_us, 0);
    const MonoTime publish_at = now + Duration{wait_us};
    if (!item.deliver && known_queues_.insert(item.queue).second)
      effects_.ensure_queues.push_back(item.queue);
    upcoming_.emplace(std::pair{publish_at, next_arrival_++}, std::move(item));
  }
}

void Dispatcher::marks_acknowledged(std::uint64_t sequence) {
  const auto at = marks_.find(sequence);
  if (at == marks_.end()) return;
  counters_.marked += at->second.size();
  marks_.erase(at);
}

// ---- the broker
// ------------------------------------------------------------------------------------------------

void Dispatcher::broker_usable(bool usable) {
  broker_usable_ = usable;
  if (usable || !linked_) return;
  for (auto& [key, item] : upcoming_) give_back(item, GiveBackReason::broker_down);
  upcoming_.clear();
}

void Dispatcher::settled(MonoTime now, const std::vector<SettledPublish>& results) {
  for (const SettledPublish& result : results) {
    const auto at = open_.find(result.ticket);
    if (at == open_.end()) continue;
    const Open open = std::move(at->second);
    open_.erase(at);
    open_commands_ -= static_cast<std::int64_t>(open.items.size());
    ++counters_.settled[static_cast<std::size_t>(result.outcome)];
    settle(result, open, now);
  }
}

void Dispatcher::settle(const SettledPublish& result, const Open& open, MonoTime now) {
  const auto give_all_back = [&](GiveBackReason reason) {
    for (const HandOutItem& item : open.items) give_back(item, reason);
  };
  switch (result.outcome) {
    case PublishOutcome::confirmed:
      published_ += static_cast<std::int64_t>(open.items.size());
      counters_.confirm.add(now - open.published);
      for (const HandOutItem& item : open.items) {
        mark(item);
        if (DULY_PLANTED("bundle.marks")) break;
      }
      break;
    case PublishOutcome::returned:
      if (open.items.front().deliver) return mark_unroutable(open.items.front(), result.detail);
      effects_.ensure_queues.push_back(open.items.front().queue);
      give_all_back(GiveBackReason::returned);
      break;
    case PublishOutcome::rejected: give_all_back(GiveBackReason::rejected); break;
    case PublishOutcome::in_doubt: give_all_back(GiveBackReason::in_doubt); break;
  }
}

void Dispatcher::mark(const HandOutItem& item) {
  const MarkOutcome outcome = item.deliver ? MarkOutcome::delivered : MarkOutcome::published;
  to_mark_.push_back({item.id, item.attempt, item.token, item.shard, item.epoch, outcome});
}

// A failed attempt, unlike what is given back: whose exchange it is must hear of it, and we cannot declare
// it.
void Dispatcher::mark_unroutable(const HandOutItem& item, const std::string& detail) {
  if (DULY_PLANTED("deliver.return")) return mark(item);
  std::string error = "unroutable: exchange '" + item.deliver->exchange + "', routing key '" +
                      item.deliver->routing_key + "'";
  if (!detail.empty()) error += ": " + detail;
  to_mark_.push_back(
      {item.id, item.attempt, item.token, item.shard, item.epoch, MarkOutcome::unroutable, std::move(error)});
}

// ---- time
// ------------------------------------------------------------------------------------------------------

void Dispatcher::tick(MonoTime now) {
  const bool any =
      std::any_of(holdings_.begin(), holdings_.end(), [](const auto& h) { return !h.second.revoking; });
  if (now < trusted_until_ || !any || DULY_PLANTED("agent.self-fence")) return;
  // The lease may have ended without our hearing of it: nothing of it may be published any more.  A server
  // that has not noticed anything must be told, or it would wait for us for ever.
  let_go_of_all();
}

void Dispatcher::drain() {
  draining_ = true;
  if (linked_) effects_.messages.push_back(Leaving{});
  let_go_of_all();
}

DispatchEffects Dispatcher::take(MonoTime now) {
  tick(now);
  if (linked_ && !await_first_lease_) publish_due(now);
  if (linked_) {
    flush_marks();
    if (!given_back_.empty()) effects_.messages.push_back(GiveBack{std::exchange(given_back_, {})});
    release_settled();
    grant_credit();
  }
  return std::exchange(effects_, {});
}

std::optional<MonoTime> Dispatcher::next_wakeup() const {
  std::optional<MonoTime> next;
  const bool any =
      std::any_of(holdings_.begin(), holdings_.end(), [](const auto& h) { return !h.second.revoking; });
  if (any && !DULY_PLANTED("agent.self-fence")) next = trusted_until_;
  const bool may_publish =
      linked_ && !await_first_lease_ && broker_usable_ && open_.size() < limits::kPublishWindow;
  if (may_publish && !upcoming_.empty()) {
    const MonoTime first = upcoming_.begin()->first.first;
    next = next ? std::min(*next, first) : first;
  }
  return next;
}

void Dispatcher::publish_due(MonoTime now) {
  const bool trusted = now < trusted_until_ || DULY_PLANTED("agent.self-fence");
  struct Filling {
    std::vector<HandOutItem> items;
    std::size_t bytes = 0;
  };
  std::map<std::string, Filling> bundles;  // by queue
  while (broker_usable_ && trusted && !upcoming_.empty() && upcoming_.begin()->first.first <= now &&
         open_.size() + bundles.size() < limits::kPublishWindow) {
    HandOutItem item = take_due(now);
    if (item.bundle <= 1) {
      publish({std::move(item)}, now);
      continue;
    }
    const auto most = static_cast<std::size_t>(item.bundle);
    const auto at = bundles.try_emplace(item.queue).first;
    at->second.bytes += item.payload->size();
    at->second.items.push_back(std::move(item));
    if (at->second.items.size() < most && at->second.bytes < limits::kBundleBytes) continue;
    publish(std::move(at->second.items), now);
    bundles.erase(at);
  }
  for (auto& [queue, bundle] : bundles) publish(std::move(bundle.items), now);
}

// The first of what is upcoming, which is due.
HandOutItem Dispatcher::take_due(MonoTime now) {
  auto first = upcoming_.extract(upcoming_.begin());
  // What came late is later by what it was late then.
  const Duration late_already{std::max<std::int64_t>(-first.mapped().due_in_us, 0)};
  counters_.lateness.add(now - first.key().first + late_already);
  return std::move(first.mapped());
}

void Dispatcher::publish(std::vector<HandOutItem> items, MonoTime now) {
  const PublishTicket ticket = next_ticket_++;
  for (const HandOutItem& item : items) {
    if (item.deliver ? DULY_PLANTED("deliver.confirm") : DULY_PLANTED("mark.confirm")) mark(item);
  }
  if (items.size() == 1) {
    effects_.publishes.emplace_back(ticket, items.front());
  } else {
    effects_.bundles.emplace_back(ticket, items);
  }
  open_commands_ += static_cast<std::int64_t>(items.size());
  open_.emplace(ticket, Open{std::move(items), now});
}

// ---- pieces
// ----------------------------------------------------------------------------------------------------

bool Dispatcher::holds(const HandOutItem& item) const {
  const auto at = holdings_.find(item.shard);
  return at != holdings_.end() && at->second.epoch == item.epoch && !at->second.revoking;
}

void Dispatcher::give_back(const HandOutItem& item, GiveBackReason reason) {
  ++counters_.given_back[static_cast<std::size_t>(reason)];
  given_back_.push_back({item.id, item.attempt, item.shard, item.epoch, reason});
}

void Dispatcher::let_go_of_all() {
  for (auto& [shard, held] : holdings_) held.revoking = true;
  for (const auto& [key, item] : upcoming_) give_back(item, GiveBackReason::drained);
  upcoming_.clear();
}

void Dispatcher::give_back_upcoming(ShardId shard) {
  for (const auto& [key, item] : upcoming_) {
    if (item.shard == shard) give_back(item, GiveBackReason::drained);
  }
  drop_upcoming(shard);
}

void Dispatcher::drop_upcoming(ShardId shard) {
  std::erase_if(upcoming_, [&](const auto& entry) { return entry.second.shard == shard; });
}

// A revoked shard is let go when nothing of it is unsettled and everything confirmed has been marked before.
void Dispatcher::release_settled() {
  const bool lets_go =
      std::any_of(holdings_.begin(), holdings_.end(), [](const auto& h) { return h.second.revoking; });
  if (!lets_go) return;  // the rest looks at all that is unsettled, at every turn
  std::set<ShardId> busy;
  for (const auto& [ticket, open] : open_) {
    for (const HandOutItem& item : open.items) busy.insert(item.shard);
  }
  Released released;
  for (auto at = holdings_.begin(); at != holdings_.end();) {
    if (at->second.revoking && !busy.contains(at->first)) {
      released.items.push_back({at->first, at->second.epoch});
      at = holdings_.erase(at);
    } else {
      ++at;
    }
  }
  if (!released.items.empty()) effects_.messages.push_back(std::move(released));
}

void Dispatcher::flush_marks() {
  while (!to_mark_.empty()) {
    const std::size_t count = std::min<std::size_t>(to_mark_.size(), limits::kHandOutItems);
    const auto end = to_mark_.begin() + static_cast<std::ptrdiff_t>(count);
    Marks marks{next_marks_++, {to_mark_.begin(), end}};
    to_mark_.erase(to_mark_.begin(), end);
    marks_.emplace(marks.sequence, marks.items);
    effects_.messages.push_back(std::move(marks));
  }
}

void Dispatcher::grant_credit() {
  if (!broker_usable_ || draining_ || await_first_lease_) return;
  const std::int64_t room = kCapacity - in_flight() - room_given_;
  const bool worth_a_frame = room >= kCapacity / 8 || (room > 0 && room_given_ == 0);
  if (!worth_a_frame) return;
  room_given_ += room;
  effects_.messages.push_back(Credit{room});
}

std::vector<Holding> Dispatcher::holdings() const {
  std::vector<Holding> all;
  for (const auto& [shard, held] : holdings_) {
    if (!held.revoking) all.push_back({shard, held.epoch});
  }
  return all;
}

std::vector<AttemptRef> Dispatcher::in_hand() const {
  std::vector<AttemptRef> refs;
  // Of a holding that is gone nothing is claimed: its mark or give-back will be refused, so a server that
  // believed the claim would wait for it as long as this agent keeps the shard.  (Found by tests/model,
  // NO_HELLO_EPOCH.)
  const auto add = [&](const auto& item) {
    const auto at = holdings_.find(item.shard);
    if (at != holdings_.end() && at->second.epoch == item.epoch) refs.push_back({item.id, item.attempt});
  };
  for (const auto& [key, item] : upcoming_) add(item);
  for (const auto& [ticket, open] : open_) {
    for (const HandOutItem& item : open.items) add(item);
  }
  for (const MarkItem& item : to_mark_) add(item);
  for (const auto& [sequence, items] : marks_) {
    for (const MarkItem& item : items) add(item);
  }
  return refs;
}

}  // namespace duly
