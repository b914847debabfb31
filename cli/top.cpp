// duly top: live agents, shards, rates and queues, drawn anew as they change.
#include <memory>

#include "cli/lists.h"
#include "cli/screen.h"
#include "cli/top_view.h"

namespace duly::cli {
namespace {

struct TopFlags {
  bool once = false;
  std::int64_t interval_ms = 1000;
};

Result<Json> ask_json(Api& api, const std::string& path) {
  const auto answer = api.get(path);
  if (!answer) return answer.error();
  if (!answer->good()) return Error{Errc::fatal, path + ": " + problem_line(*answer)};
  if (!answer->body.is_object()) return Error{Errc::fatal, path + ": not an object"};
  return answer->body;
}

Result<Json> ask_items(Api& api, const std::string& path) {
  auto body = ask_json(api, path);
  if (!body) return body;
  return body->value("items", Json::array());
}

Result<TopSample> take_sample(Api& api) {
  TopSample sample;
  auto stats = ask_json(api, "/v1/stats");
  if (!stats) return stats.error();
  sample.stats = std::move(*stats);
  for (const auto& [path, into] :
       {std::pair{"/v1/agents", &sample.agents}, std::pair{"/v1/shards", &sample.shards},
        std::pair{"/v1/queues", &sample.queues}}) {
    auto items = ask_items(api, path);
    if (!items) return items.error();
    *into = std::move(*items);
  }
  return sample;
}

int top_once(const Session& session, Api& api) {
  auto sample = take_sample(api);
  if (!sample) return report(sample.error());
  if (session.json()) {
    print_line(dump_json(Json{{"stats", std::move(sample->stats)},
                              {"agents", std::move(sample->agents)},
                              {"shards", std::move(sample->shards)},
                              {"queues", std::move(sample->queues)}}));
    return kDone;
  }
  for (const std::string& line : draw_top(*sample, nullptr, session.server)) print_line(line);
  return kDone;
}

// The server may be away for a while: that is shown, and asked again.
int top_on(Screen& screen, const Session& session, const TopFlags& flags, Api& api, TopSample now) {
  std::unique_ptr<TopSample> before;
  std::string away;
  for (;;) {
    auto lines = draw_top(now, before.get(), session.server);
    if (!away.empty()) lines.insert(lines.begin(), "away: " + printable(away));
    screen.draw(lines);
    if (!screen.wait(milliseconds{flags.interval_ms})) return kDone;
    auto next = take_sample(api);
    away = next ? "" : next.error().what;
    if (!next) continue;
    before = std::make_unique<TopSample>(std::move(now));
    now = std::move(*next);
  }
}

int top(const Session& session, const TopFlags& flags, Api& api) {
  if (flags.once) return top_once(session, api);
  if (session.json()) return report(invalid("top draws on a terminal: --output json needs --once"));
  auto first = take_sample(api);
  if (!first) return report(first.error());
  const auto screen = Screen::open();
  if (!screen) return report(invalid("top: " + screen.error().what + "; --once prints one picture"));
  return top_on(**screen, session, flags, api, std::move(*first));
}

}  // namespace

void add_top(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<TopFlags>();
  CLI::App* command = app.add_subcommand("top", "Watch agents, shards, rates and queues; q ends it");
  command->add_flag("--once", flags->once, "print one picture and end");
  command->add_option("--interval-ms", flags->interval_ms, "between two pictures")
      ->check(CLI::Range(std::int64_t{100}, std::int64_t{3'600'000}))
      ->capture_default_str();
  run_on(command, session, [flags, &session](Api& api) { return top(session, *flags, api); });
}

}  // namespace duly::cli
