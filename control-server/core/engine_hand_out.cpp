// From the ready window to the shard's holder.
#include <algorithm>
#include <utility>

#include "common/base/planted.h"
#include "common/model/limits.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

constexpr int kTurn = 32;  // commands of one shard and queue before the next has its turn

}  // namespace

bool Engine::queue_open(QueueNumber queue) const {
  const auto at = queues_.find(queue);
  const bool paused = at != queues_.end() && at->second.paused;
  const std::int64_t handed = at != queues_.end() ? at->second.handed - at->second.handed_to_others : 0;
  return !paused && store_.count(queue, State::queued) + handed < config_.max_queued;
}

void Engine::hand_out() {
  window_.release(now_.mono);
  rate_frees_.reset();
  key_refusals_ = 0;
  std::map<SessionId, Places> held = promising_places();
  // Begins after the agent that was served last: what a queue's limit leaves must not always go to the first.
  auto at = held.upper_bound(last_served_);
  for (std::size_t i = 0; i < held.size(); ++i, ++at) {
    if (at == held.end()) at = held.begin();
    Agent& agent = sessions_.at(at->first);  // what it held is released when it goes
    if (agent.dispatch && agent.room > 0) hand_out_to(agent, at->second);
  }
}

// Of each session that holds something that may be handed out: in one walk over the lanes, however many
// agents there are.
std::map<SessionId, Engine::Places> Engine::promising_places() const {
  const std::int64_t until_ms = now_ms() + to_ms(config_.look_ahead);
  std::map<SessionId, Places> held;
  for (const auto& [key, lane] : window_.lanes()) {
    const ShardMap::Shard& shard = shards_.at(key.shard);
    if (shard.phase != ShardMap::Phase::held || !ReadyWindow::promising(lane, now_ms(), until_ms)) continue;
    Places& places = held[shard.holder];
    const std::pair place{key.shard, key.queue};
    if (places.empty() || places.back() != place) places.push_back(place);
  }
  return held;
}

void Engine::hand_out_to(Agent& agent, Places& places) {
  // Each round begins after the place that was served last, so no queue starves.
  std::rotate(places.begin(), std::upper_bound(places.begin(), places.end(), agent.cursor), places.end());
  HandOut batch;
  std::size_t bytes = 0;
  for (bool found = true; found && agent.room > 0;) {
    found = false;
    for (const auto& [shard, queue] : places) {
      if (agent.room <= 0) break;
      const auto before = stats_.handed_out;
      found = fill(agent, shard, queue, batch, bytes) || found;
      if (stats_.handed_out == before) continue;
      agent.cursor = {shard, queue};
      last_served_ = agent.session;
    }
  }
  if (!batch.items.empty()) send(agent.session, std::move(batch));
}

// Takes up to kTurn commands of the queue in that shard; true when there may be more.
bool Engine::fill(Agent& agent, ShardId shard, QueueNumber queue, HandOut& batch, std::size_t& bytes) {
  const std::int64_t until_ms = now_ms() + to_ms(config_.look_ahead);
  const Epoch epoch = shards_.at(shard).row.epoch;
  for (int turn = 0; turn < kTurn; ++turn) {
    QueueInfo& info = queues_[queue];
    if (agent.room <= 0 || info.paused || !limits_allow(queue, info)) return false;
    if (key_refusals_ >= limits::kKeyRefusals) return false;  // and on with it in the next batch
    const bool republish_only = !queue_open(queue);
    const auto entry = window_.pop(shard, queue, now_ms(), until_ms, republish_only);
    if (!entry) return false;
    auto item = prepare(*entry, shard, epoch);
    if (!item) continue;
    const bool delivers = item->deliver.has_value();
    item->bundle = delivers ? 1 : static_cast<int>(info.gate.limits().bundle);
    bytes += item->payload->size() + (delivers ? item->deliver->properties.size() : 0);
    handed_.try_emplace(item->id,
                        Handed{entry->row, shard, epoch, queue, agent.party, entry->republish, delivers});
    handed_in(shard).try_emplace(item->id, {});
    if (entry->row.key_hash != 0) handed_keys_[entry->row.key_hash] = item->id;
    ++info.handed;
    if (delivers) ++info.handed_to_others;
    if (entry->republish) ++info.handed_again;
    info.gate.held_back.erase(item->id);
    ++stats_.handed_out;
    --agent.room;
    batch.items.push_back(std::move(*item));
    if (batch.items.size() >= limits::kHandOutItems || bytes >= limits::kHandOutBytes) {
      send(agent.session, std::exchange(batch, HandOut{}));
      bytes = 0;
    }
  }
  return true;
}

std::optional<HandOutItem> Engine::prepare(const WindowEntry& entry, ShardId shard, Epoch epoch) {
  if (!key_allows(entry))
    return ++key_refusals_, std::nullopt;  // comes back when the one before it has ended
  BodyPtr body = entry.body;
  if (!body) {
    auto loaded = store_.body(entry.row.id);
    if (!loaded) return std::nullopt;
    body = std::make_shared<const CommandBody>(std::move(*loaded));
  }
  HandOutItem item;
  item.id = entry.row.id;
  item.attempt = entry.row.attempt;
  item.max_attempts = entry.row.max_attempts;
  item.shard = shard;
  item.epoch = epoch;
  item.token = entry.row.token;
  item.due_in_us = std::max<std::int64_t>(entry.row.due_ms * 1000 - now_.wall.time_since_epoch().count(), 0);
  item.due_at_ms = entry.row.due_ms;
  item.type = body->type;
  item.queue = body->queue;
  item.key = body->key;
  item.payload = body->payload;
  item.content_type = body->content_type;
  item.deliver = body->deliver;
  item.trace = body->trace;
  return item;
}

// One at a time per key, in order of (due, id): only the first of the live ones may go, and only when none is
// out. Who is refused leaves the window; it comes back when the command before it has ended (release_key), so
// that one must be known to the window whenever somebody is refused for its sake.
bool Engine::key_allows(const WindowEntry& entry) {
  const std::int64_t hash = entry.row.key_hash;
  if (hash == 0 || entry.republish || DULY_PLANTED("key.order")) return true;
  if (handed_keys_.contains(hash)) return false;
  const auto head = store_.key_head(hash);
  if (!head || head->id != entry.row.id) {
    if (head && head->state == State::scheduled) became_scheduled(*head, nullptr);
    return false;
  }
  return !store_.key_busy(hash);
}

}  // namespace duly
