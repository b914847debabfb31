// What a client is shown of a workflow.
#include "common/wire/json_text.h"
#include "control-server/api/workflow_json.h"

namespace duly {
namespace {

void append_head(std::string& out, JsonObject& object, const WorkflowRow& row) {
  object.text("id", format_workflow_id(row.id));
  object.text("name", row.name);
  object.text("on_failure", name_of(row.on_failure));
  object.text("state", name_of(row.state));
  object.instant("created_at", row.created_ms);
  object.instant("finished_at",
                 row.finished_ms == 0 ? std::nullopt : std::optional<std::int64_t>(row.finished_ms));
  object.begin("counts");
  JsonObject counts(out);
  counts.number("total", row.total);
  counts.number("open", row.open);
  counts.number("succeeded", row.total - row.open - row.failed);
  counts.number("failed", row.failed);
  counts.end();
}

void append_node(std::string& out, const Reader::WorkflowNode& node,
                 const std::vector<Reader::WorkflowNode>& nodes) {
  JsonObject object(out);
  object.text("name", node.name);
  object.text("id", format_command_id(node.id));
  object.text("state", name_of(node.state));
  object.number("attempt", node.attempt);
  object.begin("depends_on");
  out += '[';
  for (const std::size_t parent : node.parents) {
    if (out.back() != '[') out += ',';
    append_json_string(out, nodes[parent].name);
  }
  out += ']';
  object.instant("due_at", node.due_at_ms);
  object.instant("finished_at", node.finished_at_ms);
  object.end();
}

}  // namespace

void append_workflow_row_json(std::string& out, const WorkflowRow& row) {
  JsonObject object(out);
  append_head(out, object, row);
  object.end();
}

void append_workflow_json(std::string& out, const Reader::WorkflowView& view) {
  JsonObject object(out);
  append_head(out, object, view.row);
  object.begin("commands");
  out += '[';
  for (const Reader::WorkflowNode& node : view.nodes) {
    if (out.back() != '[') out += ',';
    append_node(out, node, view.nodes);
  }
  out += ']';
  object.end();
}

}  // namespace duly
