// What is owed to those who asked to hear of a command's end.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/ids.h"

namespace duly {

// The numbers are stored: never renumber.
enum class CallbackState : std::uint8_t {
  waiting = 0,    // the command has not ended
  owed = 1,       // it has, and nobody has heard of it yet
  delivered = 2,  // the receiver has answered 2xx
  given_up = 3,   // the attempts are used up
};
constexpr std::string_view name_of(CallbackState state) {
  switch (state) {
    case CallbackState::waiting: return "waiting";
    case CallbackState::owed: return "owed";
    case CallbackState::delivered: return "delivered";
    case CallbackState::given_up: return "given_up";
  }
  return "";
}

// One for each command with a callback_url, from its beginning until the command is removed.
struct CallbackRow {
  CommandId id;
  std::string url;
  std::string origin;  // of the URL: what is called one by one when it fails
  CallbackState state = CallbackState::waiting;
  int ends = 0;      // how often the command has ended: a redrive leads to another end, and another call
  int attempts = 0;  // to tell of the last end
  std::int64_t next_ms = 0;  // of the next attempt; only while it is owed
  std::string error;         // of the last attempt, if it failed
};

}  // namespace duly
