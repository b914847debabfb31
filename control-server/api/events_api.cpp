// GET /v1/events: every state change, as server-sent events.
#include <array>
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/event_hub.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

// Each reads one parameter into the filter; false = its value is bad.
bool read_queue(EventFilter& filter, const std::string& value) {
  filter.queue = value;
  return is_plain_name(value, limits::kQueueBytes);
}
bool read_type(EventFilter& filter, const std::string& value) {
  filter.type = value;
  return is_plain_name(value, limits::kTypeBytes);
}
bool read_state(EventFilter& filter, const std::string& value) {
  filter.state = state_named(value);
  return filter.state.has_value();
}
bool read_id(EventFilter& filter, const std::string& value) {
  filter.id = parse_command_id(value);
  return filter.id.has_value();
}

struct FilterRule {
  std::string_view name;
  bool (*read)(EventFilter&, const std::string&);
  std::string_view complaint;
};
constexpr std::array kFilters = {
    FilterRule{"queue", &read_queue, "queue must be 1 to 64 characters of [A-Za-z0-9._-]"},
    FilterRule{"type", &read_type, "type must be 1 to 128 characters of [A-Za-z0-9._-]"},
    FilterRule{"state", &read_state, "state is not a state of a command"},
    FilterRule{"id", &read_id, "id is not a command id"},
};

EventFilter read_filter(const ApiCall& call, Complaints& complaints) {
  EventFilter filter;
  for (const FilterRule& rule : kFilters) {
    const std::string* value = call.parameter(rule.name);
    if (value != nullptr && !rule.read(filter, *value)) complaints.add("", std::string(rule.complaint));
  }
  return filter;
}

HttpResponse no_room() {
  return make_problem(503, std::to_string(limits::kEventStreams) + " streams of events are open already", {},
                      "too_many_streams");
}

void events(Api& api, ApiCall&& call) {
  Complaints complaints;
  EventFilter filter = read_filter(call, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  if (api.events == nullptr || api.events->full()) return call.respond(no_room());
  const std::string* last = call.request.field("last-event-id");
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.fields.emplace_back("X-Accel-Buffering", "no");  // a proxy that gathers would hold events back
  response.stream = [&api, filter, from = last == nullptr ? std::string() : *last](
                        const std::shared_ptr<HttpStream>& stream) {
    api.events->listen(filter, from, stream);
  };
  call.respond(std::move(response));
}

}  // namespace

std::vector<Route> events_routes(Api& api) {
  return {{"GET",
           "/v1/events",
           Role::read,
           [&api](ApiCall&& call) { events(api, std::move(call)); },
           {"queue", "type", "state", "id"},
           /*stream=*/true}};
}

}  // namespace duly
