// What the command line prints: tables (colours only on a terminal, never with NO_COLOR), JSON, and problems.
//
// Texts from the server are another person's: control characters in them never reach the terminal.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cli/api.h"
#include "cli/session.h"
#include "common/base/result.h"
#include "common/wire/json.h"

namespace duly::cli {

struct Column {
  std::string title;
  std::string field;  // of each item; "counts.open" is a field of its field
};

// Rows of objects, printed page by page: the widths are those of the first page.
class Table {
 public:
  explicit Table(std::vector<Column> columns);
  void add(const Json& item);
  // Prints what was added since the last time, the titles at first.
  void flush(std::FILE* to);

 private:
  void measure();
  void print_row(std::FILE* to, const std::vector<std::string>& cells, bool titles) const;

  std::vector<Column> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
  bool colours_;
  bool titled_ = false;
};

// One JSON value as a cell: texts bare, lists joined, null as "-".
std::string cell_text(const Json& value);
// The text without control characters.
std::string printable(std::string_view text);

// In bold, where colours are wanted.
std::string emphasised(std::string_view text);

// The word in the colour of the state it names, where colours are wanted.
std::string coloured(std::string_view word);

// "name  value" lines; the fields of nested objects get dotted names.  `skip` is left out.
void print_fields(const Json& object, std::string_view skip = {});
void print_line(std::string_view text);  // to standard output, with a line end

// Prints to standard error what went wrong and answers the exit code.
int report(const Error& error);
// "404 Not found: there is no such command".
std::string problem_line(const Answer& answer);
int report_problem(const Answer& answer);
// Prints a good answer as JSON, or hands it to `print`; a bad one as a problem.
template <class Print>
int show(const Session& session, const Result<Answer>& answer, Print print) {
  if (!answer) return report(answer.error());
  if (!answer->good()) return report_problem(*answer);
  if (session.json()) {
    print_line(answer->text);
  } else {
    print(answer->body);
  }
  return kDone;
}

// Of two exit codes of two items, the one to tell: a failure counts more than "not found".
int worse(int one, int other);

}  // namespace duly::cli
