#include "tests/sim/campaign/tasks.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <vector>

namespace duly::sim {
namespace {

struct Child {
  pid_t pid = 0;
  TaskResult result;
};

// The read end of its output, by which it is known from then on.
int start(std::size_t task, const std::function<void(std::size_t, std::FILE*)>& work, Child& child) {
  int ends[2];
  if (::pipe(ends) != 0) std::perror("pipe"), std::exit(127);
  std::fflush(nullptr);
  child.pid = ::fork();
  child.result.task = task;
  if (child.pid < 0) std::perror("fork"), std::exit(127);
  if (child.pid == 0) {
    ::close(ends[0]);
    std::FILE* out = ::fdopen(ends[1], "w");
    work(task, out);
    std::fclose(out);
    std::fflush(nullptr);
    ::_exit(0);
  }
  ::close(ends[1]);
  return ends[0];
}

// True when there is no more to come.
bool read_some(int from, std::string& into) {
  char buffer[4096];
  const ssize_t got = ::read(from, buffer, sizeof buffer);
  if (got > 0) into.append(buffer, static_cast<std::size_t>(got));
  return got <= 0;
}

}  // namespace

void run_tasks(std::size_t count, int jobs, const std::function<void(std::size_t, std::FILE*)>& work,
               const std::function<bool(const TaskResult&)>& done) {
  std::map<int, Child> running;
  std::size_t next = 0;
  bool more = true;
  while ((more && next < count) || !running.empty()) {
    while (more && next < count && running.size() < static_cast<std::size_t>(jobs)) {
      Child child;
      const int output = start(next++, work, child);
      running.emplace(output, std::move(child));
    }
    std::vector<pollfd> waits;
    for (const auto& [output, child] : running) waits.push_back({output, POLLIN, 0});
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    for (const pollfd& wait : waits) {
      if (wait.revents == 0 || !read_some(wait.fd, running.at(wait.fd).result.output)) continue;
      auto ended = running.extract(wait.fd);
      int status = 0;
      ::waitpid(ended.mapped().pid, &status, 0);
      ::close(wait.fd);
      ended.mapped().result.ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
      if (!done(ended.mapped().result)) more = false;
    }
  }
}

}  // namespace duly::sim
