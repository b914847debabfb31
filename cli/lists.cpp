#include "cli/lists.h"

#include <memory>

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

}  // namespace

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
