// Commands that wait for others: alone (depends_on), or as the nodes of a workflow.
//
// An edge is a row.  What an end means for those that wait is settled in the transaction that records it, at
// the end of the batch: ended_ and stopped_workflows_ are work lists, not recursion, so depth costs no stack.
// Bounds: limits::kDependants children of one command, limits::kWorkflowNodes nodes of one workflow.
#include <utility>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/model/limits.h"
#include "common/wire/result_refs.h"
#include "control-server/core/engine.h"

namespace duly {
namespace {

Problem refused(std::size_t index, std::size_t parent, std::string detail) {
  return {400, "Invalid request", std::move(detail),
          "/commands/" + std::to_string(index) + "/depends_on/" + std::to_string(parent), 0};
}

}  // namespace

// ---- submitting
// -----------------------------------------------------------------------------------------------

std::optional<Problem> Engine::refuse_parents(const CommandSpec& spec, std::size_t index) {
  for (std::size_t i = 0; i < spec.depends_on.size(); ++i) {
    if (!store_.find(spec.depends_on[i])) return refused(index, i, "there is no such command");
    if (!store_.room_for_child(spec.depends_on[i]))
      return refused(index, i, std::to_string(limits::kDependants) + " commands wait for it already");
  }
  return std::nullopt;
}

// One whose parents have all succeeded is scheduled at once; one of which some ended otherwise is cancelled
// at once, as it would have been a moment later.
CommandId Engine::accept_dependent(NewCommand& command) {
  settle_dependants();  // an end of this batch must not be counted twice
  std::int64_t unmet = 0;
  std::optional<StateRow> bad;
  for (const CommandId id : command.spec.depends_on) {
    const auto parent = store_.find(id);
    if (!parent || is_success(parent->state)) continue;
    ++unmet;
    if (is_end(parent->state)) bad = parent;
  }
  const CommandId id = accept(command, unmet).id;
  for (const CommandId parent : command.spec.depends_on) store_.insert_edge(parent, id);
  if (bad) parent_ended(*store_.find(id), *bad);
  return id;
}

void Engine::on(SubmitWorkflow& input) {
  const ReplyTo reply = input.work.reply;
  const auto known = input.idempotency_key.empty() ? std::nullopt : store_.idempotent(input.idempotency_key);
  if (known && known->body_hash != input.body_hash) {
    return answer(reply, Problem{422, "Idempotency key reused",
                                 "this idempotency key was used with another body", "", 0});
  }
  if (known) {
    ++stats_.replayed;
    effects_.push_back(Answer{reply, Submitted{{{known->id, true}}}});
    return;
  }
  if (auto problem = refuse_submit(input.work)) return answer(reply, std::move(*problem));
  for (std::size_t i = 0; i < input.nodes.size(); ++i) {
    if (auto problem = refuse_expired(input.work.commands[i].spec, i))
      return answer(reply, std::move(*problem));
  }
  effects_.push_back(Answer{reply, Submitted{{{accept_workflow(input), false}}}});
}

CommandId Engine::accept_workflow(SubmitWorkflow& input) {
  WorkflowRow row;
  row.id = ids_.next(now_.wall);
  row.name = input.name;
  row.on_failure = input.on_failure;
  row.total = row.open = static_cast<std::int64_t>(input.nodes.size());
  row.created_ms = now_ms();
  store_.insert_workflow(row);
  ++open_workflows_;
  std::vector<CommandId> ids;
  ids.reserve(input.nodes.size());
  for (std::size_t i = 0; i < input.nodes.size(); ++i) {
    const SubmitWorkflow::Node& node = input.nodes[i];
    const CommandId id = accept(input.work.commands[i], static_cast<std::int64_t>(node.parents.size())).id;
    store_.insert_node({id, row.id, node.name, node.takes_results ? Fills::when_released : Fills::never});
    for (const std::size_t parent : node.parents) store_.insert_edge(ids[parent], id);
    ids.push_back(id);
  }
  if (!input.idempotency_key.empty())
    store_.insert_idempotent(input.idempotency_key, {row.id, input.body_hash},
                             now_ms() + limits::kIdempotencyMs);
  return row.id;
}

// ---- ends
// -----------------------------------------------------------------------------------------------------

// What the ends of this batch mean for those that wait, and what their ends mean in turn.
void Engine::settle_dependants() {
  while (!ended_.empty() || !stopped_workflows_.empty()) {
    for (const CommandId id : std::exchange(stopped_workflows_, {})) stop_workflow(id);
    for (const CommandId id : std::exchange(ended_, {})) {
      const auto parent = store_.find(id);
      if (!parent || !is_end(parent->state)) continue;  // redriven meanwhile
      for (const CommandId child : store_.waiting_children(id)) {
        if (auto row = store_.find(child)) parent_ended(*row, *parent);
      }
    }
  }
}

void Engine::parent_ended(StateRow child, const StateRow& parent) {
  if (child.state != State::waiting) return;
  if (is_success(parent.state)) {
    if (store_.met_one(child.id) == 0 || DULY_PLANTED("workflow.early")) release(child);
  } else if (!DULY_PLANTED("workflow.cascade")) {
    cancel(child, "server",
           ", because " + format_command_id(parent.id) + " is " + std::string(name_of(parent.state)));
  }
}

// All its parents have succeeded.
void Engine::release(StateRow& row) {
  if (const Status filled = fill_payload(row); !filled)
    return cancel(row, "server", ", because " + filled.error().what);
  store_.remove_unmet(row.id);
  store_.move(row, Move::release);
  became_scheduled(row, nullptr);
}

Status Engine::fill_payload(const StateRow& row) {
  const auto node = store_.node(row.id);
  if (!node || node->fills != Fills::when_released) return ok_status();
  const auto body = store_.body(row.id);
  if (!body) return ok_status();
  std::map<std::string, std::string> results;
  const auto filled = fill_in_results(*body->payload, limits::kPayloadBytes,
                                      [&](const std::string& name) -> std::string_view {
                                        const auto [at, fresh] = results.try_emplace(name);
                                        if (fresh) at->second = store_.parent_result(row.id, name);
                                        return at->second;
                                      });
  if (!filled) return filled.error();
  store_.put_filled_payload(row.id, *filled);
  return ok_status();
}

// ---- workflows
// -----------------------------------------------------------------------------------------------

void Engine::node_ended(const StateRow& row) {
  const auto node = store_.node(row.id);
  auto workflow = node ? store_.workflow(node->workflow) : std::nullopt;
  if (!workflow) return;
  --workflow->open;
  if (!is_success(row.state)) {
    ++workflow->failed;
    if (workflow->on_failure == OnFailure::cancel_rest && workflow->stopped == Stopped::no) {
      workflow->stopped = Stopped::by_failure;
      if (!DULY_PLANTED("workflow.rest")) stopped_workflows_.push_back(workflow->id);
    }
  }
  if (workflow->open == 0) {
    --open_workflows_;
    // Its commands were needed until now.  With the wall set back and a restart some ended before it began.
    const std::int64_t first =
        DULY_PLANTED("retention.node") ? workflow->created_ms : store_.first_node_end_ms(workflow->id);
    remover_.go_back(first);
    workflow->finished_ms = std::max<std::int64_t>(now_ms(), 1);
    workflow->state = workflow->failed == 0                   ? WorkflowState::succeeded
                      : workflow->stopped == Stopped::by_hand ? WorkflowState::cancelled
                                                              : WorkflowState::failed;
  }
  store_.update_workflow(*workflow);
}

// One that had ended badly goes on.
void Engine::node_reopened(CommandId id) {
  const auto node = store_.node(id);
  auto workflow = node ? store_.workflow(node->workflow) : std::nullopt;
  if (!workflow) return;
  if (workflow->open == 0) ++open_workflows_;
  ++workflow->open;
  --workflow->failed;
  workflow->state = WorkflowState::running;
  workflow->finished_ms = 0;
  store_.update_workflow(*workflow);
}

// From the last to the first, so that nobody is released in between.  What runs is left to end.
void Engine::stop_workflow(CommandId id) {
  const std::vector<CommandId> nodes = store_.nodes(id);
  for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
    auto row = store_.find(*node);
    if (row && !is_end(row->state) && row->state != State::running)
      cancel(*row, "server", ", because another command of " + format_workflow_id(id) + " has failed");
  }
}

void Engine::on(ChangeWorkflow& input) {
  settle_dependants();  // an end of this batch must not be counted twice
  auto row = store_.workflow(input.id);
  if (!row) return answer(input.reply, Problem{404, "Not found", "there is no such workflow", "", 0});
  input.what == ChangeWorkflow::What::cancel ? cancel_workflow(*row, input) : retry_workflow(*row, input);
}

void Engine::cancel_workflow(WorkflowRow& row, const ChangeWorkflow& input) {
  if (row.state == WorkflowState::cancelled) return answer(input.reply, Done{input.id});
  if (row.open == 0) {
    return answer(
        input.reply,
        Problem{409, "Conflict", "the workflow has " + std::string(name_of(row.state)) + " already", "", 0});
  }
  row.stopped = Stopped::by_hand;
  store_.update_workflow(row);
  store_.append_audit(now_ms(), input.actor, "workflow.cancel", format_workflow_id(row.id), row.name);
  const std::vector<CommandId> nodes = store_.nodes(row.id);
  for (auto id = nodes.rbegin(); id != nodes.rend(); ++id) {
    auto node = store_.find(*id);
    if (node && !is_end(node->state)) cancel(*node, input.actor, ", with " + format_workflow_id(row.id));
  }
  answer(input.reply, Done{input.id});
}

void Engine::retry_workflow(WorkflowRow& row, const ChangeWorkflow& input) {
  if (disk_low_) {
    return answer(input.reply, Problem{507, "Insufficient storage",
                                       "the disk is full: new work is refused, running work goes on", "", 0});
  }
  // Before the nodes, whose ends and beginnings change the row.
  const Stopped stopped = std::exchange(row.stopped, Stopped::no);
  store_.update_workflow(row);
  std::size_t taken_up = 0;
  for (const CommandId id : store_.nodes(row.id)) taken_up += take_up(id, input.actor) ? 1 : 0;
  if (taken_up == 0) {
    row.stopped = stopped;
    store_.update_workflow(row);
    return answer(input.reply,
                  Problem{409, "Conflict", "no command of the workflow can be tried again", "", 0});
  }
  store_.append_audit(now_ms(), input.actor, "workflow.retry", format_workflow_id(row.id),
                      std::to_string(taken_up) + " commands");
  answer(input.reply, Done{input.id});
}

// A dead node gets a fresh set of attempts; a cancelled one waits again, unless one of its parents has ended
// badly for good.  Parents come first.
bool Engine::take_up(CommandId id, const Actor& who) {
  auto row = store_.find(id);
  if (!row) return false;
  if (row->state == State::dead) return redrive(*row, who, ", with its workflow"), true;
  if (row->state != State::cancelled) return false;
  for (const CommandId parent : store_.parents(id)) {
    const auto found = store_.find(parent);
    if (!found || (is_end(found->state) && !is_success(found->state))) return false;
  }
  revive(*row, who);
  return true;
}

void Engine::revive(StateRow& row, const Actor& who) {
  store_.append_event(row.id, now_ms(), "revived", who, "with its workflow");
  row.base_attempt = row.attempt;  // numbers go on, a fresh set of attempts is allowed
  row.losses = 0;
  row.token = Token{row.token.value + 1};
  row.finished_ms = 0;
  std::int64_t unmet = 0;
  for (const CommandId parent : store_.parents(row.id)) {
    const auto found = store_.find(parent);
    unmet += found && is_success(found->state) ? 0 : 1;
  }
  store_.move(row, Move::revive);
  callbacks_.reopened(row.id);
  node_reopened(row.id);
  if (unmet > 0) return store_.put_unmet(row.id, unmet);
  release(row);
}

}  // namespace duly
