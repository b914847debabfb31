// The oracles' own facts: what the client was told, what the handlers did, what went over the wires.  Never
// asks the store.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/amqp/broker.h"
#include "common/wire/messages.h"
#include "control-server/store/rows.h"

namespace duly::sim {

// Raised by an oracle; the run ends and the seed is printed.
struct Violation {
  std::string what;
};

struct Ledger {
  struct Start {
    MonoTime at;
    bool ended_ok = false;
  };
  std::map<AttemptRef, Start> starts;
  std::uint64_t runs = 0;
  std::map<AttemptRef, TracePtr> traces;        // of what ran: the one that its message named
  std::map<AttemptRef, std::int64_t> asked_ms;  // of failed attempts whose handler asked for a wait

  // I2: at most one run per (command, attempt).
  void start(AttemptRef ref, MonoTime now) {
    ++runs;
    if (!starts.emplace(ref, Start{now}).second) {
      throw Violation{"I2: " + format_command_id(ref.id) + " attempt " + std::to_string(ref.attempt) +
                      " ran twice"};
    }
  }
  void end(AttemptRef ref, bool ok) { starts.at(ref).ended_ok = ok; }
};

// One message as the broker sees it: (command, attempt, token).
using MessageKey = std::tuple<CommandId, int, std::int32_t>;

// What the wires were seen to carry.
struct WireFacts {
  std::set<MessageKey> confirmed;                 // the broker has said so, or is about to
  std::set<std::string> delivered;                // the same of deliver mode, by message id
  std::set<AttemptRef> answered;                  // the server has granted or refused that attempt
  std::set<std::pair<CommandId, int>> dead_kept;  // dead letters that reached the dead queue
  std::map<std::string, MonoTime>
      acknowledged;                     // by agent: when the server last answered its heartbeat or hello
  std::map<SessionId, MonoTime> heard;  // of each open session: when its last message reached the server
};

// The limits of one queue, as an operator was told, and the starts that went over the wires.
struct LimitFacts {
  QueueLimits known;
  std::int64_t since_ms = 0;     // what is granted later is granted under `known`
  bool asked = false;            // a change is on its way
  bool unsure = false;           // nobody told what became of the last change
  std::set<AttemptRef> granted;  // all there were
  std::set<AttemptRef> live;     // of these, those that may still run
  std::multiset<std::int64_t> started_ms;
};

// An act on many commands, as its client knows it.
struct BulkFacts {
  std::string queue, key;  // that it was to cancel; one of them
  bool done = false;       // as last seen
};

// A message that was published to duly.submit.
struct MessageFacts {
  AmqpMessage message;
  bool is_command = true;        // else it cannot be understood
  bool confirmed = false;        // the broker has it
  bool lost = false;             // the broker may have lost it with its whole disk
  bool parked = false;           // it is among the dead letters
  std::set<CommandId> commands;  // that were found to be of it
};

// What one client request is known to have done.
struct ClientFacts {
  std::map<CommandId, OnLost> accepted;                 // answered 2xx
  std::map<CommandId, TracePtr> traces;                 // of these, with which they were submitted
  std::map<std::string, std::set<CommandId>> by_key;    // I8: one id per idempotency key
  std::set<CommandId> cancelled;                        // answered 2xx
  std::set<CommandId> deliveries;                       // of those accepted, in deliver mode
  std::set<CommandId> callbacks;                        // the same, whose end is to be told
  std::set<CommandId> redriven;                         // asked for, whatever was answered
  std::map<CommandId, std::vector<CommandId>> parents;  // that it was to wait for
  std::set<CommandId> revivable;                        // nodes of workflows that were to be tried again
  std::set<CommandId> rescheduled;                      // asked for, whatever was answered
};

}  // namespace duly::sim
