// A program's flags as a table, and their values: flag beats environment beats file beats default (contract
// section 1).
//
// --some-flag VALUE or --some-flag=VALUE; DULY_SOME_FLAG in the environment (empty = not set); "some-flag =
// VALUE" in the file named by --config, one a line, "#" begins a comment line.  Every table also has
// --config, --help and
// --version.  Main thread, before others start.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"

namespace duly {

enum class OptionKind : std::uint8_t {
  text,
  integer,   // least..most
  toggle,    // --flag, --flag=true|false; elsewhere true, false, 1, 0, yes, no, on, off
  list,      // comma separated, and repeatable
  repeated,  // repeatable; on the command line one value each, elsewhere comma separated
};

struct OptionSpec {
  std::string name;  // without the dashes
  OptionKind kind = OptionKind::text;
  std::string default_text;  // empty = none; of a list comma separated
  std::string help;
  std::string value_name = "VALUE";
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::vector<std::string> choices = {};  // of a text or of each list item; empty = any
};

// Words that are not flags and what they do: {"backup FILE", "copies the store"}.
struct WordHelp {
  std::string words;
  std::string help;
};

struct OptionTable {
  std::string program;  // "duly-agent"
  std::string summary;  // one line for --help
  std::vector<OptionSpec> options;
  std::size_t max_arguments = 0;  // words that are not flags ("backup FILE")
  std::string argument_help = {};
  std::vector<WordHelp> words = {};  // for the manual page
};

// Values, all checked.  Asking for a name that is not in the table, or as another kind, is DULY_ASSERTed.
class Options {
 public:
  [[nodiscard]] const std::string& text(std::string_view name) const;
  [[nodiscard]] std::int64_t integer(std::string_view name) const;
  [[nodiscard]] bool on(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& list(std::string_view name) const;
  // Whether it came from a flag, the environment or the file.
  [[nodiscard]] bool given(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& arguments() const { return arguments_; }
  // "the flag --http", "DULY_HTTP", "duly.conf:3" or "default": for messages about a value.
  [[nodiscard]] const std::string& source(std::string_view name) const;

 private:
  friend class OptionReader;
  struct Value {
    std::variant<std::string, std::int64_t, bool, std::vector<std::string>> value;
    std::string source = "default";
    bool given = false;
  };
  [[nodiscard]] const Value& value_of(std::string_view name) const;

  std::map<std::string, Value, std::less<>> values_;
  std::vector<std::string> arguments_;
};

// --help or --version was asked for: print `text` and exit 0.
struct OptionInfo {
  std::string text;
};

// Answers an environment variable, or nothing.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// The error is one line that says what is wrong.  Reads the file named by --config.
Result<std::variant<Options, OptionInfo>> parse_options(const OptionTable& table,
                                                        const std::vector<std::string>& words,
                                                        const Environment& environment);

// For main(): the values; or prints and exits (0 after --help and --version, 2 with one line on standard
// error).
Options parse_options_or_exit(const OptionTable& table, int argc, const char* const* argv);

// "some-flag" → "DULY_SOME_FLAG".
std::string environment_name(std::string_view option);
std::string help_text(const OptionTable& table);
// The page of section 1, for man.
std::string manual_page(const OptionTable& table);

}  // namespace duly
