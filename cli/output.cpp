#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cli/hints.h"

namespace duly::cli {
namespace {

constexpr std::size_t kWidest = 60;

bool wants_colours() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  return ::isatty(STDOUT_FILENO) == 1 && (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::string_view colour_of(std::string_view cell) {
  for (const std::string_view good : {"succeeded", "delivered", "live", "held"}) {
    if (cell == good) return "\033[32m";
  }
  for (const std::string_view bad : {"dead", "lost", "expired", "failed"}) {
    if (cell == bad) return "\033[31m";
  }
  for (const std::string_view moving : {"running", "queued", "draining", "moving", "free"}) {
    if (cell == moving) return "\033[33m";
  }
  return {};
}

// A field whose own name has a dot in it comes before one inside another.
const Json* find_field(const Json& item, std::string_view name) {
  if (!item.is_object()) return nullptr;
  const auto at = item.find(std::string(name));
  if (at != item.end()) return &*at;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const auto outer = item.find(std::string(name.substr(0, dot)));
  return outer == item.end() ? nullptr : find_field(*outer, name.substr(dot + 1));
}

std::size_t width_of(std::string_view text) {
  const auto begins = [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins));
}

void collect_fields(const Json& object, const std::string& prefix, std::string_view skip,
                    std::vector<std::pair<std::string, std::string>>& into) {
  for (const auto& field : object.items()) {
    if (field.key() == skip) continue;
    const std::string name = prefix + field.key();
    if (field.value().is_object() && !field.value().empty()) {
      collect_fields(field.value(), name + ".", {}, into);
    } else {
      into.emplace_back(printable(name), cell_text(field.value()));
    }
  }
}

std::string text_field(const Json& object, const char* name) {
  const auto at = object.find(name);
  return at != object.end() && at->is_string() ? printable(at->get_ref<const std::string&>()) : "";
}

void give_hint(std::string_view hint) {
  if (!hint.empty()) std::fprintf(stderr, "  hint: %.*s\n", static_cast<int>(hint.size()), hint.data());
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)), colours_(wants_colours()) {}

void Table::add(const Json& item) {
  std::vector<std::string> cells;
  for (const Column& column : columns_) {
    const Json* value = find_field(item, column.field);
    cells.push_back(value == nullptr ? "-" : cell_text(*value));
  }
  rows_.push_back(std::move(cells));
}

void Table::measure() {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_[i].title.size();
    for (const auto& row : rows_) width = std::max(width, std::min(width_of(row[i]), kWidest));
    widths_.push_back(width);
  }
}

void Table::flush(std::FILE* to) {
  if (!titled_) {
    measure();
    std::vector<std::string> titles;
    for (const Column& column : columns_) titles.push_back(column.title);
    print_row(to, titles, true);
    titled_ = true;
  }
  for (const auto& row : rows_) print_row(to, row, false);
  rows_.clear();
  std::fflush(to);
}

void Table::print_row(std::FILE* to, const std::vector<std::string>& cells, bool titles) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string_view colour = !colours_ ? "" : titles ? "\033[1m" : colour_of(cells[i]);
    line += std::string(colour) + cells[i] + (colour.empty() ? "" : "\033[0m");
    const std::size_t width = width_of(cells[i]);
    const bool last = i + 1 == cells.size();
    if (!last) line += std::string(width < widths_[i] ? widths_[i] - width : 0, ' ') + "  ";
  }
  line += "\n";
  std::fputs(line.c_str(), to);
}

std::string printable(std::string_view text) {
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080..U+009F are control characters too: some terminals obey them.
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0U;
    const bool c1 = byte == 0xC2 && next >= 0x80 && next <= 0x9F;
    if (c1) ++i;
    clean += byte < 0x20 || byte == 0x7F || c1 ? '?' : text[i];
  }
  return clean;
}

std::string cell_text(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return printable(value.get_ref<const std::string&>());
  const bool plain_list = value.is_array() && std::none_of(value.begin(), value.end(), [](const Json& each) {
                            return each.is_structured();
                          });
  if (!plain_list) return printable(dump_json(value));
  std::string joined;
  for (const Json& each : value) joined += (joined.empty() ? "" : ",") + cell_text(each);
  return joined.empty() ? "-" : joined;
}

std::string coloured(std::string_view word) {
  const std::string_view colour = wants_colours() ? colour_of(word) : "";
  return colour.empty() ? std::string(word) : std::string(colour) + std::string(word) + "\033[0m";
}

std::string emphasised(std::string_view text) {
  return wants_colours() ? "\033[1m" + std::string(text) + "\033[0m" : std::string(text);
}

void print_fields(const Json& object, std::string_view skip) {
  std::vector<std::pair<std::string, std::string>> fields;
  collect_fields(object, "", skip, fields);
  std::size_t widest = 0;
  for (const auto& field : fields) widest = std::max(widest, field.first.size());
  for (const auto& field : fields) {
    print_line(field.first + std::string(widest + 2 - field.first.size(), ' ') + field.second);
  }
}

void print_line(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::printf("%.*s\n", static_cast<int>(text.size()), text.data());
  std::fflush(stdout);
}

int report(const Error& error) {
  std::fprintf(stderr, "duly: %s\n", printable(error.what).c_str());
  give_hint(hint_for(error));
  return error.code == Errc::invalid ? kUsage : kFailed;
}

std::string problem_line(const Answer& answer) {
  std::string line = std::to_string(answer.status);
  for (const char* part : {"title", "detail"}) {
    const std::string text = answer.body.is_object() ? text_field(answer.body, part) : "";
    if (!text.empty()) line += (part == std::string_view("title") ? " " : ": ") + text;
  }
  return line;
}

int report_problem(const Answer& answer) {
  const std::string line = problem_line(answer);
  std::fprintf(stderr, "duly: %s\n", line.c_str());
  const auto errors = answer.body.is_object() ? answer.body.find("errors") : answer.body.end();
  if (errors != answer.body.end() && errors->is_array()) {
    for (const Json& each : *errors) {
      if (!each.is_object()) continue;
      const std::string pointer = text_field(each, "pointer"), detail = text_field(each, "detail");
      // The detail of the whole is often that of its only error.
      if (line.ends_with(detail) && line.find(pointer) != std::string::npos) continue;
      std::fprintf(stderr, "  %s: %s\n", pointer.c_str(), detail.c_str());
    }
  }
  give_hint(hint_for(answer));
  return answer.status == 404 ? kNotFound : kFailed;
}

int worse(int one, int other) {
  if (one == kDone || other == kDone) return std::max(one, other);
  return std::min(one, other);
}

}  // namespace duly::cli
