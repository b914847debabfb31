#include "agent/app/config_check.h"

#include <unistd.h>

#include "common/app/config_report.h"

namespace duly {
namespace {

Status check_program(const std::string& path) {
  if (auto readable = check_readable(path); !readable) return readable;
  if (::access(path.c_str(), X_OK) != 0) return invalid(path + ": may not be run");
  return ok_status();
}

}  // namespace

int check_config(const BuiltinConfig& builtins, const RabbitConfig& rabbit, bool connect) {
  ConfigReport report;
  if (!builtins.append_dir.empty())
    report.check("append-dir", check_writable_folder(builtins.append_dir), builtins.append_dir);
  for (const std::string& program : builtins.allow_exec)
    report.check("allow-exec", check_program(program), program);
  if (builtins.allow_exec.empty()) report.note("allow-exec", "none: builtin.exec is off");
  if (builtins.http.allowed.none()) report.note("allow-http", "none: builtin.http is off");
  check_broker(report, rabbit, connect);
  return report.finish();
}

}  // namespace duly
