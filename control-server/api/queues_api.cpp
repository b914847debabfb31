// Queues: their depth as broker and store see it, and the pause switch.
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

// The name in args[0]; false after having answered 400.
bool names_queue(const ApiCall& call) {
  if (is_plain_name(call.args[0], limits::kQueueBytes)) return true;
  call.respond(bad_request("queue must be 1 to 64 characters of [A-Za-z0-9._-]"));
  return false;
}

void list_queues(Api& api, ApiCall&& call) {
  query_and_pass_on(api, call.respond, Query{0, Query::What::queues, "", {}});
}

void get_queue(Api& api, ApiCall&& call) {
  if (names_queue(call)) query_and_pass_on(api, call.respond, Query{0, Query::What::queue, call.args[0], {}});
}

void put_queue(Api& api, ApiCall&& call) {
  if (!names_queue(call)) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"paused", "max_running", "rate", "bundle"}, complaints);
  for (const char* const later : {"max_running", "rate", "bundle"}) {
    if (body->contains(later)) complaints.add(std::string("/") + later, "is not supported by this version");
  }
  std::optional<bool> paused;
  if (const auto field = body->find("paused"); field != body->end()) {
    if (field->is_boolean()) {
      paused = field->get<bool>();
    } else {
      complaints.add("/paused", "must be true or false");
    }
  }
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_pass_on(api, call.respond, [queue = call.args[0], paused](ReplyTo reply) {
    return Input(PutQueue{reply, Actor(kApiActor), queue, paused});
  });
}

}  // namespace

std::vector<Route> queues_routes(Api& api) {
  return {
      {"GET", "/v1/queues", Role::read, [&api](ApiCall&& call) { list_queues(api, std::move(call)); }, {}},
      {"GET",
       "/v1/queues/{name}",
       Role::read,
       [&api](ApiCall&& call) { get_queue(api, std::move(call)); },
       {}},
      {"PUT",
       "/v1/queues/{name}",
       Role::operate,
       [&api](ApiCall&& call) { put_queue(api, std::move(call)); },
       {}},
  };
}

}  // namespace duly
