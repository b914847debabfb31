// What a foreign executor says over HTTP: may I begin, and how it went (contract section 5).
#include <utility>

#include "common/wire/raw_json.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

constexpr std::int64_t kHighestAttempt = 1'000'000'000;

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

std::string executor_of(const Json& body, bool required, Complaints& complaints) {
  const auto field = body.find("executor");
  if (field == body.end()) {
    if (required) complaints.add("/executor", "is required");
    return {};
  }
  if (!field->is_string() || !is_valid_key(field->get_ref<const std::string&>()) ||
      field->get_ref<const std::string&>().size() > limits::kNameBytes) {
    complaints.add("/executor", "must be a string of 1 to 128 bytes without control characters");
    return {};
  }
  return field->get<std::string>();
}

void begin(Api& api, ApiCall&& call) {
  const auto attempt = attempt_of(call);
  if (!attempt) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"executor"}, complaints);
  const std::string executor = executor_of(*body, /*required=*/true, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_pass_on(api, call.respond, [ref = *attempt, executor](ReplyTo reply) {
    return Input(HttpBegin{reply, ref.id, ref.attempt, executor});
  });
}

void read_outcome(const Json& body, FinishItem& item, Complaints& complaints) {
  const auto outcome = body.find("outcome");
  if (outcome == body.end()) return complaints.add("/outcome", "is required");
  if (*outcome == "succeeded") {
    item.outcome = AttemptOutcome::succeeded;
  } else if (*outcome == "failed") {
    item.outcome = AttemptOutcome::failed;
  } else {
    complaints.add("/outcome", "must be \"succeeded\" or \"failed\"");
  }
}

void read_report(const Json& body, std::string_view raw, FinishItem& item, Complaints& complaints) {
  read_outcome(body, item, complaints);
  if (const auto error = body.find("error"); error != body.end() && !error->is_null()) {
    if (!error->is_string() || error->get_ref<const std::string&>().size() > limits::kErrorBytes) {
      complaints.add("/error",
                     "must be a string of at most " + std::to_string(limits::kErrorBytes) + " bytes");
    } else {
      item.error = error->get<std::string>();
    }
  }
  if (const auto retryable = body.find("retryable"); retryable != body.end()) {
    if (retryable->is_boolean()) {
      item.retryable = retryable->get<bool>();
    } else {
      complaints.add("/retryable", "must be true or false");
    }
  }
  if (const auto result = raw_member(raw, "result")) {
    if (result->size() > limits::kResultBytes) {
      complaints.add_too_large("/result",
                               "is larger than " + std::to_string(limits::kResultBytes) + " bytes");
    } else {
      item.result = make_bytes(std::string(*result));
    }
  }
}

// The contract lets a report leave its executor out: then it is who began that attempt.
std::string executor_on_record(Api& api, const AttemptRef& ref) {
  const auto view = api.reader.command(ref.id);
  if (!view) return {};
  for (const AttemptView& attempt : view->attempts) {
    if (attempt.attempt == ref.attempt) return attempt.executor;
  }
  return {};
}

void finish(Api& api, ApiCall&& call) {
  const auto attempt = attempt_of(call);
  if (!attempt) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"outcome", "result", "error", "retryable", "executor"}, complaints);
  FinishItem item;
  item.id = attempt->id;
  item.attempt = attempt->attempt;
  read_report(*body, call.request.body, item, complaints);
  std::string executor = executor_of(*body, /*required=*/false, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  if (executor.empty()) executor = executor_on_record(api, *attempt);
  ask_and_pass_on(api, call.respond, [item, executor](ReplyTo reply) {
    return Input(HttpFinish{reply, item, executor});
  });
}

}  // namespace

std::vector<Route> executors_routes(Api& api) {
  return {
      {"POST",
       "/v1/commands/{id}/attempts/{n}/begin",
       Role::submit,
       [&api](ApiCall&& call) { begin(api, std::move(call)); },
       {}},
      {"POST",
       "/v1/commands/{id}/attempts/{n}/finish",
       Role::submit,
       [&api](ApiCall&& call) { finish(api, std::move(call)); },
       {}},
  };
}

}  // namespace duly
