// duly schedules backfill: the commands of fires that are past, a thousand in each request.
#include <memory>

#include "cli/lists.h"
#include "cli/progress.h"
#include "cli/schedules.h"

namespace duly::cli {
namespace {

struct BackfillFlags {
  std::string name, from, to;
};

// The server says where to go on; a fire that has its command already gets no second one, so asking again
// does no harm.
class Backfill {
 public:
  Backfill(const BackfillFlags& flags, Api& api) : flags_(flags), api_(api) {
    begin_ms_ = parse_instant(flags.from).value_or(0);
    end_ms_ = parse_instant(flags.to).value_or(0);
  }

  Result<Answer> run() {
    std::string from = flags_.from;
    for (;;) {
      auto answer = ask(from);
      if (!answer || !answer->good() || !answer->body.is_object()) return answer;
      created_ += count(answer->body, "created");
      existing_ += count(answer->body, "existing");
      const auto next = answer->body.find("next_from");
      const bool more = next != answer->body.end() && next->is_string() && *next != Json(from);
      if (more) from = next->get<std::string>();
      show(more ? parse_instant(from).value_or(end_ms_) : end_ms_);
      if (more) continue;
      const Json sum{{"created", created_}, {"existing", existing_}, {"next_from", nullptr}};
      answer->body = sum;
      answer->text = dump_json(sum);
      return answer;
    }
  }

 private:
  Result<Answer> ask(const std::string& from) {
    constexpr int kTries = 60;
    const std::string path = "/v1/schedules/" + url_encode(flags_.name) + "/backfill";
    const std::string body = dump_json(Json{{"from", from}, {"to", flags_.to}});
    for (int tries = 1;; ++tries) {
      auto answer = api_.post(path, body);
      const bool again = answer ? answer->busy() : created_ + existing_ > 0 && worth_another_try(answer);
      if (!again || tries >= kTries) return answer;
      pause_for(answer ? answer->retry_after : seconds{1});
    }
  }

  static std::int64_t count(const Json& body, const char* name) {
    const auto at = body.find(name);
    return at != body.end() && at->is_number_integer() ? at->get<std::int64_t>() : 0;
  }

  void show(std::int64_t at_ms) {
    const auto since = [this](std::int64_t ms) {
      return ms > begin_ms_ ? static_cast<std::uint64_t>(ms - begin_ms_) : 0U;
    };
    progress_.show(since(at_ms), since(end_ms_), std::to_string(created_) + " created");
  }

  const BackfillFlags& flags_;
  Api& api_;
  ProgressLine progress_;
  std::int64_t begin_ms_ = 0, end_ms_ = 0;
  std::int64_t created_ = 0, existing_ = 0;
};

}  // namespace

void add_backfill(CLI::App* schedules, Session& session) {
  const auto flags = std::make_shared<BackfillFlags>();
  CLI::App* command = schedules->add_subcommand(
      "backfill", "Make the commands of past fires that have none, from FROM until before TO");
  command->add_option("NAME", flags->name, "name of the schedule")->required();
  command->add_option("--from", flags->from, "from this instant on (RFC 3339)")
      ->type_name("INSTANT")
      ->required();
  command->add_option("--to", flags->to, "until before this instant")->type_name("INSTANT")->required();
  run_on(command, session, [flags, &session](Api& api) {
    const auto answer = Backfill(*flags, api).run();  // and the line of its progress has ended
    return show_object(session, answer);
  });
}

}  // namespace duly::cli
