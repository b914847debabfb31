// Crash simulation (contract section 6): armed only by --fault-injection.
#include <algorithm>
#include <array>
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

constexpr std::int64_t kHighestAfter = 1'000'000'000;
constexpr std::int64_t kLongestMs = 86'400'000;

constexpr std::array<std::string_view, 8> kAgentPoints = {
    "dispatch.after-poll",    "dispatch.before-publish", "dispatch.after-publish", "dispatch.after-confirm",
    "execute.after-delivery", "execute.after-begin",     "execute.after-handler",  "execute.after-finish"};
constexpr std::array<std::string_view, 4> kServerPoints = {"store.before-commit", "store.after-commit",
                                                           "link.before-reply", "api.before-reply"};

template <class Points>
void read_point(const Json& body, const Points& points, Strike& strike, Complaints& complaints) {
  const auto field = body.find("point");
  strike.point = "now";
  if (field == body.end()) return;
  const std::string* name = field->is_string() ? &field->template get_ref<const std::string&>() : nullptr;
  if (name != nullptr && (*name == "now" || std::find(points.begin(), points.end(), *name) != points.end())) {
    strike.point = *name;
    return;
  }
  std::string known = "must be one of now";
  for (const std::string_view point : points) known.append(", ").append(point);
  complaints.add("/point", known);
}

std::int64_t read_number(const Json& body, const char* name, std::int64_t least, std::int64_t most,
                         std::int64_t otherwise, Complaints& complaints) {
  const auto field = body.find(name);
  if (field == body.end()) return otherwise;
  const auto value =
      field->is_number_integer() &&
              !(field->is_number_unsigned() && field->get<std::uint64_t>() > static_cast<std::uint64_t>(most))
          ? std::optional<std::int64_t>(field->get<std::int64_t>())
          : std::nullopt;
  if (value && *value >= least && *value <= most) return *value;
  complaints.add(std::string("/") + name,
                 "must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return otherwise;
}

template <class Points>
Strike read_strike(const Json& body, const Points& points, Complaints& complaints) {
  Strike strike;
  refuse_unknown(body, {"mode", "point", "after", "duration_ms"}, complaints);
  const auto mode = body.find("mode");
  if (mode != body.end() && (*mode == "kill" || *mode == "hang" || *mode == "disconnect")) {
    strike.mode = mode->template get<std::string>();
  } else {
    complaints.add("/mode", "must be \"kill\", \"hang\" or \"disconnect\"");
  }
  read_point(body, points, strike, complaints);
  strike.after = read_number(body, "after", 1, kHighestAfter, 1, complaints);
  const std::size_t so_far = complaints.items().size();
  strike.duration_ms = read_number(body, "duration_ms", 0, kLongestMs, 0, complaints);
  const bool lasts = strike.mode == "hang" || strike.mode == "disconnect";
  if (lasts && strike.duration_ms == 0 && complaints.items().size() == so_far) {
    complaints.add("/duration_ms", "must be greater than 0 for hang and disconnect");
  }
  return strike;
}

// The strike in the body; nothing after having answered.
template <class Points>
std::optional<Strike> strike_of(const Api& api, const ApiCall& call, const Points& points) {
  if (!api.fault_injection) {
    call.respond(make_problem(403, "crash simulation is off: start the server with --fault-injection"));
    return std::nullopt;
  }
  const auto body = object_body(call);
  if (!body) return std::nullopt;
  Complaints complaints;
  Strike strike = read_strike(*body, points, complaints);
  if (complaints.empty()) return strike;
  call.respond(complaints.response());
  return std::nullopt;
}

void crash_agent(Api& api, ApiCall&& call) {
  const auto strike = strike_of(api, call, kAgentPoints);
  if (!strike) return;
  ask_and_pass_on(api, call.respond,
                  [agent = call.args[0], who = call.actor, strike = *strike](ReplyTo reply) {
                    return Input(CrashAgent{reply, who, agent, strike});
                  });
}

// Arms it, or carries it out once the answer is with the client.
HttpResponse struck(Api& api, const Strike& strike) {
  HttpResponse response = json_response(202, "{}");
  if (!api.strike_server) return response;
  if (strike.point == "now") {
    response.after_write = [&api, strike] { api.strike_server(strike); };
  } else {
    api.strike_server(strike);
  }
  return response;
}

// On record before it happens.
void crash_server(Api& api, ApiCall&& call) {
  const auto strike = strike_of(api, call, kServerPoints);
  if (!strike) return;
  const auto make = [who = call.actor, what = *strike](ReplyTo reply) {
    return Input(RecordAct{reply, who, "server.simulate-crash", "server", what.mode + " at " + what.point});
  };
  api.desk.ask(make, [&api, respond = call.respond, strike = *strike](const Answer& answer) {
    const auto* problem = std::get_if<Problem>(&answer.what);
    respond(problem != nullptr ? problem_response(*problem) : struck(api, strike));
  });
}

}  // namespace

std::vector<Route> crash_routes(Api& api) {
  return {
      {"POST",
       "/v1/agents/{name}/simulate-crash",
       Role::admin,
       [&api](ApiCall&& call) { crash_agent(api, std::move(call)); },
       {}},
      {"POST",
       "/v1/server/simulate-crash",
       Role::admin,
       [&api](ApiCall&& call) { crash_server(api, std::move(call)); },
       {}},
  };
}

}  // namespace duly
