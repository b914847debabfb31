#include "cli/workflow_view.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace duly::cli {
namespace {

Json node(const std::string& name, const std::string& state, std::vector<std::string> parents = {}) {
  return {{"name", name}, {"state", state}, {"depends_on", std::move(parents)}, {"attempt", 1}};
}

Json workflow(const std::string& state, std::uint64_t open, std::uint64_t failed, const Json& nodes) {
  return {{"id", "wf_1"},
          {"name", "nightly"},
          {"state", state},
          {"counts", {{"total", nodes.size()}, {"open", open}, {"failed", failed}}},
          {"commands", nodes}};
}

Json some_of_each() {
  return workflow("running", 3, 1,
                  Json::array({node("a", "succeeded"), node("b", "running", {"a"}), node("c", "dead"),
                               node("d", "waiting", {"b"}), node("e", "waiting", {"d"})}));
}

Json many(std::size_t count, const std::string& state) {
  Json nodes = Json::array();
  for (std::size_t i = 0; i < count; ++i) nodes.push_back(node("node-" + std::to_string(i), state));
  return workflow("running", count, 0, nodes);
}

}  // namespace

TEST_CASE("only a workflow that says so is running, so that nothing is followed for ever") {
  CHECK_FALSE(workflow_has_ended(some_of_each()));
  for (const char* state : {"succeeded", "failed", "cancelled", "of another age"}) {
    CHECK(workflow_has_ended({{"state", state}}));
    CHECK(workflow_has_succeeded({{"state", state}}) == (state == std::string("succeeded")));
  }
  for (const Json& odd : {Json(), Json(7), Json::array(), Json::object(), Json{{"state", 3}}}) {
    CHECK(workflow_has_ended(odd));
    CHECK_FALSE(workflow_has_succeeded(odd));
  }
}

TEST_CASE("a line tells how far it is, what is going on first") {
  CHECK(progress_line(some_of_each()) ==
        "running: 2 of 5 ended, 1 badly; 1 running, 1 dead, 2 waiting, 1 succeeded");
  CHECK(progress_line(workflow("succeeded", 0, 0, Json::array({node("a", "delivered")}))) ==
        "succeeded: 1 of 1 ended; 1 delivered");
}

TEST_CASE("the picture has the state, a bar, and a line for each state with its nodes") {
  CHECK(draw_workflow(some_of_each(), 80) ==
        std::vector<std::string>{
            "running  nightly  wf_1",
            "[########!!!!!!!!........................]  2 of 5 ended, 1 badly",
            "running   1  b",
            "dead      1  c",
            "waiting   2  d e",
            "succeeded 1  a",
        });
}

TEST_CASE("no line of the picture is longer than the terminal is wide, and it says what it leaves out") {
  const auto lines = draw_workflow(many(10'000, "waiting"), 40);
  REQUIRE(lines.size() == 3);
  CHECK(lines[2] == "waiting   10000  node-0 node-1 +9998");
  const Json some = many(100, "waiting");
  for (std::size_t width = 0; width <= 200; ++width) {
    for (const std::string& line : draw_workflow(some, width)) CHECK(line.size() <= width);
  }
}

TEST_CASE("a line is cut between characters, and control characters of names do not reach the terminal") {
  Json odd = some_of_each();
  odd["name"] = "Z\xC3\xBCrich\033[2J";
  CHECK(draw_workflow(odd, 11).front() == "running  Z\xC3\xBC");
  CHECK(draw_workflow(odd, 80).front() == "running  Z\xC3\xBCrich?[2J  wf_1");
}

TEST_CASE("one failure among thousands is seen in the bar") {
  Json rare = many(10'000, "succeeded");
  rare["counts"] = {{"total", 10'000U}, {"open", 0U}, {"failed", 1U}};
  CHECK(draw_workflow(rare, 80)[1] == "[" + std::string(39, '#') + "!]  10000 of 10000 ended, 1 badly");
  rare["counts"] = {{"total", 10'000U}, {"open", 9'999U}, {"failed", 1U}};
  CHECK(draw_workflow(rare, 80)[1] == "[!" + std::string(39, '.') + "]  1 of 10000 ended, 1 badly");
}

TEST_CASE("a view that makes no sense makes an odd picture and no crash") {
  for (const char* text :
       {"null", "[]", "{}", R"({"counts": 3, "commands": 4})",
        R"({"counts": {"total": -1, "open": 1e300, "failed": "x"}, "commands": [1, null, {}]})",
        R"({"counts": {"total": 2, "open": 9, "failed": 9}, "state": "running"})"}) {
    CAPTURE(text);
    CHECK(draw_workflow(Json::parse(text), 80)[1].substr(0, 42) == "[" + std::string(40, '.') + "]");
    CHECK(progress_line(Json::parse(text)).find("0 of ") != std::string::npos);
  }
}

TEST_CASE("of a long list of dependencies the first three are named") {
  CHECK(node_row(node("d", "waiting", {"a", "b", "c"}))["depends_on"] == Json{"a", "b", "c"});
  const Json row = node_row(node("f", "waiting", {"a", "b", "c", "d", "e"}));
  CHECK(row["depends_on"] == "a,b,c +2");
  CHECK(row["name"] == "f");
  CHECK(row["state"] == "waiting");
}

TEST_CASE("a large workflow is looked at less often") {
  CHECK(look_again_after(some_of_each()) == milliseconds{500});
  CHECK(look_again_after(many(10'000, "waiting")) == milliseconds{1500});
  CHECK(look_again_after(Json()) == milliseconds{500});
  CHECK(look_again_after({{"counts", {{"total", ~0ULL}}}}) == milliseconds{5000});
}

}  // namespace duly::cli
