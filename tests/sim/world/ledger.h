// The oracles' own facts: what the client was told and what the handlers did.  Never asks the store.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/wire/messages.h"

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

// What one client request is known to have done.
struct ClientFacts {
  std::set<CommandId> accepted;                       // answered 2xx
  std::map<std::string, std::set<CommandId>> by_key;  // I8: one id per idempotency key
  std::map<CommandId, std::string> keyed;             // ordering key of accepted commands
  std::set<CommandId> cancelled;                      // answered 2xx
  std::set<CommandId> redriven;
};

}  // namespace duly::sim
