// A command as it is asked for, and as the server tells of it.  What each field means and may hold is in
// openapi.yaml; what is left empty is the server's default.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <duly/export.h>

namespace duly::client {

struct Retry {
  int max_attempts = 3;
  std::chrono::milliseconds initial_delay{1000};
  double multiplier = 2.0;
  std::chrono::milliseconds max_delay{60'000};
  double jitter = 0.1;
};

struct CommandSpec {
  std::string type;     // names the handler
  std::string payload;  // JSON text, passed to the handler byte for byte; empty = null
  std::string queue;
  std::optional<std::chrono::milliseconds> delay;               // when; or:
  std::optional<std::chrono::system_clock::time_point> due_at;  // neither = now
  std::optional<int> priority;                                  // 0 (last) to 9
  std::string key;                                              // one at a time, and in order
  std::optional<Retry> retry;
  std::optional<std::chrono::milliseconds> timeout;  // of one attempt
  std::optional<std::chrono::system_clock::time_point> expires_at;
  std::vector<std::string> depends_on;  // ids that must have succeeded first
  std::map<std::string, std::string> labels;
  bool dead_when_lost = false;  // on_lost: an attempt that vanished is never made again
  // What makes it one command however often it is sent.  Empty: each call makes up one of its own.
  std::string idempotency_key;
};

struct Submitted {
  std::string id;
  bool replayed = false;  // it was there already, under the same key
  std::string idempotency_key;
};

struct Command {
  std::string id;
  std::string type;
  std::string queue;
  std::string state;   // waiting, scheduled, queued, running, succeeded, delivered, dead, cancelled, expired
  int attempt = 0;     // the last one begun
  std::string result;  // JSON text; empty = none
  std::string error;
  std::string json;  // all that the server said

  // In a state that only a redrive leaves.
  [[nodiscard]] DULY_CLIENT_API bool ended() const;
  [[nodiscard]] DULY_CLIENT_API bool succeeded() const;
};

}  // namespace duly::client
