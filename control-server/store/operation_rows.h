// Operations: one act on every command that a filter finds, in small steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/ids.h"
#include "control-server/store/reader.h"

namespace duly {

// Numbers that are stored: never renumber.
enum class OperationKind : std::uint8_t { cancel = 1, retry = 2 };
enum class OperationState : std::uint8_t { running = 0, done = 1, stopped = 2, failed = 3 };

constexpr std::string_view name_of(OperationKind kind) {
  return kind == OperationKind::cancel ? "cancel" : "retry";
}
constexpr std::string_view name_of(OperationState state) {
  switch (state) {
    case OperationState::running: return "running";
    case OperationState::done: return "done";
    case OperationState::stopped: return "stopped";
    case OperationState::failed: return "failed";
  }
  return "";
}

struct OperationFilter {
  CommandFilter match;
  std::vector<CommandId> ids;  // empty = any
  bool all = false;            // said in so many words; nothing else is given then
};

struct OperationRow {
  CommandId id;  // of the same source as those of commands: it touches only what has a lower one
  OperationKind kind = OperationKind::cancel;
  OperationState state = OperationState::running;
  bool dry_run = false;
  std::string filter;  // filter_text()
  std::string who;
  CommandId cursor;  // it goes on below this one
  std::int64_t matched = 0, changed = 0, skipped = 0;
  std::int64_t created_ms = 0, finished_ms = 0;
};

// "op_" and the 13 characters of a command's id.
std::string format_operation_id(CommandId id);
std::optional<CommandId> parse_operation_id(std::string_view text);

// As JSON, as it is stored and shown; a filter that was written by another version may not be readable.
std::string filter_text(const OperationFilter& filter);
std::optional<OperationFilter> read_filter(const std::string& text);

}  // namespace duly
