// What a client may ask of a workflow.
#include "control-server/api/workflow_json.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

struct WorkflowRead {
  SubmitWorkflow workflow;
  std::vector<FieldError> errors;
};

WorkflowRead workflow_of(const std::string& text) {
  Complaints complaints;
  WorkflowRead out;
  out.workflow = read_workflow(parse_json(text, 32).value(), text, 0, complaints);
  out.errors = complaints.items();
  return out;
}

// The one thing that is wrong with these commands, as "pointer: detail".
std::string wrong_workflow(const std::string& commands) {
  const WorkflowRead out = workflow_of(R"({"name":"w","commands":)" + commands + "}");
  REQUIRE(out.errors.size() == 1);
  return out.errors[0].pointer + ": " + out.errors[0].detail;
}

}  // namespace

TEST_CASE("a workflow is read whole, parents first, each command with its own bytes") {
  const WorkflowRead out = workflow_of(R"({"name":"w","on_failure":"continue","commands":[
    {"name":"last","type":"t","depends_on":["left","right"],"payload":{"n": {"$result":"left"}, "m":1.0}},
    {"name":"left","type":"l","depends_on":["first"],"queue":"q"},
    {"name":"right","type":"r","depends_on":["first"],"payload":[1.50]},
    {"name":"first","type":"f","key":"k"}]})");
  REQUIRE(out.errors.empty());
  CHECK(out.workflow.on_failure == OnFailure::keep_on);
  REQUIRE(out.workflow.nodes.size() == 4);
  const auto& nodes = out.workflow.nodes;
  CHECK(nodes[0].name == "first");
  CHECK(nodes[1].name == "left");
  CHECK(nodes[3].name == "last");
  CHECK(nodes[3].parents == std::vector<std::size_t>{1, 2});
  CHECK(nodes[3].takes_results);
  CHECK_FALSE(nodes[2].takes_results);
  CHECK(out.workflow.work.commands[0].spec.key == "k");
  CHECK(*out.workflow.work.commands[2].spec.payload == "[1.50]");
  CHECK(*out.workflow.work.commands[3].spec.payload == R"({"n": {"$result":"left"}, "m":1.0})");
  CHECK(out.workflow.work.commands[3].spec.depends_on.empty());
}

TEST_CASE("every mistake in a workflow is named at its place") {
  CHECK(wrong_workflow("[]") == "/commands: must be an array of 1 to 10000 commands");
  CHECK(wrong_workflow(R"([{"name":"a b","type":"t"}])") ==
        "/commands/0/name: must be 1 to 128 characters of [A-Za-z0-9._-]");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t"},{"name":"a","type":"t"}])") ==
        "/commands/1/name: another command of this workflow is named 'a'");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t","depends_on":["x"]}])") ==
        "/commands/0/depends_on/0: no command of this workflow is named 'x'");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t","depends_on":["a"]}])") ==
        "/commands/0/depends_on/0: a command cannot depend on itself");
  CHECK(wrong_workflow(R"([{"name":"b","type":"t"},{"name":"a","type":"t","depends_on":["b","b"]}])") ==
        "/commands/1/depends_on/1: is named twice");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t","depends_on":"b"}])") ==
        "/commands/0/depends_on: must be an array of names");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t","depends_on":[7]}])") ==
        "/commands/0/depends_on/0: must be the name of a command");
  CHECK(wrong_workflow(
            R"([{"name":"a","type":"t","depends_on":["b"]},{"name":"b","type":"t","depends_on":["a"]}])") ==
        "/commands: the dependencies form a cycle: a -> b -> a");
  CHECK(wrong_workflow(R"([{"name":"a"}])") == "/commands/0/type: is required");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t","idempotency_key":"k"}])") ==
        "/commands/0/idempotency_key: unknown field; use the Idempotency-Key header");
  CHECK(wrong_workflow(R"([{"name":"a","type":"t","payload":{"$result":"b"}},{"name":"b","type":"t"}])") ==
        "/commands/0/payload/$result: must be the name of a command in depends_on");
  CHECK(workflow_of(R"({"commands":[{"name":"a","type":"t"}]})").errors.at(0).pointer == "/name");
  CHECK(workflow_of(R"({"name":"w","on_failure":"x","commands":[{"name":"a","type":"t"}]})")
            .errors.at(0)
            .pointer == "/on_failure");
  CHECK(workflow_of(R"({"name":"w","colour":1,"commands":[{"name":"a","type":"t"}]})").errors.at(0).pointer ==
        "/colour");
}

TEST_CASE("a workflow has bounds: commands, depth, dependencies in all") {
  const auto chain = [](std::size_t nodes) {
    std::string text = "[";
    for (std::size_t i = 0; i < nodes; ++i) {
      const std::string parent = i == 0 ? "" : "\"n" + std::to_string(i - 1) + "\"";
      text += R"({"name":"n)" + std::to_string(i) + R"(","type":"t","depends_on":[)" + parent + "]},";
    }
    text.back() = ']';
    return text;
  };
  CHECK(workflow_of(R"({"name":"w","commands":)" + chain(1000) + "}").errors.empty());
  CHECK(wrong_workflow(chain(1001)) == "/commands: is 1001 commands deep; 1000 are the most");
  CHECK(wrong_workflow(chain(10'001)) == "/commands: must be an array of 1 to 10000 commands");
}

TEST_CASE("a view tells counts and nodes with the names they depend on") {
  Reader::WorkflowView view;
  view.row.id = CommandId{1};
  view.row.name = "w";
  view.row.total = 3;
  view.row.open = 1;
  view.row.failed = 1;
  view.nodes.push_back({CommandId{2}, "a", State::succeeded, 1, 0, 5, {}});
  view.nodes.push_back({CommandId{3}, "b", State::waiting, 0, 0, std::nullopt, {0}});
  std::string text;
  append_workflow_json(text, view);
  const Json json = parse_json(text, 8).value();
  CHECK(json["id"] == "wf_0000000000001");
  CHECK(json["counts"] == Json({{"total", 3}, {"open", 1}, {"succeeded", 1}, {"failed", 1}}));
  CHECK(json["commands"][1]["depends_on"] == Json::array({"a"}));
  CHECK(json["commands"][1]["finished_at"].is_null());
  CHECK(json["finished_at"].is_null());
}

}  // namespace duly
