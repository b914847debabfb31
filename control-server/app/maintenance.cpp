#include "control-server/app/maintenance.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "common/runtime/asio_loop.h"
#include "control-server/app/data_folder.h"
#include "control-server/app/key_files.h"
#include "control-server/store/backup.h"

namespace duly {
namespace {

int fail(int code, const std::string& line) {
  std::fprintf(stderr, "duly-server: %s\n", line.c_str());
  return code;
}

int backup(const std::string& data, const std::string& file) {
  const bool shown = ::isatty(STDERR_FILENO) != 0;
  const auto progress = [shown](int left, int all) {
    if (shown && all > 0) std::fprintf(stderr, "\rbackup: %3d %%", (all - left) * 100 / all);
  };
  const Status copied = copy_store(data + "/duly.db", file, progress);
  if (shown) std::fprintf(stderr, "\r              \r");
  if (!copied) return fail(1, copied.error().what);
  std::printf("%s is a copy of the store in %s\n", file.c_str(), data.c_str());
  return 0;
}

int restore(const std::string& data, const std::string& file) {
  // A server that runs on it holds the folder.
  const auto folder = DataFolder::open(data);
  if (!folder) return fail(1, folder.error().what);
  const auto done = restore_store(file, data + "/duly.db", to_ms(machine_wall()));
  if (!done) return fail(1, done.error().what);
  std::printf("restored to %s as generation %lld: %lld commands, the newest accepted %s\n", data.c_str(),
              static_cast<long long>(done->generation), static_cast<long long>(done->commands),
              done->newest_ms == 0 ? "never" : ("at " + format_instant(done->newest_ms)).c_str());
  std::printf(
      "%lld were queued and will be published again; %lld were running and will be dead with reason "
      "restored\n",
      static_cast<long long>(done->was_queued), static_cast<long long>(done->was_running));
  std::printf(
      "what was accepted later is not in it: commands that agents or the broker still speak of will be "
      "listed "
      "in the audit log as command.missing\n");
  return 0;
}

}  // namespace

int run_maintenance(const Options& options) {
  const auto& words = options.arguments();
  if (words[0] == "keys") return run_keys(words);
  if (words.size() != 2 || (words[0] != "backup" && words[0] != "restore"))
    return fail(2, "'" + words[0] + "' is not understood: backup FILE, restore FILE or keys new NAME ROLE");
  const std::string& data = options.text("data");
  return words[0] == "backup" ? backup(data, words[1]) : restore(data, words[1]);
}

}  // namespace duly
