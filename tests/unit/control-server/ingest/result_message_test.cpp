#include "control-server/ingest/result_message.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "common/model/limits.h"
#include "common/wire/json.h"

namespace duly {
namespace {

const std::string kCommand = format_command_id(CommandId{7});

AmqpMessage a_report(std::string body = R"({"outcome":"succeeded"})") {
  AmqpMessage message;
  message.routing_key = topology::kResultsQueue;
  message.correlation_id = kCommand + ".3";
  message.body = make_bytes(std::move(body));
  return message;
}

ResultMessage understood(const AmqpMessage& message) {
  auto result = read_result_message(message);
  INFO((result ? "" : result.error().what));
  REQUIRE(result);
  return *result;
}

std::string complaint(const AmqpMessage& message) {
  const auto result = read_result_message(message);
  return result ? "" : result.error().what;
}

std::string complaint_with(const std::string& correlation_id) {
  AmqpMessage message = a_report();
  message.correlation_id = correlation_id;
  return complaint(message);
}

std::string complaint_with(const std::string& header, HeaderValue value) {
  AmqpMessage message = a_report();
  message.headers[header] = std::move(value);
  return complaint(message);
}

}  // namespace

TEST_CASE("the result message of the examples is understood") {
  std::ifstream in(DULY_SOURCE_DIR "/proto-schemas/examples/result-message.json", std::ios::binary);
  const Json example = Json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  AmqpMessage message = a_report(example.at("body").get<std::string>());
  message.routing_key = example.at("routing_key").get<std::string>();
  CHECK(message.routing_key == topology::kResultsQueue);
  CHECK(example.at("exchange") == "");
  message.correlation_id = example.at("properties").at("correlation_id").get<std::string>();
  message.headers["duly-token"] = example.at("headers").at("duly-token").get<std::int64_t>();
  message.headers["tenant"] = example.at("headers").at("tenant").get<std::string>();
  const ResultMessage result = understood(message);
  CHECK(format_command_id(result.item.id) == "cmd_1P2Z8M40R8001");
  CHECK(result.item.attempt == 2);
  CHECK(result.token == Token{2});
  CHECK(result.executor == "mailer-1");
  CHECK(result.item.outcome == AttemptOutcome::failed);
  CHECK(result.item.error == "mailbox full");
  CHECK_FALSE(result.item.retryable);
  CHECK(*result.item.result == "{ \"sent\": 0.0 }");  // byte for byte
}

TEST_CASE("a result says its attempt in its correlation id, in a header, or not at all") {
  CHECK(understood(a_report()).item.attempt == 3);
  CHECK(understood(a_report()).item.id == CommandId{7});
  CHECK_FALSE(understood(a_report()).token);
  AmqpMessage message = a_report();
  message.headers["duly-attempt"] = std::int64_t{3};
  CHECK(understood(message).item.attempt == 3);
  message.correlation_id = kCommand;
  CHECK(understood(message).item.attempt == 3);
  message.headers["duly-attempt"] = std::string("4");
  CHECK(understood(message).item.attempt == 4);
  message.headers.clear();
  CHECK(understood(message).item.attempt == 0);
}

TEST_CASE("what is wrong with a result is told by the name of the property, header or field") {
  const std::string wrong_id = "property correlation_id: must be <id>.<attempt> of a command";
  for (const std::string& id :
       {std::string(), std::string("cmd_"), kCommand + ".", kCommand + ".0", kCommand + ".-1",
        kCommand + ".1.2", kCommand + ".99999999999", kCommand + ". 1", "x" + kCommand}) {
    INFO(id);
    CHECK(complaint_with(id) == wrong_id);
  }
  CHECK(complaint_with("duly-attempt", std::int64_t{2}) ==
        "header duly-attempt: is another attempt than that of correlation_id");
  CHECK(complaint_with("duly-attempt", OtherHeader{'d'}) ==
        "header duly-attempt: must be a whole number from 1");
  CHECK(complaint_with("duly-token", std::int64_t{-1}) == "header duly-token: must be a whole number from 0");
  CHECK(complaint_with("duly-token", std::int64_t{1} << 40) ==
        "header duly-token: must be a whole number from 0");
  CHECK(complaint_with("duly-outcome", std::string("x")) == "header duly-outcome: is not known");
  CHECK(complaint(a_report("hello")).starts_with("the body: "));
  CHECK(complaint(a_report("[]")) == "the body: must be a JSON object");
  CHECK(complaint(a_report("{}")) == "the body, /outcome: is required");
  CHECK(complaint(a_report(R"({"outcome":"lost"})")) ==
        "the body, /outcome: must be \"succeeded\" or \"failed\"");
  CHECK(complaint(a_report(R"({"outcome":"failed","why":"x"})")) == "the body, /why: unknown field");
  CHECK(complaint(a_report(R"({"outcome":"failed","retryable":1})")).starts_with("the body, /retryable: "));
  CHECK(complaint(a_report(R"({"outcome":"failed","executor":""})")).starts_with("the body, /executor: "));
  const std::string large = "\"" + std::string(limits::kResultBytes, 'x') + "\"";
  CHECK(complaint(a_report(R"({"outcome":"failed","result":)" + large + "}"))
            .starts_with("the body, /result: "));
}

TEST_CASE(
    "headers of the execution message may be copied into its result, and others are the executor's own") {
  AmqpMessage message = a_report();
  message.headers = {{"duly-id", kCommand},
                     {"duly-attempt", std::int64_t{3}},
                     {"duly-max-attempts", std::int64_t{5}},
                     {"duly-queue", std::string("mail")},
                     {"duly-shard", std::int64_t{1}},
                     {"duly-epoch", std::int64_t{9}},
                     {"duly-token", std::int64_t{0}},
                     {"duly-due-at", std::int64_t{1}},
                     {"duly-key", std::string("k")},
                     {"duly-reason", std::string("of a dead letter that is sent again")},
                     {"duly-routing-key", std::string("duly.results")},
                     {"somebodys-own", OtherHeader{'F'}}};
  CHECK(complaint(message).empty());
  CHECK(understood(message).token == Token{0});
}

}  // namespace duly
