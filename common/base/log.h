// Log lines with identity, as text or as one JSON object a line, to standard error.
//
// Payloads, results, passwords and keys are never logged.  Fields are escaped and capped (kLogFieldBytes), so
// one line is always one line.  Any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "common/base/ids.h"

namespace duly {

enum class LogLevel : std::uint8_t { debug, info, warn, error, silent };  // silent: as the least, nothing
enum class LogFormat : std::uint8_t { text, json };

struct LogField {
  std::string_view name;
  std::variant<std::int64_t, std::string> value;

  LogField(std::string_view n, std::string v) : name(n), value(std::move(v)) {}
  LogField(std::string_view n, std::string_view v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, const char* v) : name(n), value(std::string(v)) {}
  LogField(std::string_view n, std::int64_t v) : name(n), value(v) {}
  LogField(std::string_view n, int v) : name(n), value(std::int64_t{v}) {}
  LogField(std::string_view n, std::uint64_t v) : name(n), value(static_cast<std::int64_t>(v)) {}
  LogField(std::string_view n, CommandId v) : name(n), value(format_command_id(v)) {}
  LogField(std::string_view n, ShardId v) : name(n), value(std::int64_t{v.value}) {}
  LogField(std::string_view n, Epoch v) : name(n), value(v.value) {}
};

// Called once by main, before threads start.
void configure_log(LogFormat format, LogLevel least);
bool log_enabled(LogLevel level);
void log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields = {});
// The line that `log` would write, without the time stamp: for the tests of escaping.
std::string format_log_line(LogFormat format, LogLevel level, std::string_view component,
                            std::string_view message, std::initializer_list<LogField> fields);

}  // namespace duly
