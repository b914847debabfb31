#include "control-server/api/desk.h"

#include <catch2/catch.hpp>

#include "tests/unit/control-server/api/manual_loop.h"

namespace duly {
namespace {

struct Fixture {
  testing::ManualLoop loop;
  bool full = false;
  std::vector<Input> sent;
  std::vector<Answer> answers;
  Desk desk{loop,
            [this](Input&& input) {
              if (!full) sent.push_back(std::move(input));
              return !full;
            },
            2};

  ReplyTo ask() {
    return desk.ask(
        [](ReplyTo reply) {
          return Input(CancelCommand{reply, "api", CommandId{1}});
        },
        [this](const Answer& answer) { answers.push_back(answer); });
  }
  int status(std::size_t i) { return std::get<Problem>(answers.at(i).what).status; }
};

}  // namespace

TEST_CASE("an answer finds the question it belongs to, once") {
  Fixture f;
  const ReplyTo first = f.ask();
  const ReplyTo second = f.ask();
  REQUIRE(f.sent.size() == 2);
  CHECK(std::get<CancelCommand>(f.sent[1]).reply == second);
  f.desk.deliver({second, Done{CommandId{2}}});
  f.desk.deliver({second, Done{CommandId{2}}});
  f.desk.deliver({999, Done{CommandId{3}}});
  REQUIRE(f.answers.size() == 1);
  CHECK(f.answers[0].reply == second);
  f.desk.forget(first);
  f.desk.deliver({first, Done{CommandId{1}}});
  CHECK(f.answers.size() == 1);
  CHECK(f.desk.waiting() == 0);
}

TEST_CASE("a full mailbox or a full desk is 503 with a time to retry") {
  Fixture f;
  f.full = true;
  CHECK(f.ask() == 0);
  f.full = false;
  f.ask();
  f.ask();
  CHECK(f.ask() == 0);
  REQUIRE(f.answers.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(f.status(i) == 503);
    CHECK(std::get<Problem>(f.answers[i].what).retry_after_s == 1);
  }
  CHECK(f.sent.size() == 2);
}

TEST_CASE("a question without an answer ends as 504, outcome unknown") {
  Fixture f;
  const ReplyTo reply = f.ask();
  f.loop.advance(Desk::kPatience - milliseconds{1});
  CHECK(f.answers.empty());
  f.loop.advance(Desk::kSweep + milliseconds{1});
  REQUIRE(f.answers.size() == 1);
  CHECK(f.status(0) == 504);
  CHECK(std::get<Problem>(f.answers[0].what).detail.find("unknown") != std::string::npos);
  f.desk.deliver({reply, Done{CommandId{1}}});
  CHECK(f.answers.size() == 1);
}

}  // namespace duly
