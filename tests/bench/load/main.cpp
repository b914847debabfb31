// A load on a Duly server that costs little itself: one thread, epoll, keep-alive connections, requests built
// once.
//
//   bench_load post --port N [--connections N] [--rate PER_S] [--seconds N | --count N]
//              [--batch N] [--type T] [--queue Q] [--delay-ms N | --due-at INSTANT] [--log FILE]
//   bench_load get  --port N [--connections N] [--rate PER_S] [--seconds N | --count N] --path NAME=/v1/...
//   [--path ...]
//
// Without --rate each connection asks again as soon as it is answered.  With it the rate is kept up whatever
// the server does, and times count from the moment a request was to be asked.  --batch N posts N commands at
// once.  --log writes a line for each command: its id, and when it was to be asked, was asked and was
// answered, in microseconds of the wall clock.  `get` asks its paths in turn and gives the times of each
// NAME.  It prints one JSON object; its own processor time is in it.  Exit 1 when something was not answered,
// or not with success.
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "common/runtime/asio_loop.h"
#include "tests/bench/flags.h"
#include "tests/bench/load/driver.h"
#include "tests/bench/tally.h"

namespace duly::bench {
namespace {

constexpr std::size_t kPayload = 256;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// The answers of one run, by the name of what was asked.
struct Notes {
  std::vector<std::string> names;  // of each kind of request
  std::map<std::string, std::vector<double>> took_ms;
  long good = 0, bad = 0;
  std::string first_bad;
  File log;
  Duration wall_ahead{};  // of the monotonic clock

  void take(const Answer& answer) {
    if (answer.status / 100 != 2) {
      if (++bad == 1) first_bad = std::to_string(answer.status);
      return;
    }
    ++good;
    took_ms[names[answer.kind]].push_back(static_cast<double>((answer.done - answer.due).count()) / 1e3);
    if (log) write_line(answer);
  }
  void write_line(const Answer& answer) {
    constexpr std::string_view kId = "\"id\":\"";
    constexpr std::size_t kIdBytes = 17;
    const std::size_t at = answer.body.find(kId);
    if (at == std::string_view::npos || at + kId.size() + kIdBytes > answer.body.size()) return;
    const std::string id(answer.body.substr(at + kId.size(), kIdBytes));
    const auto wall = [&](MonoTime t) {
      return static_cast<long long>((t.time_since_epoch() + wall_ahead).count());
    };
    std::fprintf(log.get(), "%s %lld %lld %lld\n", id.c_str(), wall(answer.due), wall(answer.sent),
                 wall(answer.done));
  }
};

std::string command_json(const Flags& flags) {
  const std::string frame = R"({"filler":""})";
  std::string text = R"({"type":")" + flags.text("type", "builtin.noop") + R"(","payload":{"filler":")" +
                     std::string(kPayload - frame.size(), 'x') + "\"}";
  if (!flags.text("queue").empty()) text += R"(,"queue":")" + flags.text("queue") + '"';
  if (!flags.text("delay-ms").empty()) text += R"(,"delay_ms":)" + flags.text("delay-ms");
  if (!flags.text("due-at").empty()) text += R"(,"due_at":")" + flags.text("due-at") + '"';
  return text + '}';
}

std::string http(const std::string& port, const std::string& method, const std::string& path,
                 const std::string& body) {
  std::string text = method + ' ' + path + " HTTP/1.1\r\nHost: 127.0.0.1:" + port + "\r\n";
  if (!body.empty())
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + body;
}

void plan_posts(const Flags& flags, Plan& plan, Notes& notes) {
  const auto batch = static_cast<long>(flags.number("batch", 0));
  const std::string one = command_json(flags);
  std::string path = "/v1/commands", body = one;
  if (batch > 0) {
    path += "/batch";
    body = R"({"commands":[)" + one;
    for (long i = 1; i < batch; ++i) body += ',' + one;
    body += "]}";
  }
  plan.requests = {http(flags.text("port"), "POST", path, body)};
  notes.names = {"post"};
  if (flags.text("log").empty()) return;
  notes.log.reset(std::fopen(flags.text("log").c_str(), "w"));
  if (!notes.log) {
    std::perror("bench_load: --log");
    std::exit(1);
  }
}

void plan_gets(const Flags& flags, Plan& plan, Notes& notes) {
  const auto [begin, end] = flags.all("path");
  for (auto at = begin; at != end; ++at) {
    const std::size_t equals = at->second.find('=');
    if (equals == std::string::npos) continue;
    notes.names.push_back(at->second.substr(0, equals));
    plan.requests.push_back(http(flags.text("port"), "GET", at->second.substr(equals + 1), {}));
  }
}

double own_cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds_of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

int report(const Flags& flags, const Outcome& outcome, Notes& notes) {
  const double each = std::max(1.0, flags.number("batch", 0));
  Tally tally;
  tally.number("requests", static_cast<double>(outcome.asked));
  tally.number("commands", static_cast<double>(notes.good) * each);
  tally.number("seconds", outcome.seconds);
  tally.number("per_s", outcome.seconds > 0 ? static_cast<double>(notes.good) * each / outcome.seconds : 0);
  tally.number("refused", static_cast<double>(notes.bad));
  tally.number("unanswered", static_cast<double>(outcome.unanswered));
  tally.number("cpu_s", own_cpu_seconds());
  for (auto& [name, samples] : notes.took_ms) tally.quantiles(name, samples, "ms");
  tally.print();
  if (!outcome.problem.empty()) std::fprintf(stderr, "bench_load: %s\n", outcome.problem.c_str());
  if (notes.bad > 0)
    std::fprintf(stderr, "bench_load: %ld refused, the first with %s\n", notes.bad, notes.first_bad.c_str());
  return outcome.problem.empty() && notes.bad == 0 && outcome.unanswered == 0 ? 0 : 1;
}

}  // namespace

int run_load(int argc, char** argv) {
  const std::string_view act = argc > 1 ? argv[1] : "";
  if (act != "post" && act != "get") {
    std::fprintf(stderr, "bench_load: say post or get; see the head of its source\n");
    return 2;
  }
  const Flags flags(argc, argv, 2,
                    {"port", "connections", "rate", "seconds", "count", "batch", "type", "queue", "delay-ms",
                     "due-at", "log", "path"});
  Notes notes;
  notes.wall_ahead = machine_wall().time_since_epoch() - machine_now().time_since_epoch();
  Plan plan;
  plan.port = static_cast<int>(flags.number("port", 0));
  plan.connections = static_cast<int>(flags.number("connections", 1));
  plan.rate = flags.number("rate", 0);
  plan.seconds = flags.number("seconds", 0);
  plan.count = static_cast<long>(flags.number("count", 0));
  plan.answered = [&notes](const Answer& answer) { notes.take(answer); };
  if (act == "post") {
    plan_posts(flags, plan, notes);
  } else {
    plan_gets(flags, plan, notes);
  }
  const Outcome outcome = Driver(std::move(plan)).run();
  return report(flags, outcome, notes);
}

}  // namespace duly::bench

int main(int argc, char** argv) { return duly::bench::run_load(argc, argv); }
