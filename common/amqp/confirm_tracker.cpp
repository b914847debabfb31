#include "common/amqp/confirm_tracker.h"

#include <iterator>
#include <utility>

#include "common/base/planted.h"

namespace duly {

std::uint64_t ConfirmTracker::on_publish(PublishTicket ticket, std::string message_id, MonoTime now) {
  const std::uint64_t tag = next_tag_++;
  open_.emplace(tag, Entry{ticket, std::move(message_id), now});
  return tag;
}

void ConfirmTracker::on_return(const std::string& message_id) {
  for (auto& [tag, entry] : open_) {
    if (!entry.returned && entry.message_id == message_id && !DULY_PLANTED("confirm.return")) {
      entry.returned = true;
      return;
    }
  }
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
    settled.push_back({open.ticket, open.returned ? PublishOutcome::returned : outcome});
  }
  open_.erase(first, end);
  return settled;
}

}  // namespace duly
