#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "agent/handlers/builtins.h"
#include "tests/unit/agent/handlers/handler_fixture.h"

namespace duly {
namespace {

using test::read_whole;
using test::TempDirectory;

HandlerResult append(const std::string& directory, const std::string& file, const std::string& line) {
  const std::string payload = dump_json(Json{{"file", file}, {"line", line}});
  return run_handler(make_append_handler(directory), test::context_for("builtin.append", payload));
}

TEST_CASE("append writes id, attempt and line, one after the other") {
  const TempDirectory directory;
  REQUIRE(append(directory.path(), "log", "first").succeeded);
  REQUIRE(append(directory.path(), "log", "").succeeded);
  const std::string id = format_command_id(CommandId{12'345});
  CHECK(read_whole(directory.file("log")) == id + " 2 first\n" + id + " 2 \n");
}

TEST_CASE("append refuses a file that is not a plain name") {
  const TempDirectory directory;
  const std::string outside = "../" + directory.path().substr(directory.path().rfind('/') + 1) + "-out";
  for (const std::string& file :
       {std::string(), std::string("."), std::string(".."), outside, std::string("/etc/motd"),
        std::string("a/b"), std::string("a\0b", 3), std::string(300, 'x')}) {
    CAPTURE(file);
    const auto result = append(directory.path(), file, "x");
    CHECK_FALSE(result.succeeded);
    CHECK_FALSE(result.retryable);
    CHECK_THAT(result.error, Catch::StartsWith("file "));
  }
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("append follows no symbolic link") {
  const TempDirectory directory;
  const TempDirectory elsewhere;
  std::filesystem::create_symlink(elsewhere.file("target"), directory.file("link"));
  const auto result = append(directory.path(), "link", "x");
  CHECK_FALSE(result.succeeded);
  CHECK_FALSE(result.retryable);
  CHECK(std::filesystem::is_empty(elsewhere.path()));
}

TEST_CASE("append neither waits for a FIFO nor writes into a directory") {
  const TempDirectory directory;
  REQUIRE(::mkfifo(directory.file("pipe").c_str(), 0600) == 0);
  std::filesystem::create_directory(directory.file("folder"));
  CHECK_FALSE(append(directory.path(), "pipe", "x").succeeded);
  CHECK_FALSE(append(directory.path(), "folder", "x").succeeded);
}

TEST_CASE("append refuses a line end, which would forge another attempt's line") {
  const TempDirectory directory;
  const auto result = append(directory.path(), "log", "x\ncmd_0000000000000 1 forged");
  CHECK_FALSE(result.succeeded);
  CHECK_THAT(result.error, Catch::StartsWith("line "));
}

TEST_CASE("append makes its directory and can be retried when it is gone") {
  const TempDirectory parent;
  HandlerRegistry registry;
  REQUIRE(register_builtins(registry, {parent.file("out"), {}}));
  CHECK(append(parent.file("out"), "log", "x").succeeded);
  std::filesystem::remove_all(parent.file("out"));
  const auto result = append(parent.file("out"), "log", "x");
  CHECK_FALSE(result.succeeded);
  CHECK(result.retryable);
}

}  // namespace
}  // namespace duly
