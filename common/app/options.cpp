#include "common/app/options.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace duly {
namespace {

constexpr std::size_t kConfigLines = 10'000;

std::string trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kBlank) - begin + 1));
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t comma = std::min(text.find(',', begin), text.size());
    std::string item = trimmed(text.substr(begin, comma - begin));
    if (!item.empty()) items.push_back(std::move(item));
    begin = comma + 1;
  }
  return items;
}

std::optional<bool> read_switch(std::string_view text) {
  for (const std::string_view yes : {"true", "1", "yes", "on"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "0", "no", "off"}) {
    if (text == no) return false;
  }
  return std::nullopt;
}

Result<std::int64_t> read_integer(const OptionSpec& spec, std::string_view text) {
  std::int64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc{} || end != text.data() + text.size()) {
    return invalid("\"" + std::string(text) + "\" is not a whole number");
  }
  if (number < spec.least || number > spec.most) {
    return invalid(std::to_string(number) + " is not between " + std::to_string(spec.least) + " and " +
                   std::to_string(spec.most));
  }
  return number;
}

Status check_choice(const OptionSpec& spec, const std::string& text) {
  if (spec.choices.empty()) return ok_status();
  if (std::find(spec.choices.begin(), spec.choices.end(), text) != spec.choices.end()) return ok_status();
  std::string known;
  for (const std::string& choice : spec.choices) known += (known.empty() ? "" : ", ") + choice;
  return invalid("\"" + text + "\" is not one of " + known);
}

bool is_list(const OptionSpec& spec) {
  return spec.kind == OptionKind::list || spec.kind == OptionKind::repeated;
}

const OptionSpec kConfig{"config", OptionKind::text, "", "read flags from this file (some-flag = value)",
                         "FILE"};

}  // namespace

// Reads the sources from the strongest to the weakest; what a stronger one gave, a weaker one does not
// change.
class OptionReader {
 public:
  OptionReader(const OptionTable& table, const Environment& environment)
      : table_(table), environment_(environment) {}

  Result<std::variant<Options, OptionInfo>> read(const std::vector<std::string>& words) {
    for (std::size_t at = 0; at < words.size();) {
      const auto used = read_word(words, at);
      if (!used) return used.error();
      if (!info_.empty()) return {OptionInfo{info_}};
      at += *used;
    }
    if (auto done = read_environment(); !done) return done.error();
    if (auto done = read_file(); !done) return done.error();
    if (auto done = fill_defaults(); !done) return done.error();
    return {std::move(options_)};
  }

 private:
  const OptionSpec* find(std::string_view name) const {
    if (name == kConfig.name) return &kConfig;
    for (const OptionSpec& spec : table_.options) {
      if (spec.name == name) return &spec;
    }
    return nullptr;
  }

  // How many words were used.
  Result<std::size_t> read_word(const std::vector<std::string>& words, std::size_t at) {
    const std::string& word = words[at];
    if (word == "--help" || word == "-h") info_ = help_text(table_);
    if (word == "--version") info_ = table_.program + " " DULY_VERSION "\n";
    if (!info_.empty()) return std::size_t{1};
    if (word.rfind("--", 0) != 0 || word == "--") return take_argument(word);

    const std::size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const OptionSpec* spec = find(name);
    if (spec == nullptr) return invalid("unknown flag --" + name);
    std::optional<std::string> value;
    if (equals != std::string::npos) value = word.substr(equals + 1);
    std::size_t used = 1;
    if (!value && spec->kind == OptionKind::toggle) value = "true";
    if (!value && at + 1 < words.size()) value = words[at + used++];
    if (!value) return invalid("--" + name + " needs a value");
    if (auto done = take(*spec, *value, "--" + name, Weight::flag); !done) return done.error();
    return used;
  }

  Result<std::size_t> take_argument(const std::string& word) {
    if (word.size() > 1 && word[0] == '-') return invalid("unknown flag " + word);
    if (options_.arguments_.size() >= table_.max_arguments)
      return invalid("unexpected argument \"" + word + "\"");
    options_.arguments_.push_back(word);
    return std::size_t{1};
  }

  Status read_environment() {
    if (auto done = take_variable(kConfig); !done) return done;
    for (const OptionSpec& spec : table_.options) {
      if (auto done = take_variable(spec); !done) return done;
    }
    return ok_status();
  }

  Status take_variable(const OptionSpec& spec) {
    const std::string name = environment_name(spec.name);
    const auto value = environment_(name);
    if (!value || value->empty()) return ok_status();
    return take(spec, *value, name, Weight::environment);
  }

  Status read_file() {
    const auto given = options_.values_.find(kConfig.name);
    if (given == options_.values_.end()) return ok_status();
    const std::string path = std::get<std::string>(given->second.value);
    std::ifstream file(path);
    if (!file) return invalid("--config: cannot read " + path);
    std::string line;
    for (std::size_t number = 1; std::getline(file, line); ++number) {
      const std::string place = path + ":" + std::to_string(number);
      if (number > kConfigLines) return invalid(place + ": too many lines");
      if (auto done = read_line(trimmed(line), place); !done) return done;
    }
    if (file.bad()) return invalid("--config: cannot read " + path);
    return ok_status();
  }

  Status read_line(const std::string& line, const std::string& place) {
    if (line.empty() || line[0] == '#') return ok_status();
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) return invalid(place + ": not of the form some-flag = value");
    const std::string name = trimmed(line.substr(0, equals));
    const OptionSpec* spec = find(name);
    if (spec == nullptr || spec == &kConfig) return invalid(place + ": unknown key \"" + name + "\"");
    return take(*spec, trimmed(line.substr(equals + 1)), place, Weight::file);
  }

  Status fill_defaults() {
    if (auto done = take_default(kConfig); !done) return done;
    for (const OptionSpec& spec : table_.options) {
      if (auto done = take_default(spec); !done) return done;
    }
    return ok_status();
  }

  Status take_default(const OptionSpec& spec) {
    if (options_.values_.contains(spec.name)) return ok_status();
    Options::Value& into = options_.values_[spec.name];
    into.source = "default";
    if (spec.kind == OptionKind::text) {
      into.value = spec.default_text;  // may be none, which need not be one of the choices
      return ok_status();
    }
    const bool off = spec.kind == OptionKind::toggle && spec.default_text.empty();
    auto value = read_value(spec, off ? "false" : spec.default_text, Weight::fallback);
    DULY_ASSERT(value);  // a table's default must fit its own limits
    into.value = std::move(*value);
    return ok_status();
  }

  enum class Weight : std::uint8_t { fallback, file, environment, flag };

  // Keeps the value unless a stronger source gave one; a list grows within one source.  What is beaten is
  // checked all the same: a wrong line must not hide behind a flag.
  Status take(const OptionSpec& spec, const std::string& text, const std::string& source, Weight weight) {
    auto value = read_value(spec, text, weight);
    if (!value) return invalid(source + ": " + value.error().what);
    const auto known = weights_.find(spec.name);
    if (known != weights_.end() && known->second > weight) return ok_status();
    const bool grows = is_list(spec) && known != weights_.end() && known->second == weight;
    Options::Value& into = options_.values_[spec.name];
    if (grows) {
      const auto& more = std::get<Texts>(*value);
      auto& list = std::get<Texts>(into.value);
      list.insert(list.end(), more.begin(), more.end());
    } else {
      into.value = std::move(*value);
    }
    into.source = source;
    into.given = true;
    weights_[spec.name] = weight;
    return ok_status();
  }

  using Texts = std::vector<std::string>;
  using Held = std::variant<std::string, std::int64_t, bool, Texts>;

  static Result<Held> read_value(const OptionSpec& spec, const std::string& text, Weight weight) {
    switch (spec.kind) {
      case OptionKind::integer: {
        const auto number = read_integer(spec, text);
        if (!number) return number.error();
        return Held(*number);
      }
      case OptionKind::toggle: {
        const auto on = read_switch(text);
        if (!on) return invalid("\"" + text + "\" is neither true nor false");
        return Held(*on);
      }
      case OptionKind::text:
        if (auto checked = check_choice(spec, text); !checked) return checked.error();
        return Held(text);
      case OptionKind::list: break;
      case OptionKind::repeated: break;
    }
    const bool whole = spec.kind == OptionKind::repeated && weight == Weight::flag;
    Texts items = whole ? Texts{text} : split_list(text);
    for (const std::string& item : items) {
      if (auto checked = check_choice(spec, item); !checked) return checked.error();
    }
    return Held(std::move(items));
  }

  const OptionTable& table_;
  const Environment& environment_;
  Options options_;
  std::map<std::string, Weight> weights_;
  std::string info_;
};

const Options::Value& Options::value_of(std::string_view name) const {
  const auto at = values_.find(name);
  DULY_ASSERT(at != values_.end());
  return at->second;
}

const std::string& Options::text(std::string_view name) const {
  const auto* value = std::get_if<std::string>(&value_of(name).value);
  DULY_ASSERT(value != nullptr);
  return *value;
}

std::int64_t Options::integer(std::string_view name) const {
  const auto* value = std::get_if<std::int64_t>(&value_of(name).value);
  DULY_ASSERT(value != nullptr);
  return *value;
}

bool Options::on(std::string_view name) const {
  const auto* value = std::get_if<bool>(&value_of(name).value);
  DULY_ASSERT(value != nullptr);
  return *value;
}

const std::vector<std::string>& Options::list(std::string_view name) const {
  const auto* value = std::get_if<std::vector<std::string>>(&value_of(name).value);
  DULY_ASSERT(value != nullptr);
  return *value;
}

bool Options::given(std::string_view name) const { return value_of(name).given; }

const std::string& Options::source(std::string_view name) const { return value_of(name).source; }

Result<std::variant<Options, OptionInfo>> parse_options(const OptionTable& table,
                                                        const std::vector<std::string>& words,
                                                        const Environment& environment) {
  auto parsed = OptionReader(table, environment).read(words);
  if (parsed) return parsed;
  Error error = parsed.error();
  // It quotes what was given, and must be one line all the same.
  std::replace_if(
      error.what.begin(), error.what.end(),
      [](char c) { return std::iscntrl(static_cast<unsigned char>(c)) != 0; }, '?');
  return error;
}

Options parse_options_or_exit(const OptionTable& table, int argc, const char* const* argv) {
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  auto parsed = parse_options(table, std::vector<std::string>(argv + 1, argv + argc), environment);
  if (!parsed) {
    std::fprintf(stderr, "%s: %s\n", table.program.c_str(), parsed.error().what.c_str());
    std::exit(2);
  }
  if (const auto* info = std::get_if<OptionInfo>(&parsed.value())) {
    std::fputs(info->text.c_str(), stdout);
    std::exit(0);
  }
  return std::get<Options>(std::move(parsed).value());
}

}  // namespace duly
