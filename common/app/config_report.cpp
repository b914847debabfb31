#include "common/app/config_report.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "common/amqp/amqp_url.h"
#include "common/amqp/rabbit_probe.h"
#include "common/app/host_port.h"
#include "common/runtime/asio_loop.h"

namespace duly {

void ConfigReport::line(const char* mark, const std::string& what, const std::string& detail) {
  text_ += std::string(mark) + what + ": " + detail + "\n";
}

void ConfigReport::good(const std::string& what, const std::string& detail) { line("ok    ", what, detail); }
void ConfigReport::note(const std::string& what, const std::string& detail) { line("note  ", what, detail); }

void ConfigReport::bad(const std::string& what, const std::string& detail) {
  ++bad_;
  line("BAD   ", what, detail);
}

void ConfigReport::check(const std::string& what, const Status& status, const std::string& detail) {
  status ? good(what, detail) : bad(what, status.error().what);
}

int ConfigReport::finish() const {
  std::fputs(text_.c_str(), stdout);
  std::puts(all_good() ? "it would start" : "it would not start, or not do its work");
  return all_good() ? 0 : 1;
}

void check_broker(ConfigReport& report, const RabbitConfig& config, bool connect) {
  if (const Status usable = check_rabbit_config(config); !usable)
    return report.bad("amqp", usable.error().what);
  std::string where;
  for (const std::string& url : config.urls) where += (where.empty() ? "" : ", ") + shown_address(url);
  if (!config.ca_file.empty()) report.good("amqp-ca", config.ca_file);
  if (!connect) return report.good("amqp", where + ", not asked (--connect asks)");
  const AsioLoop clock;
  report.check("amqp", probe_rabbit(config, clock),
               where + (config.urls.size() == 1 ? " lets us in" : ": one of them lets us in"));
}

Status check_readable(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || ::access(path.c_str(), R_OK) != 0)
    return invalid(path + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode)) return invalid(path + ": is not a file");
  return ok_status();
}

Status check_writable_folder(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) {
    if (!S_ISDIR(status.st_mode)) return invalid(path + ": is not a folder");
    if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) return invalid(path + ": " + std::strerror(errno));
    return ok_status();
  }
  if (errno != ENOENT) return invalid(path + ": " + std::strerror(errno));
  // It is made at the start, with all that leads to it.
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  if (error || !whole.has_relative_path()) return invalid(path + ": cannot be made");
  std::filesystem::path parent = whole.parent_path();
  if (whole.filename().empty()) parent = parent.parent_path();
  return check_writable_folder(parent.string());
}

}  // namespace duly
