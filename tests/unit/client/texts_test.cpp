#include "client/texts.h"

#include <catch2/catch.hpp>

namespace duly::client {
namespace {

CommandSpec keyed(const std::string& type) {
  CommandSpec command;
  command.type = type;
  command.idempotency_key = "k";
  return command;
}

TEST_CASE("a command is written with what was given, and the payload byte for byte") {
  CommandSpec command = keyed("a\"b");
  command.payload = "{ \"x\":1.50 }";
  command.queue = "mail";
  command.delay = std::chrono::milliseconds{5};
  command.priority = 9;
  command.key = "customer";
  command.timeout = std::chrono::seconds{2};
  command.depends_on = {"cmd_1"};
  command.labels = {{"a", "b"}};
  command.dead_when_lost = true;
  const auto text = command_text(command);
  REQUIRE(text.ok());
  CHECK(*text ==
        R"({"type":"a\"b","queue":"mail","priority":9,"key":"customer","delay_ms":5,"timeout_ms":2000,)"
        R"("depends_on":["cmd_1"],"labels":{"a":"b"},"on_lost":"dead","payload":{ "x":1.50 }})");
  CHECK(*command_text(keyed("t")) == R"({"type":"t"})");
}

TEST_CASE("an instant is never earlier than what was asked for") {
  CommandSpec command = keyed("t");
  command.due_at = std::chrono::system_clock::time_point{std::chrono::microseconds{1'000'001}};
  CHECK(*command_text(command) == R"({"type":"t","due_at":"1970-01-01T00:00:01.001Z"})");
}

TEST_CASE("a payload can bring no fields of its own") {
  for (const char* payload : {"1,\"queue\":\"x\"", "{", "1}", "\"", "nul"}) {
    CommandSpec command = keyed("t");
    command.payload = payload;
    const auto text = command_text(command);
    REQUIRE_FALSE(text.ok());
    CHECK(text.error().kind == ErrorKind::invalid);
    CHECK(text.error().message == "payload: is not JSON");
  }
}

TEST_CASE("a key that is no header value is refused") {
  for (const std::string& key : {std::string("a\r\nX: y"), std::string(256, 'k'), std::string("\xC3\xA4")}) {
    CommandSpec command = keyed("t");
    command.idempotency_key = key;
    CHECK_FALSE(command_text(command).ok());
  }
}

TEST_CASE("a batch has each command with its key, and names the one that is wrong") {
  CHECK(*batch_text({keyed("a"), keyed("b")}) ==
        R"({"commands":[{"type":"a","idempotency_key":"k"},{"type":"b","idempotency_key":"k"}]})");
  CommandSpec wrong = keyed("c");
  wrong.payload = "[";
  CHECK(batch_text({keyed("a"), wrong}).error().message == "commands/1: payload: is not JSON");
  CHECK_FALSE(batch_text({}).ok());
  CHECK_FALSE(batch_text(std::vector<CommandSpec>(10'001, keyed("a"))).ok());
}

TEST_CASE("an answer is read as far as it goes") {
  const auto command = read_command(
      R"({"id": "cmd_1", "type": "t", "queue": "q", "state": "dead", "attempt": 3, "result": null, "error": "no"})");
  REQUIRE(command.ok());
  CHECK(command->id == "cmd_1");
  CHECK(command->state == "dead");
  CHECK(command->attempt == 3);
  CHECK(command->result.empty());
  CHECK(command->error == "no");
  CHECK(read_command(R"({"id": "cmd_1", "result": [1, 2 ]})")->result == "[1, 2 ]");
  CHECK(read_command(R"({"id": "cmd_1"})")->state.empty());
  for (const char* text : {"", "[]", "{}", R"({"id": 5})"}) {
    REQUIRE_FALSE(read_command(text).ok());
    CHECK(read_command(text).error().kind == ErrorKind::unknown);
  }
}

TEST_CASE("a batch's answer has as many as were sent") {
  const std::vector<CommandSpec> sent = {keyed("a"), keyed("b")};
  const auto ids = read_batch(
      R"({"items": [{"id": "cmd_1", "replayed": true}, {"id": "cmd_2", "replayed": false}]})", sent);
  REQUIRE(ids.ok());
  CHECK((*ids)[0].replayed);
  CHECK((*ids)[1].id == "cmd_2");
  CHECK((*ids)[1].idempotency_key == "k");
  CHECK_FALSE(read_batch(R"({"items": [{"id": "cmd_1"}]})", sent).ok());
  CHECK_FALSE(read_batch(R"({"items": [1, 2]})", sent).ok());
  CHECK_FALSE(read_batch("{}", sent).ok());
}

TEST_CASE("a word of a path leads nowhere else") {
  CHECK(is_path_word("cmd_0123456789ABC"));
  for (const char* word : {"", ".", "..", "a/b", "a?b", "a%2f", "a b"}) CHECK_FALSE(is_path_word(word));
  CHECK(*name_in(R"({"name": "month-end"})") == "month-end");
  CHECK_FALSE(name_in(R"({"name": "../x"})").ok());
  CHECK_FALSE(name_in("[").ok());
  CHECK_FALSE(name_in(R"({"cron": "* * * * *"})").ok());
}

}  // namespace
}  // namespace duly::client
