#include "control-server/core/callbacks.h"

#include <algorithm>
#include <utility>

#include "common/base/planted.h"

namespace duly {
namespace {

// What a schedule made whose URL is not allowed any more has one lane, where it fails.
constexpr const char* kNowhere = "-";

}  // namespace

Callbacks::Callbacks(Store& store, Config config) : store_(store), config_(std::move(config)) {
  any_ = store_.any_callback();
  if (!any_) return;
  owed_ = store_.owed_callbacks();
  if (DULY_PLANTED("callback.start")) return;
  for (const std::string& origin : store_.callback_origins()) lanes_[origin];
}

std::string Callbacks::refuses(const std::string& url) const {
  if (!config_.origin_of) return "needs a server with --callback-secret-file";
  const auto origin = config_.origin_of(url);
  return origin ? std::string() : origin.error().what;
}

void Callbacks::accepted(CommandId id, const std::string& url) {
  any_ = true;
  std::string origin = kNowhere;
  if (config_.origin_of) {
    if (const auto allowed = config_.origin_of(url)) origin = *allowed;
  }
  store_.insert_callback(id, url, origin);
}

void Callbacks::ended(const StateRow& row, std::int64_t now_ms) {
  if (!any_) return;
  auto call = store_.callback(row.id);
  if (!call) return;
  if (DULY_PLANTED("callback.owed") && row.state != State::succeeded) return;
  ++call->ends;
  call->attempts = 0;
  call->error.clear();
  call->state = CallbackState::owed;
  call->next_ms = std::max<std::int64_t>(now_ms, 1);
  store_.update_callback(*call);
  ++owed_;
  lanes_[call->origin].next_ms = 0;
}

void Callbacks::reopened(CommandId id) {
  if (!any_ || DULY_PLANTED("callback.reopened")) return;
  auto call = store_.callback(id);
  if (!call || call->state == CallbackState::waiting) return;
  settle(*call, CallbackState::waiting);
}

// Ends what was owed.
void Callbacks::settle(CallbackRow& row, CallbackState state) {
  if (row.state == CallbackState::owed) --owed_;
  row.state = state;
  row.next_ms = 0;
  store_.update_callback(row);
}

// ---- making them
// -------------------------------------------------------------------------------------------------

bool Callbacks::has_room(const Lane& lane) const {
  return lane.on_its_way < (lane.fails ? 1 : config_.of_one_origin) && on_their_way_.size() < config_.at_once;
}

std::int64_t Callbacks::next_ms() const {
  std::int64_t next = INT64_MAX;
  for (const auto& [origin, lane] : lanes_) {
    if (has_room(lane)) next = std::min(next, lane.next_ms);
  }
  return config_.origin_of ? next : INT64_MAX;
}

void Callbacks::step(std::int64_t now_ms, std::vector<Effect>& effects) {
  if (!config_.origin_of) return;
  for (auto& [origin, lane] : lanes_) {
    if (lane.next_ms <= now_ms && has_room(lane)) send_due(origin, lane, now_ms, effects);
  }
  std::erase_if(lanes_, [](const auto& entry) {
    return entry.second.next_ms == INT64_MAX && entry.second.on_its_way == 0 && !entry.second.fails;
  });
}

void Callbacks::send_due(const std::string& origin, Lane& lane, std::int64_t now_ms,
                         std::vector<Effect>& effects) {
  lane.next_ms = INT64_MAX;
  // Those on their way are among the first, and one more says when to look again.
  for (const CallbackRow& row : store_.owed_callbacks(origin, lane.on_its_way + config_.of_one_origin + 1)) {
    if (on_their_way_.contains(row.id)) continue;
    if (row.next_ms > now_ms || !has_room(lane)) {
      lane.next_ms = row.next_ms;
      return;
    }
    ++lane.on_its_way;
    on_their_way_.emplace(row.id, origin);
    effects.push_back(SendCallback{row.id, row.ends, row.attempts + 1, row.url});
  }
}

// ---- what became of them
// -----------------------------------------------------------------------------------------

void Callbacks::back_from(CommandId id, CallbackOutcome outcome) {
  const auto sent = on_their_way_.find(id);
  if (sent == on_their_way_.end()) return;  // of an engine before this one
  Lane& lane = lanes_[sent->second];
  --lane.on_its_way;
  if (outcome != CallbackOutcome::moot) lane.fails = outcome == CallbackOutcome::failed;
  lane.next_ms = 0;
  on_their_way_.erase(sent);
}

bool Callbacks::settled(const CallbackSettled& input, std::int64_t now_ms) {
  back_from(input.id, input.outcome);
  auto row = store_.callback(input.id);
  if (!row || row->state != CallbackState::owed || input.outcome == CallbackOutcome::moot) return false;
  if (row->ends != input.ends && !DULY_PLANTED("callback.end")) return false;  // of an end before this one
  ++row->attempts;
  if (input.outcome == CallbackOutcome::delivered || DULY_PLANTED("callback.settle")) {
    row->error.clear();
    settle(*row, CallbackState::delivered);
    return false;
  }
  row->error = input.error.substr(0, limits::kCallbackErrorBytes);
  return fail(*row, input, now_ms);
}

bool Callbacks::fail(CallbackRow& row, const CallbackSettled& input, std::int64_t now_ms) {
  if (row.attempts >= config_.retry.max_attempts) return settle(row, CallbackState::given_up), true;
  const auto seed = static_cast<std::uint64_t>(row.id.value) ^ static_cast<std::uint64_t>(row.attempts) << 48;
  const std::int64_t asked = std::min(input.retry_after_ms, limits::kRetryAfterMs);
  row.next_ms =
      now_ms + std::max({backoff_ms(config_.retry, row.attempts + 1, seed), asked, std::int64_t{1}});
  store_.update_callback(row);
  return false;
}

bool Callbacks::needs(CommandId id) {
  return any_ && config_.origin_of && !DULY_PLANTED("callback.retention") && store_.callback_waits(id);
}

}  // namespace duly
