// The HTTP API as a whole: what its handlers may use, and the route table they fill.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "common/runtime/loop.h"
#include "control-server/api/desk.h"
#include "control-server/api/edge_stats.h"
#include "control-server/api/http_types.h"
#include "control-server/api/router.h"
#include "control-server/store/reader.h"

namespace duly {

class Doorkeeper;
class EventHub;
class StatsHistory;
class VirtualClock;

// Everything runs on the thread of `loop`, the reader's too.  Empty functions mean "nothing to do" (or
// "yes").
struct Api {
  Desk& desk;
  Reader& reader;
  Loop& loop;
  bool fault_injection = false;
  std::function<void()> before_reply = {};  // crash point api.before-reply: before each answer to a change
  std::function<void(Strike)> strike_server = {};  // arms, or carries out ("now"), a crash of this process
  std::function<bool()> link_listening = {};
  // Of the settings of queues in the broker, for /readyz.
  std::function<std::string()> queue_check = {};
  VirtualClock* clock = nullptr;          // null = the server runs on the machine's clock
  EventHub* events = nullptr;             // null = nobody can listen
  Doorkeeper* doorkeeper = nullptr;       // null = everybody may do everything
  const StatsHistory* history = nullptr;  // null = none is kept
  std::function<EdgeStats()> edge = {};
  // The engine's counters without a question to it, or null: EngineHost::stats_at_hand().
  std::function<StatsAnswer()> stats_at_hand = {};
};

// `api` must outlive the router.
Router make_router(Api& api);

// How large a body a request may have, judged by its target before anything of it is read.
std::size_t max_request_body(std::string_view method, std::string_view target);

// Actions that need no body: `curl -X POST …/cancel` sends no Content-Length, and none is missing.
bool body_is_optional(std::string_view target);

}  // namespace duly
