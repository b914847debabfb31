// Workflows and dependencies in the simulated world: a client that makes them, an operator who cancels them
// and tries them again, and what must hold of those that wait.
#include <algorithm>
#include <set>
#include <utility>

#include "tests/sim/world/world.h"

namespace duly::sim {

namespace {}  // namespace

// One more, small, with edges from earlier nodes to later ones.
void World::draw_workflow() {
  PlannedWorkflow planned;
  SubmitWorkflow& input = planned.input;
  input.name = "workflow-" + std::to_string(workflows_.size());
  input.on_failure = rng_.chance(0.5) ? OnFailure::cancel_rest : OnFailure::keep_on;
  input.idempotency_key = "w" + std::to_string(workflows_.size());
  input.body_hash = stable_hash(input.idempotency_key);
  const auto nodes = static_cast<std::size_t>(rng_.between(2, 8));
  for (std::size_t i = 0; i < nodes; ++i) {
    NewCommand command = draw_command();
    command.idempotency_key.clear();
    command.spec.expires_at_ms.reset();  // or the whole may be refused when it is sent again
    if (rng_.chance(0.7)) command.spec.delay_ms = command.spec.due_at_ms = std::nullopt;
    SubmitWorkflow::Node node{"n" + std::to_string(i), {}, false};
    for (std::size_t parent = 0; parent < i; ++parent) {
      if (rng_.chance(i == 1 ? 0.8 : 0.4)) node.parents.push_back(parent);
    }
    input.nodes.push_back(std::move(node));
    input.work.commands.push_back(std::move(command));
  }
  workflows_.push_back(std::move(planned));
}

// Some commands wait for one or two that were accepted before.  Dice of their own: the commands stay as
// drawn.
void World::add_parents(NewCommand& command) {
  // A parent may be gone when it is named: that is refused, and rightly so.
  if (plan_.rates.workflow.count() <= 0 || plan_.removes() || some_.empty() || !parent_dice_.chance(0.15))
    return;
  const std::size_t recent = std::min<std::size_t>(some_.size(), 20);
  for (int i = 0; i < 2; ++i) {
    const CommandId parent = some_[some_.size() - 1 - parent_dice_.below(recent)];
    std::vector<CommandId>& parents = command.spec.depends_on;
    if (std::find(parents.begin(), parents.end(), parent) == parents.end()) parents.push_back(parent);
    if (parent_dice_.chance(0.6)) return;
  }
}

// Asks for each until it has been answered.
void World::ask_for_workflows() {
  for (std::size_t i = 0; i < workflows_.size(); ++i) {
    PlannedWorkflow& planned = workflows_[i];
    if (planned.id.value != 0 || planned.asked) continue;
    SubmitWorkflow input = planned.input;
    const ReplyTo reply = input.work.reply = next_reply_++;
    if (!server_->submit(std::move(input))) continue;
    planned.asked = true;
    Pending& request = pending_[reply];
    request.id = CommandId{static_cast<std::int64_t>(i)};
    request.action = "workflow";
  }
}

void World::workflow_answered(const Pending& request, const Answer& answer) {
  PlannedWorkflow& planned = workflows_[static_cast<std::size_t>(request.id.value)];
  planned.asked = false;
  const auto* submitted = std::get_if<Submitted>(&answer.what);
  if (submitted == nullptr) {
    const auto& problem = std::get<Problem>(answer.what);
    if (problem.status != 507) throw Violation{"a good workflow was refused: " + problem.detail};
    return;  // and it is sent again
  }
  planned.id = submitted->items.at(0).id;
  std::set<CommandId> nodes = removed_nodes_[planned.id];
  for (const CommandId id : server_->store().nodes(planned.id)) nodes.insert(id);
  planned.nodes.assign(nodes.begin(), nodes.end());
  if (planned.nodes.size() != planned.input.nodes.size())
    throw Violation{"I8: " + format_workflow_id(planned.id) + " has another number of commands"};
  for (std::size_t i = 0; i < planned.nodes.size(); ++i) {
    const CommandId id = planned.nodes[i];
    if (facts_.accepted.emplace(id, planned.input.work.commands[i].spec.on_lost).second) ++counts_.accepted;
    some_.push_back(id);
    for (const std::size_t parent : planned.input.nodes[i].parents)
      facts_.parents[id].push_back(planned.nodes[parent]);
  }
}

// An operator cancels a workflow, or has it tried again.
void World::act_on_some_workflow() {
  std::vector<const PlannedWorkflow*> known;
  for (const PlannedWorkflow& planned : workflows_) {
    if (planned.id.value != 0) known.push_back(&planned);
  }
  if (known.empty()) return;
  const PlannedWorkflow& planned = *known[rng_.below(known.size())];
  const bool retry = rng_.chance(0.7);
  const ReplyTo reply = next_reply_++;
  if (!server_->submit(ChangeWorkflow{reply, "client", planned.id,
                                      retry ? ChangeWorkflow::What::retry : ChangeWorkflow::What::cancel}))
    return;
  if (retry) facts_.revivable.insert(planned.nodes.begin(), planned.nodes.end());
  pending_[reply] = Pending{{}, planned.id, "act on workflow", {}, {}, {}};
}

// Whoever asked the server that died does not get an answer.
void World::forget_workflow_requests() {
  for (PlannedWorkflow& planned : workflows_) planned.asked = false;
}

bool World::workflows_known() const {
  return std::all_of(workflows_.begin(), workflows_.end(), [](const auto& p) { return p.id.value != 0; });
}

// I11: a node runs after all its parents: each has an attempt that ended well before this one starts.
void World::watch_parents(CommandId id) {
  const auto found = facts_.parents.find(id);
  if (found == facts_.parents.end()) return;
  for (const CommandId parent : found->second) {
    const auto from = ledger_.starts.lower_bound({parent, 0});
    const bool succeeded = std::any_of(from, ledger_.starts.end(), [&](const auto& start) {
      return start.first.id == parent && start.second.ended_ok;
    });
    if (!succeeded)
      throw Violation{"I11: " + format_command_id(id) + " began before " + format_command_id(parent) +
                      " had succeeded"};
  }
}

void World::judge_workflows(const std::map<CommandId, StateRow>& rows, const AttemptRows& attempts) {
  Store& store = server_->store();
  for (const PlannedWorkflow& planned : workflows_) {
    const std::string name = format_workflow_id(planned.id);
    const auto row = store.workflow(planned.id);
    if (!row && removed_nodes_[planned.id].size() == planned.nodes.size()) continue;
    if (!row) throw Violation{"I1: " + name + " was accepted and is lost"};
    std::int64_t failed = 0;
    for (const CommandId id : planned.nodes) failed += rows.at(id).state == State::succeeded ? 0 : 1;
    if (row->open != 0 || row->failed != failed)
      throw Violation{"I11: " + name + " counts " + std::to_string(row->open) + " open and " +
                      std::to_string(row->failed) + " failed; " + std::to_string(failed) + " have failed"};
    if ((row->state == WorkflowState::succeeded) != (failed == 0))
      throw Violation{"I11: " + name + " is " + std::string(name_of(row->state))};
    judge_nodes(planned, rows);
    judge_rest(planned, rows, attempts);
  }
  for (const auto& [id, parents] : facts_.parents) {
    for (const CommandId parent : parents) {
      if (rows.at(id).state == State::succeeded && rows.at(parent).state != State::succeeded)
        throw Violation{"I11: " + format_command_id(id) + " has succeeded and its parent " +
                        format_command_id(parent) + " has not"};
    }
  }
}

// Where nobody cancels by hand, a cancelled node has its reason in the workflow.
void World::judge_nodes(const PlannedWorkflow& planned, const std::map<CommandId, StateRow>& rows) {
  const WorldPlan::Rates& rates = plan_.rates;
  if (rates.operator_action.count() > 0 || rates.bulk_cancel.count() > 0 || rates.workflow_act.count() > 0)
    return;
  const bool rest = planned.input.on_failure == OnFailure::cancel_rest;
  const bool any_dead = std::any_of(planned.nodes.begin(), planned.nodes.end(),
                                    [&](CommandId id) { return rows.at(id).state == State::dead; });
  for (const CommandId id : planned.nodes) {
    const State state = rows.at(id).state;
    const auto parents = facts_.parents.find(id);
    const bool parent_failed =
        parents != facts_.parents.end() &&
        std::any_of(parents->second.begin(), parents->second.end(),
                    [&](CommandId parent) { return rows.at(parent).state != State::succeeded; });
    if (state == State::cancelled && !parent_failed && !(rest && any_dead))
      throw Violation{"I11: " + format_command_id(id) + " was cancelled and nothing it waits for has failed"};
    if (state == State::succeeded && parent_failed)
      throw Violation{"I11: " + format_command_id(id) + " ran although what it waits for has failed"};
  }
}

// By the policy cancel_rest nobody gets a permit after one of them has failed for good.
void World::judge_rest(const PlannedWorkflow& planned, const std::map<CommandId, StateRow>& rows,
                       const AttemptRows& attempts) {
  const bool tried_again = !planned.nodes.empty() && facts_.revivable.contains(planned.nodes.front());
  if (planned.input.on_failure != OnFailure::cancel_rest || tried_again || plan_.rates.wall_step.count() > 0)
    return;
  std::int64_t failed_ms = INT64_MAX;
  for (const CommandId id : planned.nodes) {
    const StateRow& row = rows.at(id);
    if (facts_.redriven.contains(id)) return;
    if (row.state != State::succeeded) failed_ms = std::min(failed_ms, row.finished_ms);
  }
  const std::set<CommandId> nodes(planned.nodes.begin(), planned.nodes.end());
  for (const AttemptRow& attempt : attempts) {
    if (attempt.attempt == 1 && nodes.contains(attempt.id) && attempt.started_ms > failed_ms)
      throw Violation{"I11: " + format_command_id(attempt.id) +
                      " began although another of its workflow had failed"};
  }
}

}  // namespace duly::sim
