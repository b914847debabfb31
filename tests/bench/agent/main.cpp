// An agent for scripts/bench --speed: every flag of duly-agent, and bench.start, which writes when it was
// called.
//
// A line for each call goes to the file that DULY_BENCH_STARTS names: id, attempt, the wall clock and the due
// time, both in microseconds.  Server, agent and load read one clock when they run on one machine, so that
// what lies between an answer and a start is known to the microsecond, where the API's instants are whole
// milliseconds.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "agent/app/agent_main.h"
#include "agent/handlers/handler.h"
#include "common/runtime/asio_loop.h"

namespace {

using duly::HandlerResult;

long long microseconds_of(duly::WallTime time) { return time.time_since_epoch().count(); }

// One write() to a file opened for appending: lines of several threads do not mix, and a killed agent's are
// there.
HandlerResult write_start(int file, const duly::HandlerContext& context) {
  const duly::WallTime now = duly::machine_wall();
  std::array<char, 96> line{};
  const int size = std::snprintf(line.data(), line.size(), "%s %d %lld %lld\n",
                                 duly::format_command_id(context.id).c_str(), context.attempt,
                                 microseconds_of(now), microseconds_of(context.due_at));
  if (::write(file, line.data(), static_cast<std::size_t>(size)) != size)
    return HandlerResult::fail("the file of starts cannot be written");
  return HandlerResult::succeed();
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = std::getenv("DULY_BENCH_STARTS");
  const int file =
      ::open(path != nullptr ? path : "/dev/null", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) {
    std::perror("bench_agent: DULY_BENCH_STARTS");
    return 1;
  }
  duly::HandlerRegistry handlers;
  handlers.add("bench.start",
               [file](const duly::HandlerContext& context) { return write_start(file, context); });
  return duly::run_agent(argc, argv, handlers);
}
