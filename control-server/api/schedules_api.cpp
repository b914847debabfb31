// Schedules: creating, changing, looking at them, and what they will do.
#include <charconv>
#include <utility>

#include "common/wire/json_text.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/cursor.h"
#include "control-server/api/paging.h"
#include "control-server/api/routes.h"
#include "control-server/api/schedule_json.h"

namespace duly {
namespace {

constexpr std::int64_t kMostPreviewed = 1000;

// The name in args[0]; false after having answered 400.
bool names_schedule(const ApiCall& call) {
  if (is_plain_name(call.args[0], limits::kTypeBytes)) return true;
  call.respond(bad_request("schedule must be 1 to 128 characters of [A-Za-z0-9._-]"));
  return false;
}

std::string etag_of(std::int64_t version) { return "\"" + std::to_string(version) + "\""; }

// The version that If-Match asks for; nothing when any will do.  False after having answered.
bool read_if_match(const ApiCall& call, std::optional<std::int64_t>& version) {
  const std::string* field = call.request.field("if-match");
  if (field == nullptr || *field == "*") return true;
  std::string_view text = *field;
  if (text.size() > 2 && text.front() == '"' && text.back() == '"') {
    version = whole_number(text.substr(1, text.size() - 2), 1, INT64_MAX);
  }
  // Some other server's tag, or a weak one: it matches nothing we have (RFC 9110 section 13.1.1).
  if (!version) call.respond(make_problem(412, "If-Match names no version of this schedule"));
  return version.has_value();
}

HttpResponse show_schedule(Api& api, const std::string& name, int status = 200) {
  const auto row = api.reader.schedule(name);
  if (!row) return reader_problem(row.error(), "schedule");
  HttpResponse response;
  response.status = status;
  append_schedule_json(response.body, *row);
  response.fields.emplace_back("ETag", etag_of(row->version));
  if (status == 201) response.fields.emplace_back("Location", "/v1/schedules/" + name);
  return response;
}

void ask_and_show_schedule(Api& api, const Respond& respond, const std::string& name, int status,
                           const Desk::Make& make) {
  api.desk.ask(make, [&api, respond, name, status](const Answer& answer) {
    const auto* problem = std::get_if<Problem>(&answer.what);
    respond_to_change(api, respond,
                      problem != nullptr ? problem_response(*problem) : show_schedule(api, name, status));
  });
}

// ---- changing
// ---------------------------------------------------------------------------------------------

void put_schedule(Api& api, const ApiCall& call, ScheduleSpec spec, std::optional<std::int64_t> if_match,
                  bool create, const std::string& what) {
  const std::string name = spec.name;
  const auto shared = std::make_shared<ScheduleSpec>(std::move(spec));
  ask_and_show_schedule(api, call.respond, name, create ? 201 : 200,
                        [shared, who = call.actor, if_match, create, what](ReplyTo reply) {
                          return Input(PutSchedule{reply, who, std::move(*shared), create, if_match, what});
                        });
}

void create_schedule(Api& api, ApiCall&& call) {
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  ScheduleSpec spec = read_schedule(*body, call.request.body, "", complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  put_schedule(api, call, std::move(spec), std::nullopt, true, "");
}

void replace_schedule(Api& api, ApiCall&& call) {
  std::optional<std::int64_t> if_match;
  if (!names_schedule(call) || !read_if_match(call, if_match)) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  ScheduleSpec spec = read_schedule(*body, call.request.body, call.args[0], complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  put_schedule(api, call, std::move(spec), if_match, false, "");
}

template <ChangeSchedule::What what>
void change_schedule(Api& api, ApiCall&& call) {
  std::optional<std::int64_t> if_match;
  if (!names_schedule(call) || !takes_no_body(call) || !read_if_match(call, if_match)) return;
  ask_and_show_schedule(api, call.respond, call.args[0], 200,
                        [name = call.args[0], who = call.actor, if_match](ReplyTo reply) {
                          return Input(ChangeSchedule{reply, who, name, what, if_match});
                        });
}

void remove_schedule(Api& api, ApiCall&& call) {
  std::optional<std::int64_t> if_match;
  if (!names_schedule(call) || !takes_no_body(call) || !read_if_match(call, if_match)) return;
  const auto make = [name = call.args[0], who = call.actor, if_match](ReplyTo reply) {
    return Input(ChangeSchedule{reply, who, name, ChangeSchedule::What::remove, if_match});
  };
  api.desk.ask(make, [&api, respond = call.respond](const Answer& answer) {
    const auto* problem = std::get_if<Problem>(&answer.what);
    HttpResponse gone;
    gone.status = 204;
    respond_to_change(api, respond, problem != nullptr ? problem_response(*problem) : std::move(gone));
  });
}

void trigger_schedule(Api& api, ApiCall&& call) {
  if (!names_schedule(call) || !takes_no_body(call)) return;
  const auto make = [name = call.args[0], who = call.actor](ReplyTo reply) {
    return Input(ChangeSchedule{reply, who, name, ChangeSchedule::What::trigger, std::nullopt});
  };
  api.desk.ask(make, [&api, respond = call.respond](const Answer& answer) {
    const auto* done = std::get_if<Done>(&answer.what);
    const auto* problem = std::get_if<Problem>(&answer.what);
    if (done == nullptr)
      return respond_to_change(api, respond,
                               problem != nullptr ? problem_response(*problem)
                                                  : make_problem(500, "unexpected answer of the engine"));
    HttpResponse response = show_command(api, done->id, 201);
    response.fields.emplace_back("Location", "/v1/commands/" + format_command_id(done->id));
    respond_to_change(api, respond, std::move(response));
  });
}

std::int64_t read_required_instant(const Json& body, const char* field, Complaints& complaints) {
  const std::string pointer = std::string("/") + field;
  const auto at = body.find(field);
  if (at == body.end()) {
    complaints.add(pointer, "is required");
    return 0;
  }
  const auto instant = at->is_string() ? parse_instant(at->get_ref<const std::string&>()) : std::nullopt;
  if (!instant) complaints.add(pointer, "must be an RFC 3339 instant");
  return instant.value_or(0);
}

void backfill(Api& api, ApiCall&& call) {
  if (!names_schedule(call)) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"from", "to"}, complaints);
  const std::int64_t from = read_required_instant(*body, "from", complaints);
  const std::int64_t to = read_required_instant(*body, "to", complaints);
  if (complaints.empty() && to <= from) complaints.add("/to", "must be after from");
  if (!complaints.empty()) return call.respond(complaints.response());
  ask_and_pass_on(api, call.respond, [name = call.args[0], who = call.actor, from, to](ReplyTo reply) {
    return Input(BackfillSchedule{reply, who, name, from, to});
  });
}

void rollback(Api& api, ApiCall&& call) {
  std::optional<std::int64_t> if_match;
  if (!names_schedule(call) || !read_if_match(call, if_match)) return;
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"version"}, complaints);
  const auto field = body->find("version");
  const bool good = field != body->end() && field->is_number_unsigned() && field->get<std::uint64_t>() > 0 &&
                    field->get<std::uint64_t>() < INT64_MAX;
  if (!good) complaints.add("/version", "must be the number of a version");
  if (!complaints.empty()) return call.respond(complaints.response());
  const auto number = field->get<std::int64_t>();
  const auto found = api.reader.schedule_versions(call.args[0], number + 1, 1);
  if (!found) return call.respond(reader_problem(found.error(), "schedule"));
  if (found->empty() || found->front().version != number)
    return call.respond(make_problem(404, "there is no such version of this schedule"));
  const auto old = parse_json(found->front().text, limits::kJsonDepth);
  DULY_ASSERT(old.ok());  // written by us
  ScheduleSpec spec = read_schedule(*old, found->front().text, call.args[0], complaints);
  spec.enabled = found->front().enabled;
  if (!complaints.empty()) return call.respond(complaints.response());
  put_schedule(api, call, std::move(spec), if_match, false, "rolled back to " + std::to_string(number));
}

// ---- looking
// ----------------------------------------------------------------------------------------------

void get_schedule(Api& api, ApiCall&& call) {
  if (names_schedule(call)) call.respond(show_schedule(api, call.args[0]));
}

void list_schedules(Api& api, ApiCall&& call) {
  int limit = 0;
  std::int64_t after = 0;
  if (!read_page(call, CursorKind::schedules, limit, after)) return;
  const auto rows = api.reader.schedules(after, limit);
  if (!rows) return call.respond(reader_problem(rows.error(), "list"));
  call.respond(page_of(*rows, limit, CursorKind::schedules, rows->empty() ? 0 : rows->back().id,
                       &append_schedule_json));
}

void list_versions(Api& api, ApiCall&& call) {
  int limit = 0;
  std::int64_t below = 0;
  if (!names_schedule(call) || !read_page(call, CursorKind::schedule_versions, limit, below)) return;
  const auto rows = api.reader.schedule_versions(call.args[0], below, limit);
  if (!rows) return call.respond(reader_problem(rows.error(), "schedule"));
  call.respond(page_of(*rows, limit, CursorKind::schedule_versions, rows->empty() ? 0 : rows->back().version,
                       &append_version_json));
}

void next_fires(Api& api, ApiCall&& call) {
  if (!names_schedule(call)) return;
  const std::string* count_text = call.parameter("count");
  const std::string* from_text = call.parameter("from");
  const auto count =
      count_text == nullptr ? std::optional<std::int64_t>(10) : whole_number(*count_text, 1, kMostPreviewed);
  if (!count) return call.respond(bad_request("count must be a whole number from 1 to 1000"));
  const auto from =
      from_text == nullptr ? std::optional<std::int64_t>(to_ms(api.loop.wall())) : parse_instant(*from_text);
  if (!from) return call.respond(bad_request("from must be an RFC 3339 instant"));
  const auto row = api.reader.schedule(call.args[0]);
  if (!row) return call.respond(reader_problem(row.error(), "schedule"));
  const auto timetable = Timetable::make(row->spec.timing, row->spec.name);
  if (!timetable) return call.respond(make_problem(409, timetable.error().what));
  std::string body = "{\"items\":[";
  auto fire = timetable->next(*from - 1);
  for (std::int64_t i = 0; i < *count && fire; ++i, fire = timetable->next(*fire)) {
    if (body.back() != '[') body += ',';
    JsonObject object(body);
    object.instant("fire_at", *fire);
    object.instant("due_at", *fire + jitter_of(row->spec.name, *fire, row->spec.jitter_ms));
    object.text_or_null("shift", timetable->shift_at(*fire));
    object.end();
  }
  call.respond(json_response(200, body + "]}"));
}

}  // namespace

std::vector<Route> schedules_routes(Api& api) {
  const auto bind = [&api](void (*function)(Api&, ApiCall &&)) {
    return [&api, function](ApiCall&& call) { function(api, std::move(call)); };
  };
  using What = ChangeSchedule::What;
  return {
      {"POST", "/v1/schedules", Role::operate, bind(&create_schedule), {}},
      {"GET", "/v1/schedules", Role::read, bind(&list_schedules), {"limit", "cursor"}},
      {"GET", "/v1/schedules/{name}", Role::read, bind(&get_schedule), {}},
      {"PUT", "/v1/schedules/{name}", Role::operate, bind(&replace_schedule), {}},
      {"DELETE", "/v1/schedules/{name}", Role::operate, bind(&remove_schedule), {}},
      {"POST", "/v1/schedules/{name}/pause", Role::operate, bind(&change_schedule<What::pause>), {}},
      {"POST", "/v1/schedules/{name}/resume", Role::operate, bind(&change_schedule<What::resume>), {}},
      {"POST", "/v1/schedules/{name}/trigger", Role::operate, bind(&trigger_schedule), {}},
      {"POST", "/v1/schedules/{name}/backfill", Role::operate, bind(&backfill), {}},
      {"POST", "/v1/schedules/{name}/rollback", Role::operate, bind(&rollback), {}},
      {"GET", "/v1/schedules/{name}/next", Role::read, bind(&next_fires), {"count", "from"}},
      {"GET", "/v1/schedules/{name}/versions", Role::read, bind(&list_versions), {"limit", "cursor"}},
  };
}

}  // namespace duly
