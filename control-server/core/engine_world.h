// What the engine knows of the world beside its store: who is connected, what was handed out and what runs.
// Memory only: all of it is found or told anew after a start.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/id_map.h"
#include "common/model/limits.h"
#include "common/wire/messages.h"
#include "control-server/core/queue_gate.h"
#include "control-server/core/stats.h"
#include "control-server/store/operation_rows.h"
#include "control-server/store/rows.h"

namespace duly::world {

struct Agent {  // one live session
  SessionId session;
  std::string address;
  std::string name;  // empty = has not said hello
  Incarnation incarnation;
  PartyNumber party = 0;
  bool dispatch = false, execute = false, leaving = false, fault_injection = false;
  std::vector<std::string> queues;
  std::string version;
  MonoTime opened, heard;  // on the clock awake()
  std::int64_t connected_ms = 0, heartbeat_ms = 0;
  std::int64_t room = 0;  // credit left
  Heartbeat last;
  std::pair<ShardId, QueueNumber> cursor;  // that was served last
};
struct AgentRecord {  // by name; outlives the session
  bool draining = false;
  bool lost = false;
  SessionId session{0};
  std::int64_t connected_ms = 0, heartbeat_ms = 0, published = 0, executed = 0;
  bool dispatch = false, execute = false;
  std::string version, address;
};
struct Handed {  // handed out and not yet marked; forgotten with the holding
  ReadyRow row;
  ShardId shard;
  Epoch epoch;
  QueueNumber queue = 0;
  PartyNumber publisher = 0;
  bool republish = false, delivers = false;  // delivers: to somebody else's exchange
  bool refused = false;  // its message came to the permit and was dropped for the limits' sake
};
struct Running {
  int attempt = 0;
  PartyNumber executor = 0;
  QueueNumber queue = 0;
  MonoTime deadline;  // on the clock awake(); beyond it the attempt is lost, whatever its executor says
  std::int64_t timeout_ms = 0;
  bool foreign = false;  // no session tells that its executor lives: only heartbeats do
};
struct Executor {
  std::string name;
  SessionId session{0};             // 0 = away, or foreign
  std::optional<MonoTime> lost_at;  // on the clock awake(); while away; never of a foreign one
  IdSet running;
};
struct QueueInfo {
  bool paused = false;
  QueueGate gate;
  std::int64_t handed = 0;            // out with agents and not yet marked …
  std::int64_t handed_again = 0;      // … of these, published anew
  std::int64_t handed_to_others = 0;  // … and not for our own queues: never `queued`
  MonoTime inspected{};               // last asked
  Duration suspect_after = limits::kQueuedSuspect;
  std::int64_t inspect_before_ms = 0;  // queued before this is what the question was about
  bool inspecting = false;
  std::optional<std::int64_t> ready;  // as the broker last said
  std::int64_t consumers = 0;
  bool reachable = false;
  std::string last_problem;   // of publishing, empty = none
  int failures_in_a_row = 0;  // publishes returned or rejected since the last mark
};
struct Operation {
  OperationRow row;
  OperationFilter filter;
};
struct Second {
  std::uint64_t accepted = 0, started = 0, ended = 0;
  Histogram lateness;
};

}  // namespace duly::world
