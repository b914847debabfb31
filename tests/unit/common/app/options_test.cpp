#include "common/app/options.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>

namespace duly {
namespace {

const OptionTable& table() {
  static const OptionTable kTable{
      "duly-test",
      "a program for tests",
      {{"http", OptionKind::text, "127.0.0.1:8080", "where to listen", "HOST:PORT"},
       {"shards", OptionKind::integer, "64", "how many", "N", 1, 1024},
       {"fault-injection", OptionKind::toggle, "", "arm the crash simulation"},
       {"queues", OptionKind::list, "default", "what to consume", "NAMES"},
       {"allow-exec", OptionKind::repeated, "", "what may run", "PROGRAM"},
       {"tls-cert", OptionKind::text, "", "certificate", "FILE"},
       {.name = "log-format", .default_text = "text", .help = "how to log", .choices = {"text", "json"}}},
      2,
      "[backup FILE]"};
  return kTable;
}

using Variables = std::map<std::string, std::string>;
using Parsed = Result<std::variant<Options, OptionInfo>>;

Parsed parse(const std::vector<std::string>& words, const Variables& variables = {}) {
  return parse_options(table(), words, [&](const std::string& name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    return at == variables.end() ? std::nullopt : std::optional(at->second);
  });
}

Options options_of(const Parsed& parsed) {
  if (!parsed) FAIL(parsed.error().what);
  REQUIRE(std::holds_alternative<Options>(*parsed));
  return std::get<Options>(*parsed);
}

std::string error_of(const Parsed& parsed) {
  REQUIRE_FALSE(parsed.ok());
  CHECK(parsed.error().what.find('\n') == std::string::npos);
  return parsed.error().what;
}

// A configuration file, gone with the object.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    const int file = ::mkstemp(path_.data());
    REQUIRE(file >= 0);
    ::close(file);
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { ::unlink(path_.c_str()); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/duly-options-XXXXXX";
};

using Texts = std::vector<std::string>;

TEST_CASE("without anything the defaults hold") {
  const Options options = options_of(parse({}));
  CHECK(options.text("http") == "127.0.0.1:8080");
  CHECK(options.integer("shards") == 64);
  CHECK_FALSE(options.on("fault-injection"));
  CHECK(options.list("queues") == Texts{"default"});
  CHECK(options.list("allow-exec").empty());
  CHECK(options.text("tls-cert").empty());
  CHECK_FALSE(options.given("shards"));
  CHECK(options.source("shards") == "default");
}

TEST_CASE("a value follows its flag or an equals sign") {
  const Options options =
      options_of(parse({"--http", "[::1]:1", "--shards=8", "--fault-injection", "backup", "f"}));
  CHECK(options.text("http") == "[::1]:1");
  CHECK(options.integer("shards") == 8);
  CHECK(options.on("fault-injection"));
  CHECK(options.arguments() == Texts{"backup", "f"});
  CHECK(options_of(parse({"--http=a=b"})).text("http") == "a=b");
  CHECK_FALSE(options_of(parse({"--fault-injection=false"})).on("fault-injection"));
  CHECK(options_of(parse({"--shards", "1", "--shards", "2"})).integer("shards") == 2);
}

TEST_CASE("lists are comma separated and repeatable; a repeated flag takes commas as they are") {
  const Options options = options_of(
      parse({"--queues", "a, b", "--queues=c", "--allow-exec", "/bin/a,b", "--allow-exec", "/bin/c"}));
  CHECK(options.list("queues") == Texts{"a", "b", "c"});
  CHECK(options.list("allow-exec") == Texts{"/bin/a,b", "/bin/c"});
  CHECK(options_of(parse({}, {{"DULY_ALLOW_EXEC", "/bin/a,/bin/b"}})).list("allow-exec") ==
        Texts{"/bin/a", "/bin/b"});
}

TEST_CASE("flag beats environment beats file beats default") {
  const ConfigFile file("# ours\n\n  shards = 3\nhttp=file:1\n log-format = json \nqueues = x\nqueues = y\n");
  const Variables variables{{"DULY_SHARDS", "2"}, {"DULY_HTTP", "env:1"}, {"DULY_TLS_CERT", ""}};
  const Options options = options_of(parse({"--config", file.path(), "--shards", "1"}, variables));
  CHECK(options.integer("shards") == 1);
  CHECK(options.source("shards") == "--shards");
  CHECK(options.text("http") == "env:1");
  CHECK(options.source("http") == "DULY_HTTP");
  CHECK(options.text("log-format") == "json");
  CHECK(options.source("log-format") == file.path() + ":5");
  CHECK(options.list("queues") == Texts{"x", "y"});
  CHECK_FALSE(options.given("tls-cert"));
}

TEST_CASE("the file may be named by the environment") {
  const ConfigFile file("shards = 3\n");
  CHECK(options_of(parse({}, {{"DULY_CONFIG", file.path()}})).integer("shards") == 3);
}

TEST_CASE("a wrong flag is one line that says what is wrong") {
  CHECK(error_of(parse({"--shard", "3"})) == "unknown flag --shard");
  CHECK(error_of(parse({"-x"})) == "unknown flag -x");
  CHECK(error_of(parse({"--shards"})) == "--shards needs a value");
  CHECK(error_of(parse({"--shards", "x"})) == "--shards: \"x\" is not a whole number");
  CHECK(error_of(parse({"--shards", "0"})) == "--shards: 0 is not between 1 and 1024");
  CHECK(error_of(parse({"--shards="})) == "--shards: \"\" is not a whole number");
  CHECK(error_of(parse({"--shards", "99999999999999999999"})).find("not a whole number") !=
        std::string::npos);
  CHECK(error_of(parse({"--log-format", "xml"})) == "--log-format: \"xml\" is not one of text, json");
  CHECK(error_of(parse({"--fault-injection=maybe"})).find("neither true nor false") != std::string::npos);
  CHECK(error_of(parse({"a", "b", "c"})) == "unexpected argument \"c\"");
  CHECK(error_of(parse({}, {{"DULY_SHARDS", "many"}})) == "DULY_SHARDS: \"many\" is not a whole number");
}

TEST_CASE("a wrong line of the file names its place, even when a flag beats it") {
  const ConfigFile unknown("shards = 3\nshrads = 4\n");
  CHECK(error_of(parse({"--config", unknown.path()})) == unknown.path() + ":2: unknown key \"shrads\"");
  const ConfigFile shapeless("shards 3\n");
  CHECK(error_of(parse({"--config", shapeless.path()})).find(":1: not of the form") != std::string::npos);
  const ConfigFile hidden("\nshards = x\n");
  CHECK(error_of(parse({"--config", hidden.path(), "--shards", "3"})).find(":2: \"x\"") != std::string::npos);
  const ConfigFile nested("config = other\n");
  CHECK(error_of(parse({"--config", nested.path()})).find("unknown key") != std::string::npos);
  CHECK(error_of(parse({"--config", "/no/such/file"})) == "--config: cannot read /no/such/file");
}

TEST_CASE("help names every flag, version names the program") {
  const auto help = parse({"--shards", "3", "--help"});
  REQUIRE(help);
  const std::string text = std::get<OptionInfo>(*help).text;
  for (const OptionSpec& spec : table().options) CHECK(text.find("--" + spec.name) != std::string::npos);
  const auto version = parse({"--version"});
  REQUIRE(version);
  CHECK(std::get<OptionInfo>(*version).text.rfind("duly-test ", 0) == 0);
}

}  // namespace
}  // namespace duly
