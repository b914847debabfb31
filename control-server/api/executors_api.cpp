// What a foreign executor says over HTTP: may I begin, I am still at it, and how it went (contract section
// 5).
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/report_json.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

constexpr std::int64_t kHighestAttempt = 1'000'000'000;
constexpr std::int64_t kHighestToken = INT32_MAX;

// The command and attempt in the path; nothing after having answered 400.
std::optional<AttemptRef> attempt_of(const ApiCall& call) {
  const auto id = command_id_of(call);
  if (!id) return std::nullopt;
  const auto attempt = whole_number(call.args[1], 1, kHighestAttempt);
  if (!attempt) {
    call.respond(bad_request("attempt must be a whole number from 1"));
    return std::nullopt;
  }
  return AttemptRef{*id, static_cast<int>(*attempt)};
}

std::optional<Token> read_token(const Json& body, Complaints& complaints) {
  const auto field = body.find("token");
  if (field == body.end()) return std::nullopt;
  const bool whole = field->is_number_integer() && *field >= 0 && *field <= kHighestToken;
  if (whole) return Token{field->get<std::int32_t>()};
  complaints.add("/token", "must be a whole number from 0: the message's header duly-token");
  return std::nullopt;
}

void begin(Api& api, ApiCall&& call) {
  const auto attempt = attempt_of(call);
  if (!attempt) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"executor", "token"}, complaints);
  const std::string executor = read_executor(*body, /*required=*/true, complaints);
  const std::optional<Token> token = read_token(*body, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_pass_on(api, call.respond, [ref = *attempt, executor, token](ReplyTo reply) {
    return Input(HttpBegin{reply, ref.id, ref.attempt, executor, token});
  });
}

void heartbeat(Api& api, ApiCall&& call) {
  const auto attempt = attempt_of(call);
  if (!attempt) return;
  const auto body = object_body(call, /*may_be_empty=*/true);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"executor"}, complaints);
  const std::string executor = read_executor(*body, /*required=*/false, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_pass_on(api, call.respond, [ref = *attempt, executor](ReplyTo reply) {
    return Input(HttpHeartbeat{reply, ref.id, ref.attempt, executor});
  });
}

void finish(Api& api, ApiCall&& call) {
  const auto attempt = attempt_of(call);
  if (!attempt) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  Report report = read_report(*body, call.request.body, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  report.item.id = attempt->id;
  report.item.attempt = attempt->attempt;
  ask_and_pass_on(api, call.respond, [report = std::move(report)](ReplyTo reply) {
    return Input(HttpFinish{reply, report.item, report.executor});
  });
}

using Answering = void (*)(Api&, ApiCall&&);

Route route(Api& api, std::string_view pattern, Answering answering) {
  return {"POST",
          pattern,
          Role::submit,
          [&api, answering](ApiCall&& call) { answering(api, std::move(call)); },
          {}};
}

}  // namespace

std::vector<Route> executors_routes(Api& api) {
  return {
      route(api, "/v1/commands/{id}/attempts/{n}/begin", begin),
      route(api, "/v1/commands/{id}/attempts/{n}/heartbeat", heartbeat),
      route(api, "/v1/commands/{id}/attempts/{n}/finish", finish),
  };
}

}  // namespace duly
