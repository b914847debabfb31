// What server and agent say to each other over the link.  PROTOCOL.md tells when; the schemas in
// proto-schemas/ describe the frames, and tests hold this file to both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/ids.h"
#include "common/model/command.h"
#include "common/wire/frame.h"

namespace duly {

inline constexpr int kProtocolVersion = 2;

// One attempt of one command.
struct AttemptRef {
  CommandId id;
  int attempt = 0;
  friend auto operator<=>(const AttemptRef&, const AttemptRef&) = default;
};

struct Holding {
  ShardId shard;
  Epoch epoch;
  friend auto operator<=>(const Holding&, const Holding&) = default;
};

// ---- agent to server
// -----------------------------------------------------------------------------------------

// First frame of a connection.  Names what this incarnation still has, so that a restarted server forgets
// little.
struct Hello {
  int protocol = kProtocolVersion;
  std::string name;
  Incarnation incarnation;
  bool dispatch = false;
  bool execute = false;
  std::vector<std::string> queues;  // consumed, when execute
  int concurrency = 0;
  std::string version;
  std::string token;                 // agent token, empty = none
  std::vector<Holding> holdings;     // leases it still trusts
  std::vector<AttemptRef> in_hand;   // handed out to it, not yet marked or given back
  std::vector<AttemptRef> attempts;  // permits asked for, running, or ended and not yet acknowledged
  bool draining = false;
  bool fault_injection = false;
};

// A target of builtin.http that is spared for the time being.
struct OpenCircuit {
  std::string target;
  bool probing = false;  // one request is out, to see
};

struct Heartbeat {
  std::uint64_t sequence = 0;
  std::int64_t in_flight = 0;  // handed out and not yet settled
  std::int64_t running = 0;
  std::int64_t published = 0;  // since start
  std::int64_t executed = 0;
  bool broker_up = false;
  bool broker_blocked = false;
  std::vector<OpenCircuit> circuits;  // at most limits::kCircuitsTold
};

// "I can take `room` more commands."  Credits add up; a new connection begins at 0.
struct Credit {
  std::int64_t room = 0;
};

// published: an execution message is in its queue.  The others are of deliver mode: the target has the
// message, or there is no way to it.
enum class MarkOutcome : std::uint8_t { published, delivered, unroutable };
std::string_view name_of(MarkOutcome outcome);
struct MarkItem {
  CommandId id;
  int attempt = 0;
  Token token;  // of the message that was confirmed: a rescheduled command is not marked by its old message
  ShardId shard;
  Epoch epoch;
  MarkOutcome outcome = MarkOutcome::published;
  std::string error = {};  // of an unroutable one
};
// The broker has settled these.  Resent until acknowledged.
struct Marks {
  std::uint64_t sequence = 0;
  std::vector<MarkItem> items;
};

enum class GiveBackReason : std::uint8_t { drained, returned, rejected, in_doubt, broker_down };
std::string_view name_of(GiveBackReason reason);
struct GiveBackItem {
  CommandId id;
  int attempt = 0;
  ShardId shard;
  Epoch epoch;
  GiveBackReason reason = GiveBackReason::drained;
};
// Handed out and not confirmed: the server may hand them out again.
struct GiveBack {
  std::vector<GiveBackItem> items;
};

// Nothing of these holdings will be published any more.
struct Released {
  std::vector<Holding> items;
};

// The agent takes no new work and leaves soon (SIGTERM).
struct Leaving {};

struct BeginItem {
  CommandId id;
  int attempt = 0;
  Token token;
  std::uint64_t nonce = 0;  // of this delivery, unique in this incarnation: asking again gets the same answer
};
struct Begin {
  std::vector<BeginItem> items;
};

struct FinishItem {
  CommandId id;
  int attempt = 0;
  AttemptOutcome outcome = AttemptOutcome::succeeded;
  bool retryable = true;
  std::string error;
  Bytes result;                     // JSON text; null = none
  std::int64_t retry_after_ms = 0;  // of what is tried again: not before
};
struct Finish {
  std::vector<FinishItem> items;
};

// ---- server to agent
// -----------------------------------------------------------------------------------------

// So many commands of the queue may travel in one message: whoever consumes it wants fewer messages at a
// time.
struct QueueBundle {
  std::string queue;
  int bundle = 1;
};
struct Welcome {
  std::int64_t lease_ttl_ms = 0;
  std::int64_t generation = 0;            // of the store; an agent refuses a lower one than it has seen
  std::vector<QueueBundle> bundles = {};  // of the queues that the agent consumes; absent = 1
};
// It has changed.
struct Bundles {
  std::vector<QueueBundle> items;
};
struct Refused {
  std::string reason;
};
struct HeartbeatAck {
  std::uint64_t sequence = 0;
};
struct Lease {
  std::vector<Holding> items;
};
// Stop publishing for these and say `released`.
struct Revoke {
  std::vector<Holding> items;
};

struct HandOutItem {
  CommandId id;
  int attempt = 0;
  int max_attempts = 0;
  ShardId shard;
  Epoch epoch;
  Token token;
  std::int64_t due_in_us = 0;  // from the moment of sending; 0 or less = now
  std::int64_t due_at_ms = 0;  // wall, for the message's header only
  std::string type;
  std::string queue;
  std::string key;
  Bytes payload;
  std::string content_type = {};  // of the payload; empty = application/json
  int bundle = 1;                 // of its queue: so many commands may travel in one message
  std::optional<DeliverTarget> deliver = std::nullopt;  // nothing = to the queue, for executors
  TracePtr trace = nullptr;                             // null = none
};
struct HandOut {
  std::vector<HandOutItem> items;
};

struct MarksAck {
  std::uint64_t sequence = 0;
};

enum class Verdict : std::uint8_t { go, drop };
struct BegunItem {
  CommandId id;
  int attempt = 0;
  std::uint64_t nonce = 0;
  Verdict verdict = Verdict::drop;
  std::string reason;  // of a drop
  std::int64_t timeout_ms = 0;
};
struct Begun {
  std::vector<BegunItem> items;
};

// The server has these results (or has moved past them): forget them.
struct Finished {
  std::vector<AttemptRef> items;
};
// The command was cancelled: tell its handler.
struct CancelRun {
  std::vector<AttemptRef> items;
};
struct Strike {
  std::string mode;   // kill, hang, disconnect
  std::string point;  // "now" or a named point
  std::int64_t after = 1;
  std::int64_t duration_ms = 0;
};

using AgentMessage =
    std::variant<Hello, Heartbeat, Credit, Marks, GiveBack, Released, Leaving, Begin, Finish>;
using ServerMessage = std::variant<Welcome, Refused, HeartbeatAck, Lease, Revoke, HandOut, MarksAck, Begun,
                                   Finished, CancelRun, Strike, Bundles>;

Frame encode(const AgentMessage& message);
Frame encode(const ServerMessage& message);
// Everything a hostile peer may send is answered with an error, in time and memory linear in the frame.
Result<AgentMessage> decode_agent_message(const Frame& frame);
Result<ServerMessage> decode_server_message(const Frame& frame);

}  // namespace duly
