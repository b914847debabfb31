// builtin.exec: a program of the agent's allow list, without a shell (child_process.h says what it gets).
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "agent/handlers/builtins.h"
#include "agent/handlers/process.h"
#include "agent/handlers/text.h"
#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::size_t kPathBytes = 4096;
constexpr std::size_t kArguments = 1024;
constexpr int kDoNotRetry = 100;  // exit code of a program that wants no further attempt (contract section 7)
constexpr std::size_t kShownLineBytes = 1024;

bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

Result<std::vector<std::string>> read_arguments(const Json& values) {
  std::vector<std::string> arguments;
  for (const Json& value : values) {
    const std::string name = "args[" + std::to_string(arguments.size()) + "]";
    if (!value.is_string()) return invalid(name + " is not a text");
    arguments.push_back(value.get<std::string>());
    if (has_nul(arguments.back())) return invalid(name + " must not contain a NUL");
  }
  return arguments;
}

std::vector<std::string> environment_for(const HandlerContext& context) {
  std::vector<std::string> all = {
      "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "DULY_COMMAND_ID=" + format_command_id(context.id),
      "DULY_ATTEMPT=" + std::to_string(context.attempt), "DULY_TYPE=" + std::string(context.type)};
  // The names that OpenTelemetry gives them.
  if (!context.traceparent.empty()) all.push_back("TRACEPARENT=" + std::string(context.traceparent));
  if (!context.tracestate.empty()) all.push_back("TRACESTATE=" + std::string(context.tracestate));
  return all;
}

// What to start, when the payload is well formed and the program is allowed.
Result<ChildSpec> read_spec(const HandlerContext& context, const std::vector<std::string>& allowed) {
  const auto payload = payload_object(context, {"program", "args", "stdin"});
  if (!payload) return payload.error();
  FieldReader fields(*payload);
  ChildSpec spec;
  spec.program = fields.text("program", kPathBytes);
  if (fields.has("stdin")) spec.input = fields.text("stdin", limits::kPayloadBytes);
  const Json none = Json::array();
  const Json& args = fields.has("args") ? fields.array("args", kArguments) : none;
  if (!fields.ok()) return fields.error();
  auto arguments = read_arguments(args);
  if (!arguments) return arguments.error();
  if (allowed.empty()) return invalid("builtin.exec is off: the agent was started without --allow-exec");
  // The given text itself is compared and executed: no search in PATH, no other spelling of the same file.
  if (std::find(allowed.begin(), allowed.end(), spec.program) == allowed.end()) {
    return invalid("program is not allowed on this agent (--allow-exec): " + spec.program);
  }
  spec.arguments = std::move(*arguments);
  spec.environment = environment_for(context);
  return spec;
}

std::string how_it_ended(const ProcessEnd& end) {
  if (WIFEXITED(end.status)) return "exited with " + std::to_string(WEXITSTATUS(end.status));
  const int signal = WTERMSIG(end.status);
  const char* name = ::sigabbrev_np(signal);
  return "was killed by signal " + std::to_string(signal) +
         (name == nullptr ? "" : " (SIG" + std::string(name) + ")");
}

HandlerResult failure(const std::string& program, const ProcessEnd& end) {
  std::string error = program + " " + how_it_ended(end);
  if (end.stopped) error += " after it was told to stop";
  const std::string_view line = last_line(end.error_output.text);
  if (!line.empty()) error += ": " + clean_text(line, kShownLineBytes);
  const bool for_good = WIFEXITED(end.status) && WEXITSTATUS(end.status) == kDoNotRetry && !end.stopped;
  return for_good ? HandlerResult::fail_for_good(std::move(error)) : HandlerResult::fail(std::move(error));
}

// The cleaned outputs, cut to `most` bytes each.
Json result_json(const ProcessEnd& end, const std::string& output, const std::string& error_output,
                 std::size_t most) {
  const std::string kept_output = clean_text(output, most);
  const std::string kept_error_output = clean_text(error_output, most);
  return {{"exit_code", WEXITSTATUS(end.status)},
          {"stdout", kept_output},
          {"stderr", kept_error_output},
          {"stdout_truncated", end.output.truncated || kept_output.size() < output.size()},
          {"stderr_truncated", end.error_output.truncated || kept_error_output.size() < error_output.size()}};
}

// Escaping may make the two outputs several times longer than they are: then less of them is kept.
HandlerResult success(const ProcessEnd& end) {
  const std::string output = clean_text(end.output.text, std::string::npos);
  const std::string error_output = clean_text(end.error_output.text, std::string::npos);
  std::string text;
  for (std::size_t most = limits::kExecOutputBytes; most > 0; most /= 2) {
    text = dump_json(result_json(end, output, error_output, most));
    if (text.size() <= limits::kResultBytes) break;
  }
  return HandlerResult::succeed(std::move(text));
}

HandlerResult run_exec(const std::vector<std::string>& allowed, const HandlerContext& context) {
  const auto spec = read_spec(context, allowed);
  if (!spec) return HandlerResult::fail_for_good(spec.error().what);
  const auto end = run_process(*spec, limits::kExecOutputBytes, context.stop);
  if (!end) return HandlerResult::fail(end.error().what);
  if (!end->stopped && WIFEXITED(end->status) && WEXITSTATUS(end->status) == 0) return success(*end);
  return failure(spec->program, *end);
}

}  // namespace

Handler make_exec_handler(std::vector<std::string> allowed) {
  return
      [programs = std::move(allowed)](const HandlerContext& context) { return run_exec(programs, context); };
}

}  // namespace duly
