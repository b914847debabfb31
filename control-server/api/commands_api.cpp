// One command: looking at it, waiting for its end, changing its course; and lists of commands.
#include <algorithm>
#include <array>
#include <utility>

#include "common/base/base64.h"
#include "common/wire/json_text.h"
#include "common/wire/raw_json.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/cursor.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

// ---- one command
// ---------------------------------------------------------------------------------------------

void await_end(Api& api, const Respond& respond, CommandId id, std::int64_t wait_ms) {
  const MonoTime until = api.loop.now() + milliseconds{wait_ms};
  const ReplyTo reply = api.desk.ask(
      [id, until](ReplyTo to) {
        return Input(AwaitEnd{to, id, until});
      },
      [&api, respond, id](const Answer& answer) {
        const auto* problem = std::get_if<Problem>(&answer.what);
        respond(problem != nullptr ? problem_response(*problem) : show_command(api, id));
      },
      milliseconds{wait_ms} + Desk::kPatience);
  if (reply == 0) return;
  respond.when_gone([&api, reply] {
    api.desk.forget(reply);
    api.desk.tell(ForgetWait{reply});
  });
}

void get_command(Api& api, ApiCall&& call) {
  const auto id = command_id_of(call);
  if (!id) return;
  const std::string* wait = call.parameter("wait_ms");
  const auto wait_ms =
      wait == nullptr ? std::optional<std::int64_t>(0) : whole_number(*wait, 0, limits::kWaitMs);
  if (!wait_ms) return call.respond(bad_request("wait_ms must be a whole number from 0 to 60000"));
  const auto view = api.reader.command(*id);
  if (!view) return call.respond(reader_problem(view.error(), "command"));
  if (*wait_ms > 0 && !is_end(view->state)) return await_end(api, call.respond, *id, *wait_ms);
  HttpResponse response;
  append_command_json(response.body, *view, CommandDetail::full);
  call.respond(std::move(response));
}

template <class Change>
void change_command(Api& api, ApiCall&& call) {
  const auto id = command_id_of(call);
  if (!id || !takes_no_body(call)) return;
  ask_and_show_command(api, call.respond, [id = *id, who = call.actor](ReplyTo reply) {
    return Input(Change{reply, who, id});
  });
}

// Without a body, or with {"payload": …}: that one in the place of the one that failed.
void redrive(Api& api, ApiCall&& call) {
  const auto id = command_id_of(call);
  if (!id) return;
  const auto body = object_body(call, /*may_be_empty=*/true);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"payload"}, complaints);
  Bytes payload;
  if (body->contains("payload")) {
    const auto raw = raw_member(call.request.body, "payload");
    DULY_ASSERT(raw);
    if (raw->size() > limits::kPayloadBytes)
      complaints.add_too_large("/payload",
                               "is larger than " + std::to_string(limits::kPayloadBytes) + " bytes");
    payload = make_bytes(std::string(*raw));
  }
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_show_command(api, call.respond, [id = *id, who = call.actor, payload](ReplyTo reply) {
    return Input(RedriveCommand{reply, who, id, payload});
  });
}

void revisions(Api& api, ApiCall&& call) {
  const auto id = command_id_of(call);
  if (!id) return;
  const auto items = api.reader.revisions(*id);
  if (!items) return call.respond(reader_problem(items.error(), "command"));
  std::string body = "{\"items\":[";
  for (const Reader::Revision& item : *items) {
    if (body.back() != '[') body += ',';
    JsonObject object(body);
    object.number("revision", item.revision);
    object.instant("replaced_at", item.at_ms);
    object.text("by", item.who);
    object.raw("payload", item.opaque ? std::string_view("null") : std::string_view(item.payload));
    if (item.opaque) object.text("payload_base64", to_base64(item.payload));
    object.end();
  }
  call.respond(json_response(200, body + "]}"));
}

void reschedule(Api& api, ApiCall&& call) {
  const auto id = command_id_of(call);
  if (!id) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"due_at"}, complaints);
  std::int64_t due_at_ms = 0;
  if (body->contains("due_at")) {
    due_at_ms = read_due((*body)["due_at"], "/due_at", to_ms(api.loop.wall()), complaints);
  } else {
    complaints.add("/due_at", "is required");
  }
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_show_command(api, call.respond, [id = *id, who = call.actor, due_at_ms](ReplyTo reply) {
    return Input(RescheduleCommand{reply, who, id, due_at_ms});
  });
}

void explain(Api& api, ApiCall&& call) {
  const auto id = command_id_of(call);
  if (id) query_and_pass_on(api, call.respond, Query{0, Query::What::explain, "", *id});
}

// ---- lists
// ---------------------------------------------------------------------------------------------------

struct ListRequest {
  CommandFilter filter;
  std::optional<CommandId> below;
  int limit = 100;
};

// Each reads one parameter into the request; false = its value is bad.
bool read_state(ListRequest& list, const std::string& value) {
  list.filter.state = state_named(value);
  return list.filter.state.has_value();
}
bool read_type_filter(ListRequest& list, const std::string& value) {
  list.filter.type = value;
  return is_plain_name(value, limits::kTypeBytes);
}
bool read_queue_filter(ListRequest& list, const std::string& value) {
  list.filter.queue = value;
  return is_plain_name(value, limits::kQueueBytes);
}
bool read_key_filter(ListRequest& list, const std::string& value) {
  list.filter.key = value;
  return is_valid_key(value);
}
bool read_schedule_filter(ListRequest& list, const std::string& value) {
  list.filter.schedule = value;
  return is_plain_name(value, limits::kTypeBytes);
}
bool read_workflow_filter(ListRequest& list, const std::string& value) {
  list.filter.workflow = parse_workflow_id(value);
  return list.filter.workflow.has_value();
}
bool read_due_before(ListRequest& list, const std::string& value) {
  list.filter.due_before_ms = parse_instant(value);
  return list.filter.due_before_ms.has_value();
}
bool read_due_after(ListRequest& list, const std::string& value) {
  list.filter.due_after_ms = parse_instant(value);
  return list.filter.due_after_ms.has_value();
}
bool read_limit(ListRequest& list, const std::string& value) {
  const auto number = whole_number(value, 1, limits::kPageItems);
  list.limit = static_cast<int>(number.value_or(1));
  return number.has_value();
}
bool read_cursor(ListRequest& list, const std::string& value) {
  const auto position = decode_cursor(CursorKind::commands, value);
  if (position) list.below = CommandId{*position};
  return position.has_value();
}

struct ParameterRule {
  std::string_view name;
  bool (*read)(ListRequest&, const std::string&);
  std::string_view complaint;
};
constexpr std::array kParameters = {
    ParameterRule{"state", &read_state, "state is not a state of a command"},
    ParameterRule{"type", &read_type_filter, "type must be 1 to 128 characters of [A-Za-z0-9._-]"},
    ParameterRule{"queue", &read_queue_filter, "queue must be 1 to 64 characters of [A-Za-z0-9._-]"},
    ParameterRule{"key", &read_key_filter, "key must have 1 to 256 bytes and no control characters"},
    ParameterRule{"schedule", &read_schedule_filter,
                  "schedule must be 1 to 128 characters of [A-Za-z0-9._-]"},
    ParameterRule{"workflow", &read_workflow_filter, "workflow is not the id of a workflow"},
    ParameterRule{"due_before", &read_due_before, "due_before must be an RFC 3339 instant"},
    ParameterRule{"due_after", &read_due_after, "due_after must be an RFC 3339 instant"},
    ParameterRule{"limit", &read_limit, "limit must be a whole number from 1 to 1000"},
    ParameterRule{"cursor", &read_cursor, "cursor is not one that this server has given out for this list"},
};

constexpr int kPieceItems = 100;
constexpr std::size_t kPageBytes = 8U << 20;
constexpr std::string_view kLabelPrefix = "label.";

void read_parameter(ListRequest& list, const std::string& name, const std::string& value,
                    Complaints& complaints) {
  if (name.starts_with(kLabelPrefix)) {
    list.filter.labels.emplace_back(name.substr(kLabelPrefix.size()), value);
    if (name.size() == kLabelPrefix.size())
      complaints.add("", "label. must be followed by the name of a label");
    return;
  }
  for (const ParameterRule& rule : kParameters) {
    if (rule.name != name) continue;
    if (!rule.read(list, value)) complaints.add("", std::string(rule.complaint));
    return;
  }
  complaints.add("", name + ": unknown query parameter");
}

// Appends the items; answers where the next page begins.  Payloads may be large: a page is read in pieces and
// ends early, with a cursor, when it has grown to kPageBytes.
Result<std::optional<CommandId>> append_page(Api& api, const ListRequest& list, std::string& out) {
  std::optional<CommandId> below = list.below;
  for (int room = list.limit; room > 0;) {
    const int piece = std::min(room, kPieceItems);
    const auto page = api.reader.list(list.filter, below, piece);
    if (!page) return page.error();
    for (const CommandView& view : page->items) {
      if (out.back() != '[') out += ',';
      append_command_json(out, view, CommandDetail::brief);
      if (out.size() > kPageBytes) return std::optional<CommandId>(view.id);
    }
    below = page->next;
    room -= piece;
    if (!below || static_cast<int>(page->items.size()) < piece) break;
  }
  return below;
}

void list_commands(Api& api, ApiCall&& call) {
  ListRequest list;
  Complaints complaints;
  for (const auto& [name, value] : call.query) read_parameter(list, name, value, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  HttpResponse response;
  response.body = "{\"items\":[";
  const auto next = append_page(api, list, response.body);
  if (!next) return call.respond(reader_problem(next.error(), "list"));
  response.body += "],\"next_cursor\":";
  response.body += *next ? '"' + encode_cursor(CursorKind::commands, (*next)->value) + '"' : "null";
  response.body += '}';
  call.respond(std::move(response));
}

}  // namespace

std::vector<Route> commands_routes(Api& api) {
  const auto bind = [&api](void (*function)(Api&, ApiCall &&)) {
    return [&api, function](ApiCall&& call) { function(api, std::move(call)); };
  };
  return {
      {"GET", "/v1/commands/{id}", Role::read, bind(&get_command), {"wait_ms"}},
      {"GET",
       "/v1/commands",
       Role::read,
       bind(&list_commands),
       {"state", "type", "queue", "key", "label.*", "due_before", "due_after", "schedule", "workflow",
        "limit", "cursor"}},
      {"POST", "/v1/commands/{id}/cancel", Role::operate, bind(&change_command<CancelCommand>), {}},
      {"POST", "/v1/commands/{id}/retry", Role::operate, bind(&redrive), {}},
      {"GET", "/v1/commands/{id}/revisions", Role::read, bind(&revisions), {}},
      {"POST", "/v1/commands/{id}/reschedule", Role::operate, bind(&reschedule), {}},
      {"GET", "/v1/commands/{id}/explain", Role::read, bind(&explain), {}},
  };
}

}  // namespace duly
