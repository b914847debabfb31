#include "cli/workflow_watch.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "cli/requests.h"
#include "cli/workflow_view.h"

namespace duly::cli {
namespace {

constexpr std::size_t kUsualWidth = 80;

bool can_draw() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDOUT_FILENO) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

// Asked anew for each picture: a window may be resized meanwhile.
std::size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualWidth;
}

class Picture {
 public:
  explicit Picture(const Session& session) : json_(session.json()), drawn_(!json_ && can_draw()) {}

  void show(const Answer& answer) {
    away_ = false;
    if (drawn_) return draw(draw_workflow(answer.body, terminal_width()));
    std::string now = json_ ? answer.text : progress_line(answer.body);
    if (now == last_) return;
    print_line(now);
    last_ = std::move(now);
  }

  // Told once for each time the server is away.
  void show_away() {
    if (away_) return;
    away_ = true;
    std::fputs("duly: the server does not answer; asking again\n", stderr);
    lines_ = 0;  // the next picture comes below that line
  }

 private:
  void draw(const std::vector<std::string>& lines) {
    std::string text = lines_ > 0 ? "\033[" + std::to_string(lines_) + "A\033[J" : "";
    for (const std::string& line : lines) {
      const std::size_t end = std::min(line.find(' '), line.size());
      text += coloured(line.substr(0, end)) + line.substr(end) + "\n";
    }
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
    lines_ = lines.size();
  }

  const bool json_;
  const bool drawn_;
  bool away_ = false;
  std::size_t lines_ = 0;  // of the picture on the screen
  std::string last_;
};

}  // namespace

int watch_workflow(const Session& session, Api& api, const std::string& id) {
  for (Picture picture(session);;) {
    const auto answer = api.get(workflow_path(id));
    if (worth_another_try(answer)) {
      picture.show_away();
      pause_for(kAwayPause);
      continue;
    }
    if (!answer) return report(answer.error());
    if (!answer->good()) return report_problem(*answer);
    picture.show(*answer);
    if (workflow_has_ended(answer->body)) return workflow_has_succeeded(answer->body) ? kDone : kFailed;
    pause_for(look_again_after(answer->body));
  }
}

}  // namespace duly::cli
