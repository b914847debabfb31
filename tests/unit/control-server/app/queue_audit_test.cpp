#include "control-server/app/queue_audit.h"

#include <catch2/catch.hpp>

namespace duly {

// As RabbitMQ answers of one queue; `arguments` beside those that Duly declares.
static std::string queue(const std::string& name, const std::string& policy,
                         const std::string& arguments = "",
                         const std::string& more = R"("durable":true,"auto_delete":false)") {
  return R"({"name":")" + name + R"(","arguments":{"x-queue-type":"quorum","x-delivery-limit":20)" +
         (arguments.find("dead-letter") == std::string::npos ? R"(,"x-dead-letter-exchange":"duly.dead")"
                                                             : "") +
         arguments + R"(},"effective_policy_definition":)" + policy + "," + more + "}";
}

using Lines = std::vector<std::string>;
static Lines found(const std::string& queues) { return find_lossy_settings("[" + queues + "]").value(); }

TEST_CASE("queues as Duly declares them lose nothing") {
  CHECK(found("").empty());
  CHECK(found(queue("duly.execute.mail", "{}") + "," + queue("duly.submit", "[]")).empty());
  CHECK(found(R"({"name":"duly.dead","arguments":{},"effective_policy_definition":{}})").empty());
}

TEST_CASE("limits that drop, expire or delete are found, whoever has set them") {
  CHECK(
      found(queue("duly.execute.mail", R"({"max-length":5,"message-ttl":1000,"expires":60000})")) ==
      Lines{
          "duly.execute.mail: policy max-length = 5 drops the oldest messages when it is full",
          "duly.execute.mail: policy message-ttl = 1000 drops messages that wait longer",
          "duly.execute.mail: policy expires = 60000 deletes the queue when nobody consumes it for so long"});
  CHECK(found(queue("duly.results", "{}", R"(,"x-max-length-bytes":9)")) ==
        Lines{"duly.results: argument x-max-length-bytes = 9 drops the oldest messages when it is full"});
  // Of two limits the lower is in force.
  CHECK(found(queue("duly.submit", R"({"message-ttl":7})", R"(,"x-message-ttl":9)")) ==
        Lines{"duly.submit: policy message-ttl = 7 drops messages that wait longer"});
}

TEST_CASE("a queue that rejects when it is full loses nothing: the publisher is told") {
  CHECK(found(queue("duly.execute.mail", R"({"max-length":5,"overflow":"reject-publish"})")).empty());
  CHECK(found(queue("duly.execute.mail", R"({"max-length":5,"overflow":"reject-publish-dlx"})")).empty());
  CHECK(found(queue("duly.execute.mail", R"({"max-length":5,"overflow":"drop-head"})")).size() == 1);
}

TEST_CASE("what is rejected must come to the dead letters") {
  CHECK(
      found(queue("duly.execute.mail", R"({"dead-letter-exchange":"other"})")).empty());  // the argument wins
  CHECK(
      found(queue("duly.execute.mail", "{}", R"(,"x-dead-letter-exchange":"other")")) ==
      Lines{
          R"(duly.execute.mail: argument x-dead-letter-exchange = "other" takes what is rejected elsewhere)"});
  CHECK(found(R"({"name":"duly.submit","arguments":{},"effective_policy_definition":{}})") ==
        Lines{"duly.submit: has no dead-letter exchange: what is rejected is dropped"});
}

TEST_CASE("queues that do not outlive a restart or a consumer are found") {
  CHECK(found(queue("duly.execute.mail", "{}", "", R"("durable":false,"auto_delete":true)")) ==
        Lines{"duly.execute.mail: is not durable", "duly.execute.mail: is deleted with its last consumer"});
}

TEST_CASE("queues of others are their matter") {
  CHECK(found(R"({"name":"orders","arguments":{"x-max-length":1},"durable":false})").empty());
  CHECK(found(R"({"name":"duly.executed","arguments":{"x-max-length":1}})").empty());
}

TEST_CASE("an answer that is none is an error") {
  for (const char* text : {"", "{}", "[1]", "nonsense", R"({"error":"not_authorised"})"})
    CHECK_FALSE(find_lossy_settings(text).ok());
}

}  // namespace duly
