#include "cli/lists.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "common/model/limits.h"

namespace duly::cli {
namespace {

// The columns every item has in some version of the server: "name" first, then what the first item holds.
Columns columns_of(const Json& items) {
  Columns columns{{"NAME", "name"}};
  if (items.empty() || !items.front().is_object()) return columns;
  for (const auto& field : items.front().items()) {
    if (field.key() != "name") columns.push_back({printable(field.key()), field.key()});
  }
  return columns;
}

// Prints items as they come, so that a listing of everything needs no memory for everything.
class ListPrinter {
 public:
  ListPrinter(const Session& session, const Columns& columns) : json_(session.json()), table_(columns) {
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

std::string next_cursor(const Json& body) {
  const auto at = body.find("next_cursor");
  return at != body.end() && at->is_string() ? printable(at->get<std::string>()) : "";
}

}  // namespace

void add_page_flags(CLI::App* command, PageFlags& flags) {
  command->add_option("--limit", flags.limit, "at most so many")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--cursor", flags.cursor, "go on after an earlier list");
  command->add_flag("--all", flags.all, "all of them, following the cursors");
}

// A page may come back short although there is more (its filter is rare): only the cursor tells.
int show_pages(const Session& session, Api& api, const std::string& path, const Query& query,
               const PageFlags& flags, const Columns& columns) {
  std::unique_ptr<ListPrinter> printer;
  std::string cursor = flags.cursor;
  for (std::int64_t left = flags.all ? std::numeric_limits<std::int64_t>::max() : flags.limit; left > 0;) {
    Query page = query;
    page.emplace_back("limit", std::to_string(std::min<std::int64_t>(left, limits::kPageItems)));
    page.emplace_back("cursor", cursor);
    const auto answer = api.get(path + query_of(page));
    if (!answer) return report(answer.error());
    if (!answer->good()) return report_problem(*answer);
    if (!answer->body.is_object() || !answer->body.contains("items"))
      return report({Errc::fatal, "not a list"});
    if (!printer) printer = std::make_unique<ListPrinter>(session, columns);
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

int show_list(const Session& session, Api& api, const std::string& path, const Columns& columns) {
  std::unique_ptr<Table> table;
  std::string cursor;
  do {
    const auto answer = api.get(path + query_of({{"cursor", cursor}}));
    cursor.clear();
    const int code = show(session, answer, [&](const Json& body) {
      const Json items = body.is_object() ? body.value("items", Json::array()) : Json::array();
      if (!table) table = std::make_unique<Table>(columns.empty() ? columns_of(items) : columns);
      for (const Json& item : items) table->add(item);
      table->flush(stdout);
    });
    if (code != kDone) return code;
    const auto next = answer->body.is_object() ? answer->body.find("next_cursor") : answer->body.end();
    if (next != answer->body.end() && next->is_string()) cursor = next->get<std::string>();
  } while (!cursor.empty());
  return kDone;
}

int show_object(const Session& session, const Result<Answer>& answer) {
  return show(session, answer, [](const Json& body) {
    if (body.is_object()) print_fields(body);
  });
}

int show_accepted(const Session& session, const Result<Answer>& answer, const std::string& done) {
  return show(session, answer, [&](const Json&) { print_line(printable(done)); });
}

void run_on(CLI::App* command, Session& session, Work work) {
  command->callback([work = std::move(work), &session] { session.exit_code = with_api(session, work); });
}

}  // namespace duly::cli
