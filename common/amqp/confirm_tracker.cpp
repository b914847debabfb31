#include "common/amqp/confirm_tracker.h"

#include <iterator>
#include <utility>

#include "common/base/planted.h"

namespace duly {

Fingerprint fingerprint_of(const AmqpMessage& message, Compare how) {
  Fingerprint found;
  found.exchange = message.exchange;
  found.way = stable_hash(message.exchange) ^ mix(stable_hash(message.routing_key));
  found.content = stable_hash(how == Compare::by_content ? message.properties : message.message_id);
  if (how == Compare::by_content && message.body) found.content ^= mix(stable_hash(*message.body));
  return found;
}

std::uint64_t ConfirmTracker::on_publish(PublishTicket ticket, Fingerprint fingerprint, MonoTime now) {
  const std::uint64_t tag = next_tag_++;
  open_.emplace(tag, Entry{ticket, std::move(fingerprint), now});
  return tag;
}

void ConfirmTracker::on_return(const Fingerprint& fingerprint, const std::string& reason) {
  if (DULY_PLANTED("confirm.return")) return;
  const auto give_back = [&reason](Entry& entry) {
    entry.returned = true;
    entry.reason = reason;
  };
  std::vector<Entry*> same_way;
  for (auto& [tag, entry] : open_) {
    if (entry.returned || entry.fingerprint.way != fingerprint.way) continue;
    if (entry.fingerprint.content == fingerprint.content) return give_back(entry);
    same_way.push_back(&entry);
  }
  for (Entry* entry : same_way) give_back(*entry);
}

std::vector<SettledPublish> ConfirmTracker::on_ack(std::uint64_t tag, bool multiple) {
  return settle(tag, multiple && !DULY_PLANTED("confirm.multiple"), PublishOutcome::confirmed);
}

std::vector<SettledPublish> ConfirmTracker::on_nack(std::uint64_t tag, bool multiple) {
  return settle(tag, multiple,
                DULY_PLANTED("confirm.nack") ? PublishOutcome::confirmed : PublishOutcome::rejected);
}

std::vector<SettledPublish> ConfirmTracker::on_channel_lost() {
  std::vector<SettledPublish> settled;
  settled.reserve(open_.size());
  for (const auto& [tag, entry] : open_) settled.push_back({entry.ticket, PublishOutcome::in_doubt});
  open_.clear();
  if (!DULY_PLANTED("confirm.tags")) next_tag_ = 1;
  return settled;
}

std::vector<SettledPublish> ConfirmTracker::on_channel_refused(const std::string& reason) {
  std::vector<SettledPublish> refused;
  const bool alone = open_.size() == 1;
  std::erase_if(open_, [&](const auto& item) {
    const Entry& entry = item.second;
    const bool named = reason.find("'" + entry.fingerprint.exchange + "'") != std::string::npos;
    if (named || alone) refused.push_back({entry.ticket, PublishOutcome::returned, reason});
    return named || alone;
  });
  for (SettledPublish& lost : on_channel_lost()) refused.push_back(std::move(lost));
  return refused;
}

std::optional<MonoTime> ConfirmTracker::oldest() const {
  if (open_.empty()) return std::nullopt;
  return open_.begin()->second.sent;
}

std::vector<SettledPublish> ConfirmTracker::settle(std::uint64_t tag, bool multiple, PublishOutcome outcome) {
  const auto first = multiple ? open_.begin() : open_.find(tag);
  auto end = first;
  if (multiple) {
    end = tag == 0 ? open_.end() : open_.upper_bound(tag);
  } else if (first != open_.end()) {
    end = std::next(first);
  }
  std::vector<SettledPublish> settled;
  for (auto entry = first; entry != end; ++entry) {
    const Entry& open = entry->second;
    settled.push_back({open.ticket, open.returned ? PublishOutcome::returned : outcome, open.reason});
  }
  open_.erase(first, end);
  return settled;
}

}  // namespace duly
