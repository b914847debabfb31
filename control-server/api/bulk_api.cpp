// Acts on many commands: started with a filter, looked at, stopped.
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/operation_json.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

void start_operation(Api& api, ApiCall&& call, OperationKind kind) {
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  StartOperation operation = read_operation(*body, kind, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  operation.actor = call.actor;
  ask_and_pass_on(api, call.respond, [operation = std::move(operation)](ReplyTo reply) {
    StartOperation numbered = operation;
    numbered.reply = reply;
    return Input(std::move(numbered));
  });
}

// The id in args[0]; nothing after having answered 400.
std::optional<CommandId> operation_id_of(const ApiCall& call) {
  const auto id = parse_operation_id(call.args[0]);
  if (!id) call.respond(bad_request("'" + call.args[0] + "' is not the id of an operation"));
  return id;
}

void get_operation(Api& api, ApiCall&& call) {
  const auto id = operation_id_of(call);
  if (id) query_and_pass_on(api, call.respond, Query{0, Query::What::operation, "", *id});
}

void list_operations(Api& api, ApiCall&& call) {
  query_and_pass_on(api, call.respond, Query{0, Query::What::operations, "", {}});
}

void stop_operation(Api& api, ApiCall&& call) {
  const auto id = operation_id_of(call);
  if (!id || !takes_no_body(call)) return;
  ask_and_pass_on(api, call.respond, [id = *id, who = call.actor](ReplyTo reply) {
    return Input(StopOperation{reply, who, id});
  });
}

}  // namespace

std::vector<Route> bulk_routes(Api& api) {
  const auto bind = [&api](void (*function)(Api&, ApiCall &&)) {
    return [&api, function](ApiCall&& call) { function(api, std::move(call)); };
  };
  const auto start = [&api](OperationKind kind) {
    return [&api, kind](ApiCall&& call) { start_operation(api, std::move(call), kind); };
  };
  return {
      {"POST", "/v1/commands/cancel", Role::operate, start(OperationKind::cancel), {}},
      {"POST", "/v1/commands/retry", Role::operate, start(OperationKind::retry), {}},
      {"GET", "/v1/operations", Role::read, bind(&list_operations), {}},
      {"GET", "/v1/operations/{id}", Role::read, bind(&get_operation), {}},
      {"POST", "/v1/operations/{id}/stop", Role::operate, bind(&stop_operation), {}},
  };
}

}  // namespace duly
