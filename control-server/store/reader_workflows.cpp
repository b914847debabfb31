// Workflows and their nodes, for the API.
#include <map>

#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/reader.h"

namespace duly {
namespace {

std::vector<Reader::WorkflowNode> read_nodes(Database& database, CommandId workflow) {
  std::vector<Reader::WorkflowNode> nodes;
  Sql query = database.query(
      "SELECT n.command, n.name, s.state, s.attempt, s.due_ms, s.finished_ms FROM node n"
      " JOIN state s ON s.id = n.command WHERE n.workflow = ? ORDER BY n.command");
  query.bind(workflow.value);
  while (query.next()) {
    Reader::WorkflowNode node;
    node.id = CommandId{query.integer(0)};
    node.name = query.text(1);
    node.state = static_cast<State>(query.integer(2));
    node.attempt = static_cast<int>(query.integer(3)) + (node.state == State::queued ? 1 : 0);
    node.due_at_ms = query.integer(4);
    if (query.integer(5) != 0) node.finished_at_ms = query.integer(5);
    nodes.push_back(std::move(node));
  }
  return nodes;
}

void add_parents(Database& database, CommandId workflow, std::vector<Reader::WorkflowNode>& nodes) {
  std::map<std::int64_t, std::size_t> index;
  for (std::size_t i = 0; i < nodes.size(); ++i) index.emplace(nodes[i].id.value, i);
  Sql query = database.query(
      "SELECT e.child, e.parent FROM node n JOIN edge e ON e.child = n.command WHERE n.workflow = ?"
      " ORDER BY e.child, e.parent");
  query.bind(workflow.value);
  while (query.next()) {
    const auto child = index.find(query.integer(0));
    const auto parent = index.find(query.integer(1));
    if (child != index.end() && parent != index.end()) nodes[child->second].parents.push_back(parent->second);
  }
}

}  // namespace

Result<Reader::WorkflowView> Reader::workflow(CommandId id) {
  std::optional<WorkflowView> view;
  {
    Sql query = database().query("SELECT " DULY_WORKFLOW_COLUMNS " FROM workflow WHERE id = ?");
    if (query.bind(id.value).next()) view = WorkflowView{columns::read_workflow(query), {}};
  }
  if (view) {
    view->nodes = read_nodes(database(), id);
    add_parents(database(), id, view->nodes);
  }
  if (const Status read = end_read(); !read) return read.error();
  if (!view) return Error{Errc::not_found, "there is no such workflow"};
  return std::move(*view);
}

Result<std::vector<WorkflowRow>> Reader::workflows(std::optional<WorkflowState> state, CommandId below,
                                                   int limit) {
  std::vector<WorkflowRow> rows;
  {
    Sql query = database().query(
        state ? "SELECT " DULY_WORKFLOW_COLUMNS
                " FROM workflow WHERE state = ?3 AND id < ?1 ORDER BY id DESC LIMIT ?2"
              : "SELECT " DULY_WORKFLOW_COLUMNS " FROM workflow WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
    query.bind(below.value).bind(limit);
    if (state) query.bind(static_cast<std::int64_t>(*state));
    while (query.next()) rows.push_back(columns::read_workflow(query));
  }
  if (const Status read = end_read(); !read) return read.error();
  return rows;
}

CommandId Reader::workflow_of(CommandId command) {
  CommandId workflow;
  {
    Sql query = database().query("SELECT workflow FROM node WHERE command = ?");
    if (query.bind(command.value).next()) workflow = CommandId{query.integer(0)};
  }
  return end_read() ? workflow : CommandId{};
}

}  // namespace duly
