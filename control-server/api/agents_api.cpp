// Agents and the shards they hold.
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

constexpr std::int64_t kHighestShard = 1'000'000;

void list_agents(Api& api, ApiCall&& call) {
  query_and_pass_on(api, call.respond, Query{0, Query::What::agents, "", {}});
}

void get_agent(Api& api, ApiCall&& call) {
  query_and_pass_on(api, call.respond, Query{0, Query::What::agent, call.args[0], {}});
}

void list_shards(Api& api, ApiCall&& call) {
  query_and_pass_on(api, call.respond, Query{0, Query::What::shards, "", {}});
}

void drain_or_resume(Api& api, ApiCall&& call, bool drain) {
  if (!takes_no_body(call)) return;
  ask_and_pass_on(api, call.respond, [agent = call.args[0], who = call.actor, drain](ReplyTo reply) {
    return Input(DrainAgent{reply, who, agent, drain});
  });
}

// The shard in args[0] (the engine knows how many there are); nothing after having answered 400.
std::optional<int> shard_number(const ApiCall& call) {
  const auto shard = whole_number(call.args[0], 0, kHighestShard);
  if (!shard) {
    call.respond(bad_request("shard must be a whole number from 0"));
    return std::nullopt;
  }
  return static_cast<int>(*shard);
}

void pin_shard(Api& api, ApiCall&& call) {
  const auto shard = shard_number(call);
  if (!shard) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"agent"}, complaints);
  const auto agent = body->find("agent");
  if (agent == body->end()) {
    complaints.add("/agent", "is required");
  } else if (!agent->is_string() || agent->get_ref<const std::string&>().empty() ||
             agent->get_ref<const std::string&>().size() > limits::kNameBytes) {
    complaints.add("/agent", "must be the name of an agent");
  }
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_pass_on(api, call.respond,
                  [shard = *shard, who = call.actor, name = agent->get<std::string>()](ReplyTo reply) {
                    return Input(PinShard{reply, who, shard, name});
                  });
}

void unassign_shard(Api& api, ApiCall&& call) {
  const auto shard = shard_number(call);
  if (!shard) return;
  ask_and_pass_on(api, call.respond, [shard = *shard, who = call.actor](ReplyTo reply) {
    return Input(UnassignShard{reply, who, shard});
  });
}

}  // namespace

std::vector<Route> agents_routes(Api& api) {
  const auto bind = [&api](void (*function)(Api&, ApiCall &&)) {
    return [&api, function](ApiCall&& call) { function(api, std::move(call)); };
  };
  return {
      {"GET", "/v1/agents", Role::read, bind(&list_agents), {}},
      {"GET", "/v1/agents/{name}", Role::read, bind(&get_agent), {}},
      {"POST",
       "/v1/agents/{name}/drain",
       Role::operate,
       [&api](ApiCall&& call) { drain_or_resume(api, std::move(call), /*drain=*/true); },
       {}},
      {"POST",
       "/v1/agents/{name}/resume",
       Role::operate,
       [&api](ApiCall&& call) { drain_or_resume(api, std::move(call), /*drain=*/false); },
       {}},
      {"GET", "/v1/shards", Role::read, bind(&list_shards), {}},
      {"PUT", "/v1/shards/{n}/agent", Role::operate, bind(&pin_shard), {}},
      {"DELETE", "/v1/shards/{n}/agent", Role::operate, bind(&unassign_shard), {}},
  };
}

}  // namespace duly
