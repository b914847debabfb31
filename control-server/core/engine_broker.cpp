// What the engine and the broker have to tell each other: queues that look as if something was lost, and dead
// letters on their way.
#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "common/wire/envelope.h"
#include "control-server/core/engine.h"

namespace duly {

void Engine::on(BrokerState& input) {
  broker_up_ = input.up;
  if (input.up) dead_letters_pending_ = true;
}

void Engine::on(EnsureQueues&) {
  for (const QueueRow& row : store_.queues()) effects_.push_back(EnsureQueue{row.name});
}

// ---- queues
// ----------------------------------------------------------------------------------------------------

// Queues whose oldest unstarted commands have waited suspiciously long are looked at in the broker.
void Engine::inspect_queues() {
  for (auto& [number, info] : queues_) {
    if (store_.count(number, State::queued) == 0) {
      info.suspect_after = limits::kQueuedSuspect;
      continue;
    }
    if (now_.mono - info.inspected < info.suspect_after) continue;
    const std::int64_t before_ms = now_ms() - limits::kQueuedSuspect.count();
    if (store_.queued(number, before_ms, 1).empty()) continue;
    info.inspected = now_.mono;
    info.inspecting = true;
    info.inspect_before_ms = before_ms;
    effects_.push_back(InspectQueue{store_.queue_name(number)});
  }
}

// Lost in the broker is not lost: what was queued before we asked, while the queue is empty or gone, is
// published again under the same attempt.  A message still in an executor's hands makes a duplicate, which
// its permit refuses.
void Engine::on(QueueInspected& input) {
  const auto number = store_.find_queue(input.depth.queue);
  if (!number) return;
  QueueInfo& info = queues_[*number];
  info.reachable = input.depth.reachable;
  if (!input.depth.reachable) {
    info.inspecting = false;
    return;
  }
  info.ready = input.depth.ready;
  info.consumers = input.depth.consumers;
  if (!std::exchange(info.inspecting, false)) return;
  if (input.depth.ready.value_or(0) > 0 && !DULY_PLANTED("republish.empty")) return;
  std::int64_t again = 0;
  for (const StateRow& row : store_.queued(*number, info.inspect_before_ms, limits::kSweepRows)) {
    if (handed_.contains(row.id)) continue;
    if (info.gate.limited()) info.gate.held_back.insert(row.id);
    if (window_.add_republish(lane_of(row), ready_row(row), now_ms())) ++again;
  }
  if (again == 0) return;
  stats_.republished += static_cast<std::uint64_t>(again);
  // Each round that brings nothing doubles the wait before the next, so duplicates cannot pile up.
  info.suspect_after =
      std::min(info.suspect_after * 2, std::max<Duration>(config_.lease_ttl, limits::kQueuedSuspect));
  log(LogLevel::warn, "engine", "queued commands are not in the broker; publishing again",
      {{"queue", input.depth.queue}, {"commands", again}});
}

// ---- dead letters
// ----------------------------------------------------------------------------------------------

void Engine::publish_dead_letters() {
  if (!broker_up_ || !dead_letters_pending_ || !dead_letters_.empty() || now_.mono < dead_letters_after_)
    return;
  dead_letters_pending_ = false;
  for (const auto& [id, attempt] : store_.dead_outbox(limits::kDeadOutbox)) {
    const auto row = store_.find(id);
    const auto body = store_.body(id);
    if (!row || !body) continue;
    AmqpMessage message;
    const std::string text = format_command_id(id);
    message.exchange = topology::kDeadExchange;
    message.routing_key = body->queue + "." + body->type;
    message.body = body->payload;
    if (!body->content_type.empty()) message.content_type = body->content_type;
    message.message_id = text + "." + std::to_string(attempt);
    message.correlation_id = text;
    message.type = body->type;
    message.timestamp_s = now_ms() / 1000;
    message.headers = {{"duly-id", text},
                       {"duly-attempt", std::int64_t{attempt}},
                       {"duly-queue", body->queue},
                       {"duly-reason", std::string(name_of(row->reason))}};
    tell_trace(body->trace, message);
    const PublishTicket ticket = next_ticket_++;
    dead_letters_.emplace(ticket, std::pair{id, attempt});
    effects_.push_back(PublishDeadLetter{ticket, std::move(message)});
  }
}

void Engine::on(DeadLetterSettled& input) {
  const auto at = dead_letters_.find(input.ticket);
  if (at == dead_letters_.end()) return;
  if (input.outcome == PublishOutcome::confirmed || DULY_PLANTED("dead-letter.confirm")) {
    store_.remove_dead(at->second.first, at->second.second);
    stats_.removed += remover_.look_again(at->second.first);
    ++stats_.dead_letters_published;
  } else {
    dead_letters_after_ = now_.mono + seconds{1};
  }
  dead_letters_.erase(at);
  dead_letters_pending_ = true;
}

}  // namespace duly
