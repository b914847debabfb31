// POST /v1/commands and /v1/commands/batch.
#include <algorithm>
#include <utility>
#include <vector>

#include "common/base/assert.h"
#include "common/base/log.h"
#include "common/wire/json_scan.h"
#include "common/wire/json_text.h"
#include "common/wire/raw_json.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

enum class Form : std::uint8_t { single, batch, lines };

// The engine points into {"commands": […]}; the client may have written something else.
Problem in_terms_of(Form form, Problem problem) {
  static constexpr std::string_view kBatch = "/commands";
  static constexpr std::string_view kFirst = "/commands/0";
  if (form == Form::lines && problem.pointer.starts_with(kBatch)) problem.pointer.erase(0, kBatch.size());
  if (form == Form::single && problem.pointer.starts_with(kFirst)) problem.pointer.erase(0, kFirst.size());
  return problem;
}

void answer_batch(Api& api, const Respond& respond, const Submitted& submitted) {
  HttpResponse response;
  response.status = 201;
  response.body = "{\"items\":[";
  for (const SubmittedItem& item : submitted.items) {
    if (response.body.back() != '[') response.body += ',';
    JsonObject object(response.body);
    object.text("id", format_command_id(item.id));
    object.boolean("replayed", item.replayed);
    object.end();
  }
  response.body += "]}";
  respond_to_change(api, respond, std::move(response));
}

// As the reader would show it: held against it by a test.
HttpResponse show_fresh(const FreshCommand& fresh) {
  CommandView view;
  view.id = fresh.row.id;
  view.spec = fresh.spec;
  view.spec.due_at_ms = fresh.row.due_ms;
  view.state = fresh.row.state;
  view.max_attempts = fresh.row.max_attempts;
  view.shard = fresh.row.shard.value;
  view.created_at_ms = fresh.created_ms;
  if (!fresh.spec.callback_url.empty()) view.callback = CallbackView{};
  HttpResponse response;
  append_command_json(response.body, view, CommandDetail::full);
  return response;
}

// Which request made which command: its trace, if it has one, is told with the attempts as well.
void log_accepted(const std::string& request_id, const Submitted& submitted, const TracePtr& trace) {
  if (!log_enabled(LogLevel::debug)) return;
  const std::string trace_id = trace ? trace->trace_id() : "";
  for (const SubmittedItem& item : submitted.items) {
    log(LogLevel::debug, "api", item.replayed ? "replayed" : "accepted",
        {{"request_id", request_id}, {"command", item.id}, {"trace_id", trace_id}});
  }
}

void submit(Api& api, const ApiCall& call, Form form, std::vector<NewCommand> commands) {
  const TracePtr trace = trace_of(call.request);
  for (NewCommand& command : commands) command.spec.trace = trace;
  const auto shared = std::make_shared<std::vector<NewCommand>>(std::move(commands));
  const auto make = [shared, who = call.actor](ReplyTo reply) {
    return Input(Submit{reply, who, std::move(*shared)});
  };
  api.desk.ask(make, [&api, respond = call.respond, form, trace,
                      request = call.request.request_id](const Answer& answer) {
    if (const auto* submitted = std::get_if<Submitted>(&answer.what)) {
      log_accepted(request, *submitted, submitted->only ? submitted->only->spec.trace : trace);
      if (form != Form::single) return answer_batch(api, respond, *submitted);
      const SubmittedItem& item = submitted->items.at(0);
      answer_accepted(api, respond, "/v1/commands/", format_command_id(item.id), item.replayed,
                      submitted->only ? show_fresh(*submitted->only) : show_command(api, item.id));
    } else if (const auto* problem = std::get_if<Problem>(&answer.what)) {
      respond_to_change(api, respond, problem_response(in_terms_of(form, *problem)));
    } else {
      respond_to_change(api, respond, make_problem(500, "unexpected answer of the engine"));
    }
  });
}

// With its payload only where the hash of its meaning needs it: otherwise its bytes are taken as they are.
Result<Json> read_object(std::string_view text, bool hashed) {
  if (hashed) return parse_json(text, limits::kJsonDepth);
  return parse_json_without("payload", text, limits::kJsonDepth);
}

void submit_one(Api& api, ApiCall&& call) {
  Complaints complaints;
  std::string key = idempotency_key_of(call.request, complaints);
  const auto parsed = read_object(call.request.body, !key.empty());
  if (!parsed) return call.respond(bad_request(parsed.error().what));
  const CommandSource source{call.request.body, "", false, to_ms(api.loop.wall())};
  NewCommand command = read_command(*parsed, source, complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  if (!key.empty()) command.body_hash = meaning_hash(*parsed);
  command.idempotency_key = std::move(key);
  std::vector<NewCommand> commands;
  commands.push_back(std::move(command));
  submit(api, call, Form::single, std::move(commands));
}

void add_command(const CommandSource& source, std::vector<NewCommand>& commands, Complaints& complaints) {
  const auto object = read_object(source.raw, false);
  if (!object) return complaints.add(source.at, object.error().what);
  commands.push_back(read_command(*object, source, complaints));
  if (commands.back().idempotency_key.empty()) return;
  const auto hashed = read_object(source.raw, true);
  DULY_ASSERT(hashed.ok());
  commands.back().body_hash = meaning_hash(*hashed);
}

void check_count(std::size_t count, const std::string& pointer, Complaints& complaints) {
  if (count == 0) complaints.add(pointer, "must hold at least one command");
  if (count > limits::kBatchCommands) {
    complaints.add(pointer, "must hold at most " + std::to_string(limits::kBatchCommands) + " commands");
  }
}

// {"commands": […]}
std::vector<NewCommand> read_batch(std::string_view body, std::int64_t now_ms, Complaints& complaints) {
  std::vector<NewCommand> commands;
  const auto parsed = parse_json_without("commands", body, limits::kJsonDepth);
  if (!parsed || !parsed->is_object()) {
    complaints.add("", parsed ? "the body must be a JSON object" : parsed.error().what);
    return commands;
  }
  refuse_unknown(*parsed, {"commands"}, complaints);
  const auto list = raw_member(body, "commands");
  if (!list || !list->starts_with('[')) {
    complaints.add("/commands", "must be an array of commands");
    return commands;
  }
  const auto raw = raw_items(*list);
  check_count(raw.size(), "/commands", complaints);
  if (!complaints.empty()) return commands;
  for (std::size_t i = 0; i < raw.size() && !complaints.full(); ++i) {
    add_command({raw[i], "/commands/" + std::to_string(i), true, now_ms}, commands, complaints);
  }
  return commands;
}

// One command a line; empty lines do not count.
std::vector<NewCommand> read_lines(std::string_view body, std::int64_t now_ms, Complaints& complaints) {
  std::vector<NewCommand> commands;
  std::size_t count = 0;
  while (!body.empty() && !complaints.full() && count <= limits::kBatchCommands) {
    const std::string_view line = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(line.size() + 1, body.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    add_command({line, "/" + std::to_string(count++), true, now_ms}, commands, complaints);
  }
  check_count(count, "", complaints);
  return commands;
}

bool is_ndjson(const HttpRequest& request) {
  const std::string* type = request.field("content-type");
  return type != nullptr && type->starts_with("application/x-ndjson");
}

void submit_batch(Api& api, ApiCall&& call) {
  Complaints complaints;
  if (call.request.field("idempotency-key") != nullptr) {
    complaints.add("", "a batch takes an idempotency_key in each command, not the Idempotency-Key header");
  }
  const Form form = is_ndjson(call.request) ? Form::lines : Form::batch;
  auto* const read = form == Form::lines ? &read_lines : &read_batch;
  auto commands = read(call.request.body, to_ms(api.loop.wall()), complaints);
  if (!complaints.empty()) return call.respond(complaints.response());
  submit(api, call, form, std::move(commands));
}

}  // namespace

std::vector<Route> submit_routes(Api& api) {
  return {
      {"POST",
       "/v1/commands",
       Role::submit,
       [&api](ApiCall&& call) { submit_one(api, std::move(call)); },
       {}},
      {"POST",
       "/v1/commands/batch",
       Role::submit,
       [&api](ApiCall&& call) { submit_batch(api, std::move(call)); },
       {}},
  };
}

}  // namespace duly
