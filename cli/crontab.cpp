#include "cli/crontab.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/model/cron.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

constexpr std::int64_t kTimeoutMs = 86'400'000;
constexpr std::size_t kFields = 5;
constexpr std::string_view kBlanks = " \t";

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string_view trim_left(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}

std::string_view trim(std::string_view text) {
  text = trim_left(text);
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

// Takes the first word off the front, and the blanks after it.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  text = trim_left(text.substr(word.size()));
  return word;
}

bool is_utf8(const std::string& text) {
  const auto back = parse_json(dump_json(Json(text)), 1);
  return back && *back == Json(text);
}

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string last_part(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

bool is_variable_name(std::string_view name) {
  if (name.empty() || is_digit(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

// One that takes -c and understands export.
bool is_plain_shell(std::string_view program) {
  constexpr std::array<std::string_view, 7> kShells{"sh", "dash", "bash", "ash", "ksh", "mksh", "zsh"};
  return program.rfind('/', 0) == 0 &&
         std::find(kShells.begin(), kShells.end(), last_part(program)) != kShells.end();
}

// A word that says what the command is about: of the first program with a path, or else the first word.
std::string subject_of(std::string_view command) {
  std::string_view rest = command;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    const bool program = word.front() == '/' && word.find("bin/") != word.npos;
    const bool data = word.rfind("/usr/", 0) == 0 || word.rfind("/opt/", 0) == 0;
    if (program || data) return last_part(word.substr(0, word.find_first_of(";&|)")));
  }
  return last_part(take_word(command));
}

// Runs of anything but [A-Za-z0-9._-] become one dash.
std::string plain_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool plain = is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
    if (plain) name += c;
    if (!plain && !name.empty() && name.back() != '-') name += '-';
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name;
}

struct Setting {
  std::string name;
  std::string value;
};

// A line `NAME = value`, its quotes taken off; nothing when it is something else.
std::optional<Setting> setting_of(std::string_view line) {
  const std::size_t end = std::min(line.find_first_of(" \t="), line.size());
  const std::string_view rest = trim_left(line.substr(end));
  if (end == 0 || rest.empty() || rest.front() != '=') return std::nullopt;
  std::string_view value = trim(rest.substr(1));
  const bool quoted =
      value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front();
  if (quoted) value = value.substr(1, value.size() - 2);
  return Setting{std::string(line.substr(0, end)), std::string(value)};
}

class Reader {
 public:
  explicit Reader(const CrontabOptions& options) : options_(options), time_zone_(options.time_zone) {}

  void read_line(int number, std::string_view line) {
    number_ = number;
    line_ = line;
    line = trim_left(line);
    if (line.empty() || line.front() == '#') return;
    if (!is_utf8(std::string(line))) return leave("is not UTF-8", true);
    const auto setting = setting_of(line);
    if (setting) {
      read_setting(*setting);
    } else {
      read_entry(line);
    }
  }

  Crontab take() { return std::move(found_); }

 private:
  void leave(std::string reason, bool is_entry) {
    found_.leftovers.push_back({number_, std::string(line_), std::move(reason), is_entry});
  }

  void read_setting(const Setting& setting) {
    const std::string& name = setting.name;
    if (name == "CRON_TZ") {
      time_zone_ = setting.value;
    } else if (name == "SHELL") {
      shell_ = setting.value;
    } else if (name == "MAILTO" || name == "MAILFROM") {
      leave("no mail is sent: the output is in each command's result", false);
    } else if (name == "CONTENT_TYPE" || name == "CONTENT_TRANSFER_ENCODING" || name == "RANDOM_DELAY") {
      leave("has no meaning here", false);
    } else if (!is_variable_name(name)) {
      leave("'" + name + "' is not a name for a variable", false);
    } else {
      set_variable(setting);
    }
  }

  void set_variable(const Setting& setting) {
    const auto same = std::find_if(variables_.begin(), variables_.end(),
                                   [&](const Setting& known) { return known.name == setting.name; });
    if (same == variables_.end()) {
      variables_.push_back(setting);
    } else {
      same->value = setting.value;
    }
  }

  void read_entry(std::string_view line) {
    const std::string cron = take_time(line);
    const std::string user(options_.system_form ? take_word(line) : "");
    if (cron == "@reboot") return leave("@reboot names no time: there is no boot to wait for", true);
    if (line.empty()) {
      const bool short_of_user = options_.system_form && !user.empty();
      return leave(short_of_user ? "has no command after the user" : "has no command", true);
    }
    if (!is_plain_shell(shell_)) return leave("SHELL=" + shell_ + " is not a shell like /bin/sh", true);
    const std::string name = name_for(split_percent(line).command);
    // What the server would refuse is told here, with its line, before anything is sent.
    const auto checked = Cron::parse(cron, time_zone_, name);
    if (!checked) return leave(checked.error().what, true);
    used_.insert(name);
    found_.entries.push_back({number_, name, schedule_of(name, cron, user, line)});
  }

  // A macro is one word, an expression five; cron has no seconds.
  static std::string take_time(std::string_view& line) {
    const std::size_t words = line.front() == '@' ? 1 : kFields;
    std::string time;
    for (std::size_t i = 0; i < words; ++i) {
      const std::string_view word = take_word(line);
      if (word.empty()) break;
      time += (i == 0 ? "" : " ") + std::string(word);
    }
    return time;
  }

  // Made of the file and the command, so that it stays when lines are added above.
  std::string name_for(std::string_view command) {
    const std::string file = plain_name(last_part(options_.file));
    const std::string subject = plain_name(subject_of(command));
    std::string name = file.empty() ? "crontab" : file;
    if (!subject.empty() && subject != name) name += "-" + subject;
    name = name.substr(0, limits::kNameBytes - 12);
    // Numbered on from the last time: a thousand equal lines must not look at each other a thousand times.
    std::size_t& count = counts_[name];
    const auto numbered = [&name](std::size_t n) {
      return n == 0 ? name : name + "-" + std::to_string(n + 1);
    };
    while (used_.count(numbered(count)) > 0) ++count;
    return numbered(count++);
  }

  [[nodiscard]] Json schedule_of(const std::string& name, const std::string& cron, const std::string& user,
                                 std::string_view text) const {
    const CrontabCommand parts = split_percent(text);
    Json payload{{"program", shell_}, {"args", Json::array({"-c", prologue() + parts.command})}};
    if (parts.has_input) payload["stdin"] = parts.input;
    Json command{{"type", "builtin.exec"},
                 {"payload", std::move(payload)},
                 {"timeout_ms", kTimeoutMs},
                 {"retry", {{"max_attempts", 1}}}};
    if (!user.empty()) command["labels"] = {{"user", user}};
    return Json{{"name", name}, {"cron", cron}, {"time_zone", time_zone_}, {"command", std::move(command)}};
  }

  [[nodiscard]] std::string prologue() const {
    std::string text;
    for (const Setting& each : variables_) text += " " + each.name + "=" + shell_quoted(each.value);
    return text.empty() ? "" : "export" + text + "; ";
  }

  const CrontabOptions& options_;
  std::string time_zone_;
  std::string shell_ = "/bin/sh";
  std::vector<Setting> variables_;
  std::set<std::string> used_;
  std::map<std::string, std::size_t> counts_;
  int number_ = 0;
  std::string_view line_;
  Crontab found_;
};

}  // namespace

CrontabCommand split_percent(std::string_view text) {
  CrontabCommand parts;
  std::string* into = &parts.command;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '%') {
      *into += '%';
      ++i;
    } else if (text[i] != '%') {
      *into += text[i];
    } else if (!parts.has_input) {
      parts.has_input = true;
      into = &parts.input;
    } else {
      *into += '\n';
    }
  }
  if (!parts.input.empty() && parts.input.back() != '\n') parts.input += '\n';
  return parts;
}

Crontab read_crontab(std::string_view text, const CrontabOptions& options) {
  Reader reader(options);
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    reader.read_line(++number, line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return reader.take();
}

}  // namespace duly::cli
