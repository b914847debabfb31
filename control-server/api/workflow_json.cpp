// Reading a workflow: each field, then the graph as a whole.
#include "control-server/api/workflow_json.h"

#include <map>
#include <set>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/raw_json.h"
#include "common/wire/result_refs.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"

namespace duly {
namespace {

constexpr std::size_t kNameBytes = 128;
const std::string kBadName = "must be 1 to 128 characters of [A-Za-z0-9._-]";

// The workflow being read, in the order in which it was given.
struct Reading {
  const Json& commands;
  Complaints& complaints;
  std::vector<std::string> names;
  std::map<std::string, std::size_t> index;
  std::vector<std::vector<std::size_t>> parents;

  static std::string at(std::size_t i) { return "/commands/" + std::to_string(i); }
};

std::string name_of_node(const Json& command) {
  const auto name = command.is_object() ? command.find("name") : command.end();
  if (!command.is_object() || name == command.end() || !name->is_string()) return {};
  return name->get<std::string>();
}

void read_names(Reading& r) {
  for (std::size_t i = 0; i < r.commands.size() && !r.complaints.full(); ++i) {
    std::string name = name_of_node(r.commands[i]);
    if (!is_plain_name(name, kNameBytes)) {
      r.complaints.add(Reading::at(i) + "/name", kBadName);
    } else if (!r.index.emplace(name, i).second) {
      r.complaints.add(Reading::at(i) + "/name", "another command of this workflow is named '" + name + "'");
    }
    r.names.push_back(std::move(name));
  }
}

// What one dependency names; complains and answers nothing when that is no other command of the workflow.
std::optional<std::size_t> read_parent(Reading& r, std::size_t node, const Json& value,
                                       const std::string& at) {
  if (!value.is_string()) return r.complaints.add(at, "must be the name of a command"), std::nullopt;
  const auto& name = value.get_ref<const std::string&>();
  const auto found = r.index.find(name);
  if (found == r.index.end()) {
    // Never quoted at any length: it may be a whole payload.
    const std::string shown = name.size() > kNameBytes ? std::string("that") : "'" + name + "'";
    return r.complaints.add(at, "no command of this workflow is named " + shown), std::nullopt;
  }
  if (found->second == node) return r.complaints.add(at, "a command cannot depend on itself"), std::nullopt;
  return found->second;
}

void read_parents(Reading& r, std::size_t node) {
  const Json& command = r.commands[node];
  const auto list = command.is_object() ? command.find("depends_on") : command.end();
  std::vector<std::size_t>& parents = r.parents[node];
  if (!command.is_object() || list == command.end()) return;
  const std::string at = Reading::at(node) + "/depends_on";
  if (!list->is_array()) return r.complaints.add(at, "must be an array of names");
  std::set<std::size_t> seen;
  for (std::size_t i = 0; i < list->size() && !r.complaints.full(); ++i) {
    const std::string here = at + "/" + std::to_string(i);
    const auto parent = read_parent(r, node, (*list)[i], here);
    if (!parent) continue;
    if (!seen.insert(*parent).second) r.complaints.add(here, "is named twice");
    parents.push_back(*parent);
  }
}

std::string cycle_text(const Reading& r, const std::vector<std::size_t>& cycle) {
  std::string text = "the dependencies form a cycle: ";
  for (const std::size_t node : cycle)
    text += (node == cycle.front() && text.back() == ' ' ? "" : " -> ") + r.names[node];
  return text;
}

// The order in which parents come first; empty after a complaint.
std::vector<std::size_t> check_whole(Reading& r) {
  std::size_t edges = 0;
  for (const auto& parents : r.parents) edges += parents.size();
  if (edges > limits::kWorkflowEdges) {
    r.complaints.add("/commands",
                     "must hold at most " + std::to_string(limits::kWorkflowEdges) + " dependencies in all");
    return {};
  }
  GraphCheck check = check_graph(r.parents);
  if (!check.cycle.empty()) {
    r.complaints.add("/commands", cycle_text(r, check.cycle));
    return {};
  }
  if (check.depth > limits::kWorkflowDepth) {
    r.complaints.add("/commands", "is " + std::to_string(check.depth) + " commands deep; " +
                                      std::to_string(limits::kWorkflowDepth) + " are the most");
    return {};
  }
  return std::move(check.order);
}

SubmitWorkflow::Node read_node(Reading& r, std::size_t i, const std::vector<std::size_t>& place) {
  SubmitWorkflow::Node node;
  node.name = r.names[i];
  for (const std::size_t parent : r.parents[i]) node.parents.push_back(place[parent]);
  const auto payload = r.commands[i].find("payload");
  if (payload == r.commands[i].end()) return node;
  const auto is_parent = [&](const std::string& name) {
    const auto found = r.index.find(name);
    return found != r.index.end() &&
           std::find(r.parents[i].begin(), r.parents[i].end(), found->second) != r.parents[i].end();
  };
  node.takes_results = check_result_refs(
      *payload, Reading::at(i) + "/payload", is_parent,
      [&r](std::string at, std::string detail) { r.complaints.add(std::move(at), std::move(detail)); });
  return node;
}

// In the order that was given, then in the one in which parents come first.
void read_nodes(Reading& r, std::string_view raw, std::int64_t now_ms, const std::vector<std::size_t>& order,
                SubmitWorkflow& out) {
  const auto texts = raw_items(raw_member(raw, "commands").value());
  DULY_ASSERT(texts.size() == r.commands.size());
  std::vector<std::size_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  out.nodes.resize(order.size());
  out.work.commands.resize(order.size());
  for (std::size_t i = 0; i < order.size() && !r.complaints.full(); ++i) {
    out.work.commands[place[i]] =
        read_command(r.commands[i], {texts[i], Reading::at(i), false, now_ms, true}, r.complaints);
    out.nodes[place[i]] = read_node(r, i, place);
  }
}

void read_head(const Json& body, SubmitWorkflow& out, Complaints& complaints) {
  refuse_unknown(body, {"name", "on_failure", "commands"}, complaints);
  out.name = name_of_node(body);
  if (!is_plain_name(out.name, kNameBytes)) complaints.add("/name", kBadName);
  const auto policy = body.find("on_failure");
  if (policy == body.end()) return;
  const auto named =
      policy->is_string() ? on_failure_named(policy->get_ref<const std::string&>()) : std::nullopt;
  if (!named) complaints.add("/on_failure", R"(must be "cancel_rest" or "continue")");
  out.on_failure = named.value_or(OnFailure::cancel_rest);
}

}  // namespace

SubmitWorkflow read_workflow(const Json& body, std::string_view raw, std::int64_t now_ms,
                             Complaints& complaints) {
  SubmitWorkflow out;
  read_head(body, out, complaints);
  const auto commands = body.find("commands");
  if (commands == body.end() || !commands->is_array() || commands->empty() ||
      commands->size() > limits::kWorkflowNodes) {
    complaints.add("/commands",
                   "must be an array of 1 to " + std::to_string(limits::kWorkflowNodes) + " commands");
    return out;
  }
  Reading r{*commands, complaints, {}, {}, std::vector<std::vector<std::size_t>>(commands->size())};
  read_names(r);
  if (!complaints.empty()) return out;
  for (std::size_t i = 0; i < commands->size() && !complaints.full(); ++i) read_parents(r, i);
  if (!complaints.empty()) return out;
  const auto order = check_whole(r);
  if (complaints.empty()) read_nodes(r, raw, now_ms, order, out);
  return out;
}

}  // namespace duly
