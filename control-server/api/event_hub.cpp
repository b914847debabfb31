#include "control-server/api/event_hub.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/wire/json_text.h"
#include "control-server/core/change_json.h"

namespace duly {
namespace {

// Work of one turn of the loop, about a millisecond: a change that is passed over counts 1.
constexpr int kTurn = 8192;
constexpr int kFrame = 32;  // one that is told, with the look for its workflow
// After a whole turn, and in proportion after less: others have the larger part of the thread.
constexpr Duration kRest = milliseconds{2};
constexpr std::size_t kSeen = 8192;
constexpr std::string_view kRetry = "retry: 1000\n";

constexpr std::string_view kUnknownId = "unknown_id";  // of another process: the server was restarted
constexpr std::string_view kTooOld = "too_old";        // no longer kept
constexpr std::string_view kTooSlow = "too_slow";      // this stream did not keep up

}  // namespace

EventHub::EventHub(Loop& loop, std::string generation, std::function<CommandId(CommandId)> workflow_of,
                   EventLimits limits)
    : loop_(loop),
      generation_(std::move(generation)),
      workflow_of_(std::move(workflow_of)),
      limits_(limits),
      ring_(limits.kept),
      seen_(kSeen) {}

void EventHub::learn(const NumberedNames& names) {
  for (const auto& [number, text] : names) names_[number] = text;
}

void EventHub::publish(const StateChanges& changes) {
  learn(changes.names);
  if (!changes.whole) ring_.lose();
  for (const StateChange& change : changes.items) ring_.add(change);
  if (!listeners_.empty()) schedule();
}

// ---- listeners
// -----------------------------------------------------------------------------------------------

void EventHub::listen(EventFilter filter, const std::string& last_event_id,
                      const std::shared_ptr<HttpStream>& stream) {
  DULY_ASSERT(!full());
  const std::uint64_t number = ++last_listener_;
  Listener& listener = listeners_[number];
  listener.filter = std::move(filter);
  listener.stream = stream;
  listener.next = ring_.end();
  if (!last_event_id.empty()) resume(listener, last_event_id);
  stream->sent = [this, number] {
    const auto at = listeners_.find(number);
    if (at == listeners_.end()) return;
    at->second.ready = true;
    if (has_work(at->second)) schedule();
  };
  stream->closed = [this, number] { listeners_.erase(number); };
  if (std::exchange(beating_, true)) return;
  loop_.at(loop_.now() + limits_.beat, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) beat();
  });
}

void EventHub::resume(Listener& listener, std::string_view last_event_id) const {
  const std::size_t dash = last_event_id.rfind('-');
  std::uint64_t number = 0;
  bool ours = dash != std::string_view::npos && last_event_id.substr(0, dash) == generation_;
  if (ours) {
    const std::string_view digits = last_event_id.substr(dash + 1);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    ours = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() && number < ring_.end();
  }
  if (!ours) {
    listener.reset = kUnknownId;
  } else if (number + 1 < ring_.first()) {
    listener.reset = kTooOld;
  } else {
    listener.next = number + 1;
  }
}

void EventHub::end_all() {
  std::vector<std::shared_ptr<HttpStream>> streams;
  for (const auto& [number, listener] : listeners_) streams.push_back(listener.stream);
  for (const auto& stream : streams) stream->end();
}

bool EventHub::has_work(const Listener& listener) const {
  return !listener.greeted || listener.next < ring_.end();
}

bool EventHub::wants(const EventFilter& filter, const StateChange& change) const {
  if (filter.id && *filter.id != change.id) return false;
  if (filter.state && *filter.state != change.state) return false;
  if (!filter.queue.empty() && filter.queue != name(change.queue)) return false;
  return filter.type.empty() || filter.type == name(change.type);
}

// ---- telling
// -------------------------------------------------------------------------------------------------

void EventHub::schedule() {
  if (std::exchange(pumping_, true)) return;
  const auto task = [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) pump();
  };
  rest_until_ <= loop_.now() ? loop_.post(task) : loop_.at(rest_until_, task);
}

// Each in its turn, beginning behind the one that was served last.
void EventHub::pump() {
  pumping_ = false;
  int budget = kTurn;
  auto at = listeners_.upper_bound(last_served_);
  for (std::size_t left = listeners_.size(); left > 0 && budget > 0; --left) {
    if (at == listeners_.end()) at = listeners_.begin();
    last_served_ = at->first;
    if (at->second.ready && has_work(at->second)) serve(at->second, budget);
    ++at;
  }
  rest_until_ = loop_.now() + kRest * (kTurn - budget) / kTurn;
  const bool more = std::any_of(listeners_.begin(), listeners_.end(), [this](const auto& entry) {
    return entry.second.ready && has_work(entry.second);
  });
  if (more) schedule();
}

void EventHub::serve(Listener& listener, int& budget) {
  std::string piece;
  if (listener.next < ring_.first()) listener.reset = kTooSlow;
  if (!listener.greeted) piece += kRetry;
  if (!listener.reset.empty()) {
    // Its client reads the store after this, and so sees all that is behind.
    listener.next = ring_.end();
    append_reset(piece, listener.next - 1, std::exchange(listener.reset, {}));
  } else if (!listener.greeted) {
    append_id(piece, listener.next - 1);  // where to go on, if it is lost before the first event
    piece += '\n';
  }
  listener.greeted = true;
  while (listener.next < ring_.end() && budget > 0 && piece.size() < limits_.piece_bytes) {
    const std::uint64_t number = listener.next++;
    const StateChange& change = ring_.at(number);
    const bool wanted = wants(listener.filter, change);
    budget -= wanted ? kFrame : 1;
    if (wanted) append_change(piece, number, change);
  }
  if (piece.empty()) return;
  listener.ready = false;
  listener.stream->send(std::move(piece));
}

// Keeps what is between us and a quiet client from closing the connection, and its place from growing old.
void EventHub::beat() {
  beating_ = false;
  if (listeners_.empty()) return;
  for (auto& [number, listener] : listeners_) {
    if (!listener.ready || has_work(listener)) continue;
    std::string piece = ":\n";
    append_id(piece, listener.next - 1);
    listener.ready = false;
    listener.stream->send(piece + "\n");
  }
  beating_ = true;
  loop_.at(loop_.now() + limits_.beat, [this, alive = std::weak_ptr<bool>(alive_)] {
    if (!alive.expired()) beat();
  });
}

// ---- text
// ----------------------------------------------------------------------------------------------------

const std::string& EventHub::name(std::int32_t number) const {
  static const std::string kUnknown;
  const auto at = names_.find(number);
  return at == names_.end() ? kUnknown : at->second;
}

// Of a command that never changes, and the same commands are spoken of again and again.
CommandId EventHub::workflow_of(CommandId id) const {
  if (!workflow_of_) return CommandId{};
  auto& [known, workflow] = seen_[mix(static_cast<std::uint64_t>(id.value)) % kSeen];
  if (known != id) {
    known = id;
    workflow = workflow_of_(id);
  }
  return workflow;
}

void EventHub::append_id(std::string& out, std::uint64_t number) const {
  out.append("id: ").append(generation_).append("-").append(std::to_string(number)).append("\n");
}

void EventHub::append_reset(std::string& out, std::uint64_t number, std::string_view why) const {
  out += "event: reset\n";
  append_id(out, number);
  out.append("data: {\"reason\":\"").append(why).append("\"}\n\n");
}

void EventHub::append_change(std::string& out, std::uint64_t number, const StateChange& change) const {
  out += "event: command\n";
  append_id(out, number);
  out += "data: ";
  JsonObject object(out);
  duly::append_change(object, change, name(change.queue), name(change.type));
  const CommandId workflow = workflow_of(change.id);
  if (workflow.value != 0) object.text("workflow_id", format_workflow_id(workflow));
  object.end();
  out += "\n\n";
}

}  // namespace duly
