// Flags, environment and configuration files; addresses and broker URLs: errors are one line, values keep the
// table's bounds, and what was read, given as flags, reads the same.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "common/amqp/amqp_url.h"
#include "common/app/host_port.h"
#include "common/app/options.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

OptionTable table() {
  OptionTable t{"fuzz", "a program", {}, 2};
  t.options = {
      {"name", OptionKind::text, "", "a text"},
      {"level", OptionKind::text, "info", "a choice", "LEVEL", INT64_MIN, INT64_MAX, {"info", "warn"}},
      {"count", OptionKind::integer, "5", "a number", "N", -3, 1000},
      {"loud", OptionKind::toggle, "false", "a switch"},
      {"queues", OptionKind::list, "default", "names"},
      {"roles", OptionKind::list, "a,b", "choices", "ROLES", INT64_MIN, INT64_MAX, {"a", "b"}},
      {"allow", OptionKind::repeated, "", "anything"}};
  return t;
}

// A file that is nowhere on the disk.
class ConfigFile {
 public:
  explicit ConfigFile(std::string_view text) : file_(::memfd_create("config", 0)) {
    FUZZ_CHECK(file_ >= 0 && ::write(file_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  ~ConfigFile() { ::close(file_); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

std::vector<std::string> as_flags(const Options& options) {
  std::vector<std::string> words;
  for (const OptionSpec& spec : table().options) {
    if (!options.given(spec.name)) continue;
    const std::string flag = "--" + spec.name + "=";
    switch (spec.kind) {
      case OptionKind::text: words.push_back(flag + options.text(spec.name)); break;
      case OptionKind::integer: words.push_back(flag + std::to_string(options.integer(spec.name))); break;
      case OptionKind::toggle: words.push_back(flag + (options.on(spec.name) ? "true" : "false")); break;
      case OptionKind::list:
      case OptionKind::repeated:
        for (const std::string& item : options.list(spec.name)) words.push_back(flag + item);
    }
  }
  for (const std::string& word : options.arguments()) words.push_back(word);
  return words;
}

bool one_line(const std::string& text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; });
}

void check_values(const Options& options) {
  FUZZ_CHECK(options.integer("count") >= -3 && options.integer("count") <= 1000);
  FUZZ_CHECK(options.text("level") == "info" || options.text("level") == "warn");
  for (const std::string& role : options.list("roles")) FUZZ_CHECK(role == "a" || role == "b");
  FUZZ_CHECK(options.arguments().size() <= 2);
  const auto again =
      parse_options(table(), as_flags(options), [](const std::string&) { return std::nullopt; });
  FUZZ_CHECK(again.ok() && std::holds_alternative<Options>(*again));
  const Options& read = std::get<Options>(*again);
  FUZZ_CHECK(read.text("name") == options.text("name") && read.text("level") == options.text("level"));
  FUZZ_CHECK(read.integer("count") == options.integer("count") && read.on("loud") == options.on("loud"));
  FUZZ_CHECK(read.list("allow") == options.list("allow") && read.arguments() == options.arguments());
  for (const char* list : {"queues", "roles"}) {
    FUZZ_CHECK(read.list(list) == options.list(list) || options.list(list).empty());
  }
}

void check_options(Input input) {
  std::vector<std::string> words;
  for (int count = input.byte() % 6; count > 0; --count) words.emplace_back(input.text_until('\0'));
  const std::string variable(input.text_until('\0'));
  const ConfigFile file(input.rest());
  words.insert(words.begin(), "--config=" + file.path());
  const auto environment = [&](const std::string& name) -> std::optional<std::string> {
    if (name == "DULY_COUNT" || name == "DULY_QUEUES") return variable;
    return std::nullopt;
  };
  const auto parsed = parse_options(table(), words, environment);
  if (!parsed) {
    FUZZ_CHECK(!parsed.error().what.empty() && one_line(parsed.error().what));
  } else if (const auto* options = std::get_if<Options>(&*parsed)) {
    check_values(*options);
  }
}

void check_address(std::string_view text) {
  const auto address = parse_host_port(text);
  if (!address) {
    FUZZ_CHECK(!address.error().what.empty());
    return;
  }
  const auto again = parse_host_port(format_host_port(*address));
  FUZZ_CHECK(again.ok() && *again == *address);
  if (is_loopback(address->host)) FUZZ_CHECK(!address->host.empty());
}

void check_url(const std::string& text) {
  const auto url = parse_amqp_url(text);
  if (!url) return;
  FUZZ_CHECK(url->port >= 0 && url->port <= 65'535);
}

}  // namespace

void run(Input input) {
  const std::uint8_t what = input.byte() % 4;
  if (what == 0) return check_address(input.rest());
  if (what == 1) return check_url(std::string(input.rest()));
  check_options(input);
}

}  // namespace duly::fuzz
