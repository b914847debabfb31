// Who listens to GET /v1/events, and what they are told.
//
// Operation.  publish() puts what a committed batch has changed into a ring; that is all it costs while
// nobody listens.  A listener has a place in the ring and is written to when it has taken what it was given
// before: so a slow one holds one piece of text and falls behind, and one that falls out of the ring is told
// so by one `reset`, after which it goes on with the present.  The ring is memory: it is lost with the
// process, and ids of another process are answered with `reset`, too.  The store is the truth, this is a hint
// to look at it. Concurrency.  Loop thread only. Limits.  EventLimits; and in one turn of the loop only so
// much is looked at and written, for all listeners together: the rest of the server has its turn in between.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/model/limits.h"
#include "common/runtime/loop.h"
#include "control-server/api/event_ring.h"
#include "control-server/api/http_types.h"

namespace duly {

struct EventLimits {
  std::size_t kept = limits::kEventsKept;
  std::size_t streams = limits::kEventStreams;
  std::size_t piece_bytes = limits::kEventPieceBytes;
  Duration beat = limits::kEventBeat;
};

// What a listener wants to hear of; empty = everything.
struct EventFilter {
  std::string queue, type;
  std::optional<State> state;
  std::optional<CommandId> id;
};

class EventHub {
 public:
  // `generation` tells the ids of this process from those of others: lower case hex.  `workflow_of` answers
  // with the workflow that a command is part of, 0 = none; may be empty.
  EventHub(Loop& loop, std::string generation, std::function<CommandId(CommandId)> workflow_of = {},
           EventLimits limits = {});
  // Streams that are still open are left as they are; their connections must not live on.
  ~EventHub() = default;
  EventHub(const EventHub&) = delete;
  EventHub& operator=(const EventHub&) = delete;

  // Names of queues and types that changes may speak of; publish() brings later ones.
  void learn(const NumberedNames& names);
  void publish(const StateChanges& changes);

  [[nodiscard]] bool full() const { return listeners_.size() >= limits_.streams; }
  [[nodiscard]] std::size_t listening() const { return listeners_.size(); }
  // From now on, or from behind `last_event_id`.  Only when not full().
  void listen(EventFilter filter, const std::string& last_event_id,
              const std::shared_ptr<HttpStream>& stream);
  // Every stream ends; who comes back resumes where it was.
  void end_all();

 private:
  struct Listener {
    EventFilter filter;
    std::shared_ptr<HttpStream> stream;
    std::uint64_t next = 0;       // that it has not been told of, or passed over
    std::string_view reset = {};  // it is owed one, and this is why
    bool greeted = false;
    bool ready = false;  // has taken what it was given
  };

  void resume(Listener& listener, std::string_view last_event_id) const;
  [[nodiscard]] bool has_work(const Listener& listener) const;
  [[nodiscard]] bool wants(const EventFilter& filter, const StateChange& change) const;
  void schedule();
  void pump();
  void serve(Listener& listener, int& budget);
  void beat();
  void append_id(std::string& out, std::uint64_t number) const;
  void append_reset(std::string& out, std::uint64_t number, std::string_view why) const;
  void append_change(std::string& out, std::uint64_t number, const StateChange& change) const;
  [[nodiscard]] const std::string& name(std::int32_t number) const;
  [[nodiscard]] CommandId workflow_of(CommandId id) const;

  Loop& loop_;
  const std::string generation_;
  const std::function<CommandId(CommandId)> workflow_of_;
  const EventLimits limits_;
  EventRing ring_;
  mutable std::vector<std::pair<CommandId, CommandId>>
      seen_;  // command and workflow, by a hash of the former
  std::unordered_map<std::int32_t, std::string> names_;
  std::map<std::uint64_t, Listener> listeners_;
  std::uint64_t last_listener_ = 0;
  std::uint64_t last_served_ = 0;
  bool pumping_ = false;   // a task is on its way
  MonoTime rest_until_{};  // no turn before
  bool beating_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace duly
