// Queues: their depth as broker and store see it, the pause switch and the limits.
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

// A whole number within [1, most]; complains otherwise.
std::int64_t read_limit(const Json& value, const std::string& pointer, std::int64_t most,
                        Complaints& complaints) {
  const bool whole = value.is_number_integer() &&
                     (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (whole && value.get<std::int64_t>() >= 1 && value.get<std::int64_t>() <= most)
    return value.get<std::int64_t>();
  complaints.add(pointer, "must be a whole number from 1 to " + std::to_string(most));
  return 1;
}

std::optional<std::int64_t> read_max_running(const Json& value, Complaints& complaints) {
  if (value.is_null()) return std::nullopt;
  return read_limit(value, "/max_running", limits::kMaxRunning, complaints);
}

std::optional<StartRate> read_rate(const Json& value, Complaints& complaints) {
  if (value.is_null()) return std::nullopt;
  if (!value.is_object()) {
    complaints.add("/rate", "must be null or an object with count and per_ms");
    return std::nullopt;
  }
  StartRate rate;
  for (const auto& [name, member] : value.items()) {
    const std::string pointer = "/rate/" + pointer_token(name);
    if (name == "count") {
      rate.count = read_limit(member, pointer, limits::kRateCount, complaints);
    } else if (name == "per_ms") {
      rate.per_ms = read_limit(member, pointer, limits::kRatePerMs, complaints);
    } else {
      complaints.add(pointer, "unknown field");
    }
  }
  if (rate.count == 0) complaints.add("/rate/count", "is required");
  if (rate.per_ms == 0) complaints.add("/rate/per_ms", "is required");
  return rate;
}

// What the body asks of the queue; complains of what it cannot mean.
PutQueue read_put(const Json& body, Complaints& complaints) {
  PutQueue put;
  refuse_unknown(body, {"paused", "max_running", "rate", "bundle"}, complaints);
  if (const auto field = body.find("paused"); field != body.end()) {
    if (field->is_boolean()) {
      put.paused = field->get<bool>();
    } else {
      complaints.add("/paused", "must be true or false");
    }
  }
  if (const auto field = body.find("max_running"); field != body.end())
    put.max_running = read_max_running(*field, complaints);
  if (const auto field = body.find("bundle"); field != body.end())
    put.bundle = read_limit(*field, "/bundle", std::int64_t{limits::kBundleCommands}, complaints);
  if (const auto field = body.find("rate"); field != body.end()) put.rate = read_rate(*field, complaints);
  return put;
}

void put_queue(Api& api, ApiCall&& call) {
  if (!names_queue(call)) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  PutQueue put = read_put(*body, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  put.actor = call.actor;
  put.queue = call.args[0];
  ask_and_pass_on(api, call.respond, [put = std::move(put)](ReplyTo reply) {
    PutQueue numbered = put;
    numbered.reply = reply;
    return Input(std::move(numbered));
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
