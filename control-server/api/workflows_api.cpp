// Workflows: submitting, looking at them, cancelling, trying again.
#include <utility>

#include "control-server/api/command_json.h"
#include "control-server/api/paging.h"
#include "control-server/api/routes.h"
#include "control-server/api/workflow_json.h"

namespace duly {
namespace {

// The id in args[0]; nothing after having answered 400.
std::optional<CommandId> workflow_id_of(const ApiCall& call) {
  const auto id = parse_workflow_id(call.args[0]);
  if (!id) call.respond(bad_request("workflow must be wf_ and 13 characters of Crockford base32"));
  return id;
}

HttpResponse show_workflow(Api& api, CommandId id, int status = 200) {
  const auto view = api.reader.workflow(id);
  if (!view) return reader_problem(view.error(), "workflow");
  HttpResponse response;
  response.status = status;
  append_workflow_json(response.body, *view);
  return response;
}

void submit_workflow(Api& api, ApiCall&& call) {
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  std::string key = idempotency_key_of(call.request, complaints);
  const auto shared = std::make_shared<SubmitWorkflow>(
      read_workflow(*body, call.request.body, to_ms(api.loop.wall()), complaints));
  if (!complaints.empty()) return call.respond(complaints.response());
  if (!key.empty()) shared->body_hash = meaning_hash(*body);
  shared->idempotency_key = std::move(key);
  shared->work.actor = call.actor;
  const TracePtr trace = trace_of(call.request);
  for (NewCommand& command : shared->work.commands) command.spec.trace = trace;
  const auto make = [shared](ReplyTo reply) {
    shared->work.reply = reply;
    return Input(std::move(*shared));
  };
  api.desk.ask(make, [&api, respond = call.respond](const Answer& answer) {
    if (const auto* submitted = std::get_if<Submitted>(&answer.what)) {
      const SubmittedItem& item = submitted->items.at(0);
      return answer_accepted(api, respond, "/v1/workflows/", format_workflow_id(item.id), item.replayed,
                             show_workflow(api, item.id));
    }
    const auto* problem = std::get_if<Problem>(&answer.what);
    respond_to_change(api, respond,
                      problem != nullptr ? problem_response(*problem)
                                         : make_problem(500, "unexpected answer of the engine"));
  });
}

template <ChangeWorkflow::What what>
void change_workflow(Api& api, ApiCall&& call) {
  const auto id = workflow_id_of(call);
  if (!id || !takes_no_body(call)) return;
  const auto make = [id = *id, who = call.actor](ReplyTo reply) {
    return Input(ChangeWorkflow{reply, who, id, what});
  };
  api.desk.ask(make, [&api, respond = call.respond, id = *id](const Answer& answer) {
    const auto* problem = std::get_if<Problem>(&answer.what);
    respond_to_change(api, respond, problem != nullptr ? problem_response(*problem) : show_workflow(api, id));
  });
}

void get_workflow(Api& api, ApiCall&& call) {
  if (const auto id = workflow_id_of(call)) call.respond(show_workflow(api, *id));
}

void list_workflows(Api& api, ApiCall&& call) {
  int limit = 0;
  std::int64_t below = 0;
  if (!read_page(call, CursorKind::workflows, limit, below)) return;
  const std::string* state_text = call.parameter("state");
  const auto state = state_text == nullptr ? std::nullopt : workflow_state_named(*state_text);
  if (state_text != nullptr && !state)
    return call.respond(bad_request("state must be running, succeeded, failed or cancelled"));
  const auto rows = api.reader.workflows(state, CommandId{below == 0 ? INT64_MAX : below}, limit);
  if (!rows) return call.respond(reader_problem(rows.error(), "list"));
  call.respond(page_of(*rows, limit, CursorKind::workflows, rows->empty() ? 0 : rows->back().id.value,
                       &append_workflow_row_json));
}

}  // namespace

std::vector<Route> workflows_routes(Api& api) {
  const auto bind = [&api](void (*function)(Api&, ApiCall &&)) {
    return [&api, function](ApiCall&& call) { function(api, std::move(call)); };
  };
  using What = ChangeWorkflow::What;
  return {
      {"POST", "/v1/workflows", Role::submit, bind(&submit_workflow), {}},
      {"GET", "/v1/workflows", Role::read, bind(&list_workflows), {"state", "limit", "cursor"}},
      {"GET", "/v1/workflows/{id}", Role::read, bind(&get_workflow), {}},
      {"POST", "/v1/workflows/{id}/cancel", Role::operate, bind(&change_workflow<What::cancel>), {}},
      {"POST", "/v1/workflows/{id}/retry", Role::operate, bind(&change_workflow<What::retry>), {}},
  };
}

}  // namespace duly
