#include "common/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace duly {
namespace {

constexpr std::size_t kLogFieldBytes = 512;
std::atomic<LogFormat> g_format{LogFormat::text};
std::atomic<LogLevel> g_least{LogLevel::info};

constexpr std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
    case LogLevel::silent: break;
  }
  return "?";
}

void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  const std::size_t end = std::min(text.size(), kLogFieldBytes);
  out += '"';
  for (std::size_t i = 0; i < end; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c >= 0x7F) {  // bytes beyond ASCII too: a log line is never invalid UTF-8
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  out += text.size() > end ? "…\"" : "\"";
}

void append_value(std::string& out, const LogField& field) {
  if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
    out += std::to_string(*number);
  } else {
    append_escaped(out, std::get<std::string>(field.value));
  }
}

std::shared_ptr<spdlog::logger> sink() {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("duly", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%v");
    made->flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

std::string timestamp() {
  // The only clock outside runtime/: a log line's own time decides nothing.
  const auto now = spdlog::log_clock::now().time_since_epoch();
  return format_instant(std::chrono::floor<milliseconds>(now).count());
}

}  // namespace

void configure_log(LogFormat format, LogLevel least) {
  g_format = format;
  g_least = least;
}

bool log_enabled(LogLevel level) { return level >= g_least.load(std::memory_order_relaxed); }

std::string format_log_line(LogFormat format, LogLevel level, std::string_view component,
                            std::string_view message, std::initializer_list<LogField> fields) {
  std::string line;
  if (format == LogFormat::json) {
    line += "\"level\":\"";
    line += level_name(level);
    line += "\",\"component\":";
    append_escaped(line, component);
    line += ",\"msg\":";
    append_escaped(line, message);
    for (const LogField& field : fields) {
      line += ',';
      append_escaped(line, field.name);
      line += ':';
      append_value(line, field);
    }
    return line;
  }
  line.append(level_name(level)).append(" ").append(component).append(": ").append(message);
  for (const LogField& field : fields) {
    line.append(" ").append(field.name).append("=");
    append_value(line, field);
  }
  return line;
}

void log(LogLevel level, std::string_view component, std::string_view message,
         std::initializer_list<LogField> fields) {
  if (!log_enabled(level)) return;
  const LogFormat format = g_format.load(std::memory_order_relaxed);
  const std::string line = format_log_line(format, level, component, message, fields);
  const auto out = sink();
  if (format == LogFormat::json) {
    out->info("{{\"ts\":\"{}\",{}}}", timestamp(), line);
  } else {
    out->info("{} {}", timestamp(), line);
  }
}

}  // namespace duly
