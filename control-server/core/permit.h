// What is asked before an attempt starts, and the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "control-server/store/rows.h"

namespace duly {

enum class Refusal : std::uint8_t {
  none,
  unknown,
  already_permitted,
  stale,
  finished,
  expired,
  not_due,
  queue_limit,
  rate_limit
};

constexpr std::string_view name_of(Refusal refusal) {
  constexpr std::string_view kNames[] = {"",        "unknown_command", "already_permitted",
                                         "stale",   "finished",        "expired",
                                         "not_due", "queue_limit",     "rate_limit"};
  return kNames[static_cast<int>(refusal)];
}

struct PermitRequest {
  CommandId id;
  int attempt = 0;
  std::optional<Token> token;
  PartyNumber executor = 0;
  std::uint64_t nonce = 0;
  SessionId session{0};  // 0 = of a foreign executor
  bool ran = false;      // before it asked: too late for the limits of its queue
};
struct Permit {
  Refusal refusal = Refusal::none;
  std::int64_t timeout_ms = 0;
};

}  // namespace duly
