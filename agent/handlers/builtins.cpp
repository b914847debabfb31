#include "agent/handlers/builtins.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "agent/handlers/child_process.h"
#include "common/model/limits.h"

namespace duly {
namespace {

HandlerResult run_echo(const HandlerContext& context) {
  return HandlerResult::succeed(std::string(context.payload));
}

HandlerResult run_sleep(const HandlerContext& context) {
  const auto payload = payload_object(context, {"ms"});
  if (!payload) return HandlerResult::fail_for_good(payload.error().what);
  FieldReader fields(*payload);
  const milliseconds length{fields.integer("ms", 0, limits::kTimeoutMs)};
  if (!fields.ok()) return HandlerResult::fail_for_good(fields.error().what);
  if (context.wait_cancelled(length)) return HandlerResult::fail("woken before the time was over");
  return HandlerResult::succeed();
}

HandlerResult run_fail(const HandlerContext& context) {
  const auto payload = payload_object(context, {"times", "retryable"});
  if (!payload) return HandlerResult::fail_for_good(payload.error().what);
  FieldReader fields(*payload);
  const std::int64_t times = fields.integer("times", 0, std::numeric_limits<std::int32_t>::max());
  const bool retryable = fields.has("retryable") ? fields.boolean("retryable") : true;
  if (!fields.ok()) return HandlerResult::fail_for_good(fields.error().what);
  if (context.attempt > times) return HandlerResult::succeed();
  const std::string error = "failed on purpose, attempt " + std::to_string(context.attempt) +
                            " of the first " + std::to_string(times);
  return retryable ? HandlerResult::fail(error) : HandlerResult::fail_for_good(error);
}

Status check_append_dir(const std::string& directory) {
  if (directory.empty()) return ok_status();
  if (::mkdir(directory.c_str(), 0777) != 0 && errno != EEXIST) {
    return invalid(errno_text("append-dir " + directory, errno));
  }
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened.open()) return invalid(errno_text("append-dir " + directory, errno));
  return ok_status();
}

Status check_allowed_programs(const std::vector<std::string>& programs) {
  const auto relative = std::find_if(programs.begin(), programs.end(),
                                     [](const std::string& path) { return path.empty() || path[0] != '/'; });
  if (relative == programs.end()) return ok_status();
  return invalid("allow-exec \"" + *relative + "\" is not an absolute path");
}

}  // namespace

Result<Json> payload_object(const HandlerContext& context, std::initializer_list<std::string_view> known) {
  auto payload = parse_json(context.payload, limits::kJsonDepth);
  if (!payload) return invalid("the payload is not valid JSON: " + payload.error().what);
  if (!payload->is_object()) return invalid("the payload is not an object");
  for (const auto& field : payload->items()) {
    if (std::find(known.begin(), known.end(), field.key()) == known.end()) {
      return invalid(field.key() + " is not a field of " + std::string(context.type));
    }
  }
  return payload;
}

Status register_builtins(HandlerRegistry& registry, const BuiltinConfig& config) {
  if (auto checked = check_append_dir(config.append_dir); !checked) return checked;
  if (auto checked = check_allowed_programs(config.allow_exec); !checked) return checked;
  registry.add("builtin.noop", [](const HandlerContext&) { return HandlerResult::succeed(); });
  registry.add("builtin.echo", run_echo);
  registry.add("builtin.sleep", run_sleep);
  registry.add("builtin.fail", run_fail);
  registry.add("builtin.append", make_append_handler(config.append_dir));
  registry.add("builtin.exec", make_exec_handler(config.allow_exec));
  registry.add("builtin.http", make_http_handler(config.http));
  return ok_status();
}

}  // namespace duly
