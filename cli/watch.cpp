#include "cli/watch.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "cli/screen.h"

namespace duly::cli {
namespace {

constexpr std::int64_t kLeastInterval = 100;

// Everything that is printed while it lives, in memory.  The C library lets its streams be exchanged.
class Captured {
 public:
  Captured() : out_(stdout), err_(stderr), memory_(::open_memstream(&text_, &size_)) {
    if (memory_ != nullptr) stdout = stderr = memory_;
  }
  ~Captured() {
    stop();
    std::free(text_);
  }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;

  std::string stop() {
    stdout = out_;
    stderr = err_;
    if (memory_ != nullptr) std::fclose(std::exchange(memory_, nullptr));
    return text_ == nullptr ? "" : std::string(text_, size_);
  }

 private:
  std::FILE* const out_;
  std::FILE* const err_;
  char* text_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* memory_;
};

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

int watch_on(Screen& screen, const WatchFlags& flags, const std::function<int()>& work, std::string& left) {
  for (bool first = true;; first = false) {
    Captured captured;
    const int code = work();
    const std::string text = captured.stop();
    if (first && code != kDone) {
      left = text;
      return code;
    }
    auto lines = lines_of(text);
    if (const std::size_t room = screen.height(); lines.size() > room && room > 1) {
      const std::size_t more = lines.size() - room + 1;
      lines.resize(room - 1);
      lines.push_back("... " + std::to_string(more) + " more lines");
    }
    screen.draw(lines);
    if (!screen.wait(milliseconds{flags.interval_ms})) return kDone;
  }
}

int watch_plainly(const Session& session, const WatchFlags& flags, const std::function<int()>& work) {
  for (bool first = true;; first = false) {
    if (!first && !session.json()) print_line("");
    const int code = work();
    if (first && code != kDone) return code;
    if (std::ferror(stdout) != 0) return kFailed;  // nobody reads any more
    pause_for(milliseconds{flags.interval_ms});
  }
}

}  // namespace

void add_watch_flags(CLI::App* command, WatchFlags& flags) {
  command->add_flag("--watch", flags.watch, "show it again and again; q ends it");
  command->add_option("--interval-ms", flags.interval_ms, "between two looks of --watch")
      ->check(CLI::Range(kLeastInterval, std::int64_t{3'600'000}))
      ->capture_default_str();
}

int watched(const Session& session, const WatchFlags& flags, const std::function<int()>& work) {
  if (!flags.watch) return work();
  std::string left;
  int code = kDone;
  {
    const auto screen =
        session.json() ? Result<std::unique_ptr<Screen>>(invalid("JSON goes to no screen")) : Screen::open();
    if (!screen) return watch_plainly(session, flags, work);
    code = watch_on(**screen, flags, work, left);
  }
  std::fputs(left.c_str(), stderr);
  return code;
}

void run_watched(CLI::App* command, Session& session, Work work) {
  const auto flags = std::make_shared<WatchFlags>();
  add_watch_flags(command, *flags);
  run_on(command, session, [flags, work = std::move(work), &session](Api& api) {
    return watched(session, *flags, [&] { return work(api); });
  });
}

void run_watched_alone(CLI::App* command, Session& session, Work work) {
  const auto flags = std::make_shared<WatchFlags>();
  add_watch_flags(command, *flags);
  command->require_subcommand(0, 1);
  command->final_callback([flags, command, work = std::move(work), &session] {
    if (!command->get_subcommands().empty()) return;
    session.exit_code =
        with_api(session, [&](Api& api) { return watched(session, *flags, [&] { return work(api); }); });
  });
}

}  // namespace duly::cli
