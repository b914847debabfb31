// duly events: every state change as it happens, a line each, until it is ended.
#include <cstdint>
#include <cstdio>
#include <memory>

#include "cli/event_stream.h"
#include "cli/lists.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

struct EventFlags {
  std::string state, type, queue, id;
  std::int64_t count = 0;
};

std::string word_of(const Json& event, const char* field) {
  return event.is_object() ? cell_text(event.value(field, Json())) : "-";
}

// One stream after the other: what comes between two of them is asked for by the id of the last event.
class EventPrinter {
 public:
  EventPrinter(const Session& session, const EventFlags& flags, Api& api)
      : session_(session), flags_(flags), api_(api) {}

  int run() {
    for (bool first = true;; first = false) {
      const auto answer = listen();
      if (done_ || std::ferror(stdout) != 0) return kDone;
      if (answer && !answer->good() && !(answer->busy() && !first)) return report_problem(*answer);
      if (!answer && first && !heard_) return report(answer.error());
      std::fputs("duly: the stream has ended; trying again\n", stderr);
      pause_for(kAwayPause);
    }
  }

 private:
  Result<Answer> listen() {
    stream_.restart();
    Request request{.path = "/v1/events" + query_of({{"state", flags_.state},
                                                     {"type", flags_.type},
                                                     {"queue", flags_.queue},
                                                     {"id", flags_.id}})};
    if (!stream_.last_id().empty()) request.headers.emplace_back("Last-Event-ID", stream_.last_id());
    return api_.stream(request, [this](std::string_view piece) {
      heard_ = true;
      return stream_.feed(piece, [this](const StreamEvent& event) { return print(event); });
    });
  }

  bool print(const StreamEvent& event) {
    if (event.kind != "command") {
      std::fprintf(stderr, "duly: events before this one may be missing (%s)\n",
                   printable(event.data).c_str());
      return true;
    }
    if (session_.json()) {
      print_line(event.data);
    } else {
      const auto parsed = parse_json(event.data, limits::kJsonDepth);
      const Json body = parsed ? *parsed : Json();
      const std::string state = word_of(body, "state");
      const std::string padding(state.size() < kWidestState ? kWidestState - state.size() : 0, ' ');
      print_line(word_of(body, "at") + "  " + coloured(state) + padding + "  " + word_of(body, "id") + "  " +
                 word_of(body, "type") + "  " + word_of(body, "queue") + "  attempt " +
                 word_of(body, "attempt"));
    }
    done_ = flags_.count > 0 && ++printed_ >= flags_.count;
    return !done_ && std::ferror(stdout) == 0;
  }

  static constexpr std::size_t kWidestState = std::string_view("succeeded").size();

  const Session& session_;
  const EventFlags& flags_;
  Api& api_;
  EventStream stream_;
  std::int64_t printed_ = 0;
  bool heard_ = false;
  bool done_ = false;
};

}  // namespace

void add_events(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<EventFlags>();
  CLI::App* command = app.add_subcommand("events", "Print every state change of a command as it happens");
  command->add_option("--state", flags->state, "only changes to this state")->type_name("STATE");
  command->add_option("--type", flags->type, "only of this type");
  command->add_option("--queue", flags->queue, "only of this queue");
  command->add_option("--id", flags->id, "only of this command (cmd_…)");
  command->add_option("--count", flags->count, "end after so many; 0 = go on")->check(CLI::NonNegativeNumber);
  run_on(command, session, [flags, &session](Api& api) { return EventPrinter(session, *flags, api).run(); });
}

}  // namespace duly::cli
