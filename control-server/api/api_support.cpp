#include "control-server/api/api_support.h"

#include <algorithm>
#include <charconv>

#include "common/base/log.h"
#include "common/model/limits.h"
#include "common/wire/json_text.h"
#include "control-server/api/command_json.h"

namespace duly {

HttpResponse bad_request(const std::string& detail) { return make_problem(400, detail, {{"", detail}}); }

HttpResponse problem_response(const Problem& problem) {
  std::vector<FieldError> errors;
  if (!problem.pointer.empty()) errors.push_back({problem.pointer, problem.detail});
  return make_problem(problem.status, problem.detail, errors, problem.title, problem.retry_after_s);
}

HttpResponse reader_problem(const Error& error, std::string_view what) {
  if (error.code == Errc::not_found) return make_problem(404, "there is no such " + std::string(what));
  log(LogLevel::error, "api", "a read from the store failed", {{"error", error.what}});
  return make_problem(503, "the store could not be read; try again");
}

HttpResponse json_response(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

void respond_to_change(const Api& api, const Respond& respond, HttpResponse response) {
  if (api.before_reply) api.before_reply();
  respond(std::move(response));
}

void answer_accepted(const Api& api, const Respond& respond, const std::string& collection,
                     const std::string& id, bool replayed, HttpResponse shown) {
  if (shown.status != 200) {
    shown = HttpResponse{};
    JsonObject object(shown.body);
    object.text("id", id);
    object.end();
  }
  shown.status = replayed ? 200 : 201;
  shown.fields.emplace_back("Location", collection + id);
  if (replayed) shown.fields.emplace_back("Idempotency-Replayed", "true");
  respond_to_change(api, respond, std::move(shown));
}

namespace {

HttpResponse passed_on(const Answer& answer) {
  if (const auto* body = std::get_if<JsonBody>(&answer.what)) return json_response(body->status, body->body);
  if (const auto* problem = std::get_if<Problem>(&answer.what)) return problem_response(*problem);
  return json_response(200, "{}");
}

}  // namespace

void ask_and_pass_on(Api& api, const Respond& respond, const Desk::Make& make) {
  api.desk.ask(make,
               [&api, respond](const Answer& answer) { respond_to_change(api, respond, passed_on(answer)); });
}

void query_and_pass_on(Api& api, const Respond& respond, const Query& query) {
  api.desk.ask(
      [query](ReplyTo reply) {
        Query numbered = query;
        numbered.reply = reply;
        return Input(std::move(numbered));
      },
      [respond](const Answer& answer) { respond(passed_on(answer)); });
}

void ask_and_show_command(Api& api, const Respond& respond, const Desk::Make& make) {
  api.desk.ask(make, [&api, respond](const Answer& answer) {
    const auto* done = std::get_if<Done>(&answer.what);
    respond_to_change(api, respond, done != nullptr ? show_command(api, done->id) : passed_on(answer));
  });
}

HttpResponse show_command(Api& api, CommandId id, int status) {
  const auto view = api.reader.command(id);
  if (!view) return reader_problem(view.error(), "command");
  HttpResponse response;
  response.status = status;
  append_command_json(response.body, *view, CommandDetail::full);
  return response;
}

std::optional<CommandId> command_id_of(const ApiCall& call) {
  const auto id = parse_command_id(call.args[0]);
  if (!id) call.respond(bad_request("id is not a command id"));
  return id;
}

std::optional<std::int64_t> whole_number(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < least || value > most) {
    return std::nullopt;
  }
  return value;
}

std::optional<Json> object_body(const ApiCall& call, bool may_be_empty) {
  if (may_be_empty && call.request.body.empty()) return Json::object();
  auto parsed = parse_json(call.request.body, limits::kJsonDepth);
  if (!parsed) {
    call.respond(bad_request(parsed.error().what));
    return std::nullopt;
  }
  if (!parsed->is_object()) {
    call.respond(bad_request("the body must be a JSON object"));
    return std::nullopt;
  }
  return std::move(parsed).value();
}

void refuse_unknown(const Json& object, std::initializer_list<std::string_view> known,
                    Complaints& complaints) {
  for (const auto& item : object.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    complaints.add("/" + pointer_token(item.key()), "unknown field");
  }
}

bool takes_no_body(const ApiCall& call) {
  const auto body = object_body(call, /*may_be_empty=*/true);
  if (!body) return false;
  Complaints complaints;
  refuse_unknown(*body, {}, complaints);
  if (!complaints.empty()) call.respond(complaints.response());
  return complaints.empty();
}

std::string pointer_token(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

std::string idempotency_key_of(const HttpRequest& request, Complaints& complaints) {
  const auto is_key = [](const HttpField& f) { return f.name == "idempotency-key"; };
  const auto count = std::count_if(request.fields.begin(), request.fields.end(), is_key);
  if (count == 0) return {};
  const std::string& key = *request.field("idempotency-key");
  if (count > 1 || key.empty() || key.size() > limits::kIdempotencyKeyBytes) {
    complaints.add("", "Idempotency-Key must be given once and have 1 to 255 bytes");
  }
  return key;
}

// Two traceparents are none; several tracestates are one list.
TracePtr trace_of(const HttpRequest& request) {
  const std::string* parent = nullptr;
  std::string state;
  for (const HttpField& field : request.fields) {
    if (field.name == "traceparent") {
      if (parent != nullptr) return nullptr;
      parent = &field.value;
    } else if (field.name == "tracestate") {
      if (!state.empty()) state += ',';
      state += field.value;
    }
  }
  return parent == nullptr ? nullptr : read_trace(*parent, state);
}

}  // namespace duly
