// Workflows, their nodes, and who waits for whom.
#include "common/model/limits.h"
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/store.h"

namespace duly {
namespace {

constexpr std::string_view kPrefix = "wf_";

}  // namespace

std::string format_workflow_id(CommandId id) { return format_id(kPrefix, id); }
std::optional<CommandId> parse_workflow_id(std::string_view text) { return parse_id(kPrefix, text); }

WorkflowRow columns::read_workflow(Sql& query) {
  WorkflowRow row;
  row.id = CommandId{query.integer(0)};
  row.name = query.text(1);
  row.on_failure = static_cast<OnFailure>(query.integer(2));
  row.state = static_cast<WorkflowState>(query.integer(3));
  row.stopped = static_cast<Stopped>(query.integer(4));
  row.total = query.integer(5);
  row.open = query.integer(6);
  row.failed = query.integer(7);
  row.created_ms = query.integer(8);
  row.finished_ms = query.integer(9);
  return row;
}

void Store::insert_workflow(const WorkflowRow& row) {
  database_->begin();
  Sql query = database_->query("INSERT INTO workflow (" DULY_WORKFLOW_COLUMNS
                               ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query.bind(row.id.value).bind(row.name).bind(static_cast<std::int64_t>(row.on_failure));
  query.bind(static_cast<std::int64_t>(row.state)).bind(static_cast<std::int64_t>(row.stopped));
  query.bind(row.total).bind(row.open).bind(row.failed).bind(row.created_ms).bind(row.finished_ms).run();
}

void Store::update_workflow(const WorkflowRow& row) {
  database_->begin();
  Sql query = database_->query(
      "UPDATE workflow SET state = ?, stopped = ?, open = ?, failed = ?, finished_ms = ? WHERE id = ?");
  query.bind(static_cast<std::int64_t>(row.state)).bind(static_cast<std::int64_t>(row.stopped));
  query.bind(row.open).bind(row.failed).bind(row.finished_ms).bind(row.id.value).run();
}

std::optional<WorkflowRow> Store::workflow(CommandId id) {
  Sql query = database_->query("SELECT " DULY_WORKFLOW_COLUMNS " FROM workflow WHERE id = ?");
  if (!query.bind(id.value).next()) return std::nullopt;
  return columns::read_workflow(query);
}

std::int64_t Store::open_workflow_count() {
  Sql query = database_->query("SELECT count(*) FROM workflow WHERE state = 0");
  return query.next() ? query.integer(0) : 0;
}

void Store::insert_node(const NodeRow& row) {
  database_->begin();
  database_->query("INSERT INTO node (command, workflow, name, fills) VALUES (?, ?, ?, ?)")
      .bind(row.command.value)
      .bind(row.workflow.value)
      .bind(row.name)
      .bind(static_cast<std::int64_t>(row.fills))
      .run();
}

std::optional<NodeRow> Store::node(CommandId command) {
  Sql query = database_->query("SELECT workflow, name, fills FROM node WHERE command = ?");
  if (!query.bind(command.value).next()) return std::nullopt;
  return NodeRow{command, CommandId{query.integer(0)}, query.text(1), static_cast<Fills>(query.integer(2))};
}

std::vector<CommandId> Store::nodes(CommandId workflow) {
  std::vector<CommandId> ids;
  Sql query = database_->query("SELECT command FROM node WHERE workflow = ? ORDER BY command");
  query.bind(workflow.value);
  while (query.next()) ids.push_back(CommandId{query.integer(0)});
  return ids;
}

std::int64_t Store::first_node_end_ms(CommandId workflow) {
  Sql query = database_->query(
      "SELECT ifnull(min(s.finished_ms), ?) FROM node n CROSS JOIN state s ON s.id = n.command "
      "WHERE n.workflow = ? AND s.finished_ms > 0");
  query.bind(INT64_MAX).bind(workflow.value);
  query.next();
  return query.integer(0);
}

void Store::put_filled_payload(CommandId command, const std::string& payload) {
  database_->begin();
  database_->query("UPDATE command SET payload = ? WHERE id = ?")
      .bind_blob(payload)
      .bind(command.value)
      .run();
  database_->query("UPDATE node SET fills = 2 WHERE command = ?").bind(command.value).run();
}

// ---- who waits for whom
// -----------------------------------------------------------------------------------------------

void Store::insert_edge(CommandId parent, CommandId child) {
  database_->begin();
  database_->query("INSERT INTO edge (parent, child) VALUES (?, ?)")
      .bind(parent.value)
      .bind(child.value)
      .run();
}

bool Store::room_for_child(CommandId parent) {
  Sql query = database_->query("SELECT 1 FROM edge WHERE parent = ? LIMIT 1 OFFSET ?");
  return !query.bind(parent.value).bind(limits::kDependants - 1).next();
}

std::vector<CommandId> Store::parents(CommandId child) {
  std::vector<CommandId> ids;
  Sql query = database_->query("SELECT parent FROM edge WHERE child = ? ORDER BY parent");
  query.bind(child.value);
  while (query.next()) ids.push_back(CommandId{query.integer(0)});
  return ids;
}

std::vector<CommandId> Store::waiting_children(CommandId parent) {
  std::vector<CommandId> ids;
  Sql query = database_->query(
      "SELECT e.child FROM edge e JOIN unmet u ON u.command = e.child WHERE e.parent = ? ORDER BY e.child");
  query.bind(parent.value);
  while (query.next()) ids.push_back(CommandId{query.integer(0)});
  return ids;
}

std::string Store::parent_result(CommandId child, const std::string& name) {
  Sql query = database_->query(
      "SELECT a.result FROM edge e JOIN node n ON n.command = e.parent JOIN attempt a ON a.id = e.parent"
      " WHERE e.child = ? AND n.name = ? ORDER BY a.attempt DESC LIMIT 1");
  return query.bind(child.value).bind(name).next() && !query.is_null(0) ? query.text(0) : "null";
}

void Store::put_unmet(CommandId command, std::int64_t parents) {
  database_->begin();
  database_->query("INSERT INTO unmet (command, parents) VALUES (?, ?)")
      .bind(command.value)
      .bind(parents)
      .run();
}

std::int64_t Store::met_one(CommandId command) {
  std::int64_t parents = 0;
  {
    Sql query = database_->query("SELECT parents FROM unmet WHERE command = ?");
    if (query.bind(command.value).next()) parents = query.integer(0);
  }
  if (parents <= 1) return 0;
  database_->begin();
  database_->query("UPDATE unmet SET parents = parents - 1 WHERE command = ?").bind(command.value).run();
  return parents - 1;
}

void Store::remove_unmet(CommandId command) {
  database_->begin();
  database_->query("DELETE FROM unmet WHERE command = ?").bind(command.value).run();
}

}  // namespace duly
