#include "cli/import.h"

#include <memory>

#include "cli/crontab.h"
#include "cli/lists.h"

namespace duly::cli {
namespace {

constexpr std::size_t kCrontabBytes = 1U << 20;
constexpr int kScheduleTries = 10;  // of one schedule, while the server is away or busy

struct ImportFlags {
  std::string file = "-";
  bool system_form = false;
  bool user_form = false;
  bool dry_run = false;
  std::string time_zone = "UTC";
};

// Where Debian's cron expects a user in each line.
bool is_system_path(const std::string& path) {
  return path == "/etc/crontab" || path.rfind("/etc/cron.d/", 0) == 0;
}

// Whether what the server has is what the crontab asks for; the server adds defaults to it.
bool same_schedule(const Json& stored, const Json& wanted) {
  if (!stored.is_object()) return false;
  const Json command = stored.value("command", Json::object());
  return stored.value("cron", Json()) == wanted["cron"] &&
         stored.value("time_zone", Json("UTC")) == wanted["time_zone"] && command.is_object() &&
         command.value("type", Json()) == wanted["command"]["type"] &&
         command.value("payload", Json()) == wanted["command"]["payload"];
}

std::string problem_text(const Answer& answer) {
  std::string text = std::to_string(answer.status);
  if (!answer.body.is_object()) return text;
  text += " " + cell_text(answer.body.value("title", Json("")));
  const Json errors = answer.body.value("errors", Json::array());
  if (!errors.is_array() || errors.empty() || !errors.front().is_object())
    return text + ": " + cell_text(answer.body.value("detail", Json("")));
  const Json& first = errors.front();
  return text + ": " + cell_text(first.value("pointer", Json(""))) + " " +
         cell_text(first.value("detail", Json("")));
}

class Importer {
 public:
  Importer(const Session& session, const Crontab& crontab) : session_(session), crontab_(crontab) {}

  // Without a server nothing is sent.
  int run(Api* api) {
    for (const CrontabEntry& entry : crontab_.entries) {
      const std::string outcome = api == nullptr ? "would be created" : create(*api, entry);
      items_.push_back({{"line", entry.line},
                        {"name", entry.name},
                        {"cron", entry.schedule["cron"]},
                        {"time_zone", entry.schedule["time_zone"]},
                        {"outcome", outcome}});
    }
    for (const CrontabLeftover& each : crontab_.leftovers) failed_ = failed_ || each.is_entry;
    print();
    return failed_ ? kFailed : kDone;
  }

 private:
  std::string create(Api& api, const CrontabEntry& entry) {
    if (away_) return "not sent";
    for (int tries = 1;; ++tries) {
      const auto answer = api.post("/v1/schedules", dump_json(entry.schedule));
      if (answer && answer->good()) return "created";
      if (answer && answer->status == 409) return compare(api, entry, *answer);
      // Asking again does no harm: one that was created after all is found to be the same.
      const bool again = answer ? answer->busy() : answer.error().code != Errc::invalid;
      if (!again || tries >= kScheduleTries) {
        failed_ = true;
        away_ = !answer;
        return answer ? problem_text(*answer) : answer.error().what;
      }
      pause_for(answer ? answer->retry_after : seconds{1});
    }
  }

  std::string compare(Api& api, const CrontabEntry& entry, const Answer& conflict) {
    const auto stored = api.get("/v1/schedules/" + url_encode(entry.name));
    if (stored && stored->good() && same_schedule(stored->body, entry.schedule)) return "is there already";
    failed_ = true;
    if (stored && stored->good()) return "another schedule of this name is there: left as it is";
    return problem_text(conflict);
  }

  void print() const {
    if (session_.json()) return print_json();
    Table taken({{"LINE", "line"},
                 {"NAME", "name"},
                 {"CRON", "cron"},
                 {"TIME ZONE", "time_zone"},
                 {"OUTCOME", "outcome"}});
    for (const Json& item : items_) taken.add(item);
    taken.flush(stdout);
    if (crontab_.leftovers.empty()) return;
    print_line("\nNot taken over:");
    Table left({{"LINE", "line"}, {"WHY", "reason"}, {"TEXT", "text"}});
    for (const CrontabLeftover& each : crontab_.leftovers)
      left.add({{"line", each.line}, {"reason", each.reason}, {"text", each.text}});
    left.flush(stdout);
  }

  void print_json() const {
    Json items = Json::array();
    for (std::size_t i = 0; i < items_.size(); ++i) {
      items.push_back(items_[i]);
      items.back()["schedule"] = crontab_.entries[i].schedule;
    }
    Json left = Json::array();
    for (const CrontabLeftover& each : crontab_.leftovers)
      left.push_back(
          {{"line", each.line}, {"text", each.text}, {"reason", each.reason}, {"is_entry", each.is_entry}});
    print_line(dump_json(Json{{"items", std::move(items)}, {"not_taken_over", std::move(left)}}));
  }

  const Session& session_;
  const Crontab& crontab_;
  std::vector<Json> items_;
  bool failed_ = false;
  bool away_ = false;  // the server does not answer: the rest need not be tried
};

int import(const Session& session, const ImportFlags& flags) {
  const auto text = read_input(flags.file, kCrontabBytes);
  if (!text) return report(text.error());
  CrontabOptions options;
  if (flags.file != "-") options.file = flags.file;
  options.system_form = flags.system_form || (is_system_path(flags.file) && !flags.user_form);
  options.time_zone = flags.time_zone;
  const Crontab crontab = read_crontab(*text, options);
  Importer importer(session, crontab);
  if (flags.dry_run) return importer.run(nullptr);
  return with_api(session, [&](Api& api) { return importer.run(&api); });
}

}  // namespace

void add_import(CLI::App* schedules, Session& session) {
  const auto flags = std::make_shared<ImportFlags>();
  CLI::App* command = schedules->add_subcommand("import", "Create a schedule for each entry of a crontab");
  command->add_option("FILE", flags->file, "crontab, or - for standard input")->required();
  CLI::Option* user =
      command->add_flag("--user", flags->user_form, "as `crontab -l` prints it: no user in the lines");
  command
      ->add_flag("--system", flags->system_form,
                 "with a user before each command (taken for granted in /etc/crontab and /etc/cron.d)")
      ->excludes(user);
  command->add_flag("--dry-run", flags->dry_run, "send nothing, show what would be");
  command->add_option("--time-zone", flags->time_zone, "where the crontab has no CRON_TZ")
      ->capture_default_str();
  command->callback([flags, &session] { session.exit_code = import(session, *flags); });
}

}  // namespace duly::cli
