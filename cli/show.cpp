#include <algorithm>
#include <limits>
#include <memory>

#include "cli/requests.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

struct ListFlags {
  std::string state;
  std::string type;
  std::string queue;
  std::string key;
  std::vector<std::string> labels;
  std::string due_before;
  std::string due_after;
  std::string cursor;
  std::int64_t limit = 100;
  bool all = false;
};

// Prints items as they come, so that a listing of everything needs no memory for everything.
class ListPrinter {
 public:
  explicit ListPrinter(const Session& session) : json_(session.json()), table_(command_columns()) {
    if (json_) std::fputs("{\"items\":[", stdout);
  }
  void add(const Json& item) {
    if (!json_) return table_.add(item);
    std::fputs((std::string(first_ ? "" : ",") + dump_json(item)).c_str(), stdout);
    first_ = false;
  }
  void end_page() {
    if (!json_) table_.flush(stdout);
  }
  void end(const std::string& next_cursor) {
    const Json cursor = next_cursor.empty() ? Json() : Json(next_cursor);
    if (json_) return print_line("],\"next_cursor\":" + dump_json(cursor) + "}");
    if (!next_cursor.empty())
      std::fprintf(stderr, "There is more: --all, or --cursor %s\n", next_cursor.c_str());
  }

 private:
  const bool json_;
  bool first_ = true;
  Table table_;
};

using Query = std::vector<std::pair<std::string, std::string>>;

Result<Query> list_query(const ListFlags& flags) {
  Query query{{"state", flags.state},           {"type", flags.type},
              {"queue", flags.queue},           {"key", flags.key},
              {"due_before", flags.due_before}, {"due_after", flags.due_after}};
  for (const std::string& pair : flags.labels) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid("--label \"" + pair + "\" is not NAME=VALUE");
    query.emplace_back("label." + pair.substr(0, equals), pair.substr(equals + 1));
  }
  return query;
}

std::string next_cursor(const Json& body) {
  const auto at = body.find("next_cursor");
  return at != body.end() && at->is_string() ? printable(at->get<std::string>()) : "";
}

// A page may come back short although there is more (its filter is rare): only the cursor tells.
int list(const Session& session, const ListFlags& flags, Api& api) {
  const auto query = list_query(flags);
  if (!query) return report(query.error());
  std::unique_ptr<ListPrinter> printer;
  std::string cursor = flags.cursor;
  for (std::int64_t left = flags.all ? std::numeric_limits<std::int64_t>::max() : flags.limit; left > 0;) {
    Query page = *query;
    page.emplace_back("limit", std::to_string(std::min<std::int64_t>(left, limits::kPageItems)));
    page.emplace_back("cursor", cursor);
    const auto answer = api.get("/v1/commands" + query_of(page));
    if (!answer) return report(answer.error());
    if (!answer->good()) return report_problem(*answer);
    if (!answer->body.is_object() || !answer->body.contains("items"))
      return report({Errc::fatal, "not a list"});
    if (!printer) printer = std::make_unique<ListPrinter>(session);
    for (const Json& item : answer->body["items"]) {
      printer->add(item);
      --left;
    }
    printer->end_page();
    cursor = next_cursor(answer->body);
    if (cursor.empty()) break;
  }
  if (printer) printer->end(cursor);
  return kDone;
}

void print_command(const Json& body) {
  print_fields(body, "attempts");
  const auto attempts = body.find("attempts");
  if (attempts == body.end() || !attempts->is_array() || attempts->empty()) return;
  print_line("");
  Table table({{"ATTEMPT", "attempt"},
               {"AGENT", "agent"},
               {"EXECUTOR", "executor"},
               {"STARTED AT", "started_at"},
               {"FINISHED AT", "finished_at"},
               {"OUTCOME", "outcome"},
               {"ERROR", "error"}});
  for (const Json& attempt : *attempts) table.add(attempt);
  table.flush(stdout);
}

// Prints a line for each change until the end.
int watch(const Session& session, const std::string& id, Api& api) {
  std::string last;
  Table table(command_columns());
  const auto seen = [&](const Answer& answer) {
    const std::string now =
        dump_json(answer.body.value("state", Json())) + dump_json(answer.body.value("attempt", Json()));
    if (now == last) return;
    last = now;
    if (session.json()) return print_line(answer.text);
    table.add(answer.body);
    table.flush(stdout);
  };
  constexpr milliseconds kForEver{std::numeric_limits<std::int64_t>::max() / 2};
  const auto ended = wait_for_end(api, id, kForEver, milliseconds{1000}, seen);
  if (!ended) return report(ended.error());
  if (!ended->good()) return report_problem(*ended);
  return has_succeeded(ended->body) ? kDone : kFailed;
}

void add_list(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<ListFlags>();
  CLI::App* command = app.add_subcommand("list", "List commands, newest first");
  command->add_option("--state", flags->state, "only in this state");
  command->add_option("--type", flags->type, "only of this type");
  command->add_option("--queue", flags->queue, "only of this queue");
  command->add_option("--key", flags->key, "only with this key");
  command->add_option("--label", flags->labels, "only with NAME=VALUE, repeatable")->allow_extra_args(false);
  command->add_option("--due-before", flags->due_before, "only due before this instant");
  command->add_option("--due-after", flags->due_after, "only due after this instant");
  command->add_option("--limit", flags->limit, "at most so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--cursor", flags->cursor, "go on after an earlier list");
  command->add_flag("--all", flags->all, "all of them, following the cursors");
  command->callback([flags, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return list(session, *flags, api); });
  });
}

}  // namespace

void add_show(CLI::App& app, Session& session) {
  add_list(app, session);
  const auto id = std::make_shared<std::string>();
  CLI::App* get = app.add_subcommand("get", "Show one command with its attempts");
  get->add_option("ID", *id, "cmd_…")->required();
  get->callback([id, &session] {
    session.exit_code =
        with_api(session, [&](Api& api) { return show(session, api.get(command_path(*id)), print_command); });
  });
  CLI::App* watching = app.add_subcommand("watch", "Follow one command until it has ended");
  watching->add_option("ID", *id, "cmd_…")->required();
  watching->callback([id, &session] {
    session.exit_code = with_api(session, [&](Api& api) { return watch(session, *id, api); });
  });
}

}  // namespace duly::cli
