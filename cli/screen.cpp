#include "cli/screen.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "common/base/mutex.h"

namespace duly::cli {
namespace {

// The other buffer of the terminal, without a cursor; and back.
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[H\033[2J";
constexpr std::string_view kLeave = "\033[?25h\033[?1049l";
constexpr std::size_t kAssumedWidth = 80;
constexpr std::size_t kAssumedHeight = 24;
constexpr char kEndOfInput = 4;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = ::write(STDOUT_FILENO, text.data(), text.size());
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

winsize window() {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
  return size;
}

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&set, signal);
  return set;
}

}  // namespace

std::string fitted(std::string_view line, std::size_t width) {
  std::string text;
  std::size_t columns = 0;
  bool coloured = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\033') {
      const std::size_t end = std::min(line.find('m', i), line.size() - 1);
      text += line.substr(i, end - i + 1);
      coloured = true;
      i = end;
      continue;
    }
    const bool begins = (static_cast<unsigned char>(line[i]) & 0xC0U) != 0x80U;
    if (begins && columns == width) return coloured ? text + "\033[0m" : text;
    columns += begins ? 1 : 0;
    text += line[i];
  }
  return text;
}

class Screen::Impl {
 public:
  Impl() {
    ::tcgetattr(STDIN_FILENO, &found_);
    const sigset_t signals = ending_signals();
    ::pthread_sigmask(SIG_BLOCK, &signals, &mask_found_);
    signals_ = ::signalfd(-1, &signals, SFD_CLOEXEC);
    finish_ = ::eventfd(0, EFD_CLOEXEC);
    termios raw = found_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw.c_cc[VSUSP] = _POSIX_VDISABLE;  // stopped, it would leave its picture behind
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    write_all(kEnter);
    watcher_ = std::thread([this] { watch(); });
  }

  ~Impl() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(finish_, &one, sizeof one);
    watcher_.join();
    restore();
    ::close(finish_);
    ::close(signals_);
    ::pthread_sigmask(SIG_SETMASK, &mask_found_, nullptr);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void draw(const std::string& picture) DULY_EXCLUDES(drawing_) {
    MutexLock lock(drawing_);
    write_all(picture);
  }

 private:
  void restore() const {
    write_all(kLeave);
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &found_);
  }

  // ^C is how such a program is ended: it has done nothing wrong.
  void watch() DULY_EXCLUDES(drawing_) {
    pollfd ready[2] = {{signals_, POLLIN, 0}, {finish_, POLLIN, 0}};
    while (::poll(ready, 2, -1) < 0 && errno == EINTR) {}
    signalfd_siginfo info{};
    if ((ready[0].revents & POLLIN) == 0 || ::read(signals_, &info, sizeof info) != sizeof info) return;
    MutexLock lock(drawing_);  // and nothing is drawn any more
    restore();
    ::_exit(info.ssi_signo == SIGINT ? 0 : 128 + static_cast<int>(info.ssi_signo));
  }

  termios found_{};
  sigset_t mask_found_{};
  int signals_ = -1, finish_ = -1;
  Mutex drawing_;
  std::thread watcher_;
};

Screen::Screen(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Screen::~Screen() = default;

Result<std::unique_ptr<Screen>> Screen::open() {
  const char* kind = std::getenv("TERM");
  const bool dumb = kind == nullptr || *kind == '\0' || std::string_view(kind) == "dumb";
  if (dumb || ::isatty(STDOUT_FILENO) != 1 || ::isatty(STDIN_FILENO) != 1)
    return invalid("this needs a terminal that can be drawn on");
  return std::unique_ptr<Screen>(new Screen(std::make_unique<Impl>()));
}

std::size_t Screen::width() const { return window().ws_col > 0 ? window().ws_col : kAssumedWidth; }
std::size_t Screen::height() const { return window().ws_row > 0 ? window().ws_row : kAssumedHeight; }

void Screen::draw(const std::vector<std::string>& lines) {
  std::string picture = "\033[H";
  const std::size_t count = std::min(lines.size(), height());
  for (std::size_t i = 0; i < count; ++i)
    picture += (i == 0 ? "" : "\r\n") + fitted(lines[i], width()) + "\033[K";
  impl_->draw(picture + "\033[J");
}

bool Screen::wait(milliseconds length) {
  pollfd keys{STDIN_FILENO, POLLIN, 0};
  if (::poll(&keys, 1, static_cast<int>(length.count())) <= 0) return true;
  char key = 0;
  if (::read(STDIN_FILENO, &key, 1) != 1) return false;  // the terminal has gone
  return key != 'q' && key != 'Q' && key != kEndOfInput;
}

}  // namespace duly::cli
