#include "client/texts.h"

#include <algorithm>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "common/wire/json_text.h"
#include "common/wire/raw_json.h"

namespace duly::client {
namespace {

constexpr int kAnswerDepth = 2 * limits::kJsonDepth;  // a payload inside a command inside a list

Error bad(const std::string& field, const std::string& what) {
  return {ErrorKind::invalid, 0, field + ": " + what};
}

Error not_understood() {
  return {ErrorKind::unknown, 0, "the answer cannot be understood; the request has been applied"};
}

// Never early: rounded up.
std::int64_t wall_ms(std::chrono::system_clock::time_point at) {
  return std::chrono::ceil<milliseconds>(at.time_since_epoch()).count();
}

void add_retry(JsonObject& object, std::string& out, const Retry& retry) {
  object.begin("retry");
  JsonObject inner(out);
  inner.number("max_attempts", retry.max_attempts);
  inner.number("initial_delay_ms", retry.initial_delay.count());
  inner.real("multiplier", retry.multiplier);
  inner.number("max_delay_ms", retry.max_delay.count());
  inner.real("jitter", retry.jitter);
  inner.end();
}

void add_when(JsonObject& object, const CommandSpec& command) {
  if (command.delay) object.number("delay_ms", command.delay->count());
  if (command.due_at) object.instant("due_at", wall_ms(*command.due_at));
  if (command.expires_at) object.instant("expires_at", wall_ms(*command.expires_at));
  if (command.timeout) object.number("timeout_ms", command.timeout->count());
}

void add_relations(JsonObject& object, std::string& out, const CommandSpec& command) {
  if (!command.depends_on.empty()) object.raw("depends_on", dump_json(Json(command.depends_on)));
  if (command.labels.empty()) return;
  object.begin("labels");
  JsonObject labels(out);
  for (const auto& [name, value] : command.labels) labels.text(name, value);
  labels.end();
}

Status check(const CommandSpec& command) {
  // It is put into the text as it is: what is no JSON value could bring fields of its own.
  if (!command.payload.empty() && !parse_json(command.payload, limits::kJsonDepth))
    return invalid("payload: is not JSON");
  if (!is_key(command.idempotency_key))
    return invalid("idempotency_key: must be 1 to 255 printable ASCII characters");
  return ok_status();
}

Result<std::string> text_of(const CommandSpec& command, bool with_key) {
  if (const Status checked = check(command); !checked)
    return Error{ErrorKind::invalid, 0, checked.error().what};
  std::string out;
  JsonObject object(out);
  object.text("type", command.type);
  if (!command.queue.empty()) object.text("queue", command.queue);
  if (command.priority) object.number("priority", *command.priority);
  if (!command.key.empty()) object.text("key", command.key);
  add_when(object, command);
  if (command.retry) add_retry(object, out, *command.retry);
  add_relations(object, out, command);
  if (command.dead_when_lost) object.text("on_lost", "dead");
  if (with_key) object.text("idempotency_key", command.idempotency_key);
  if (!command.payload.empty()) object.raw("payload", command.payload);
  object.end();
  return out;
}

std::string text_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<std::string> command_text(const CommandSpec& command) { return text_of(command, /*with_key=*/false); }

Result<std::string> batch_text(const std::vector<CommandSpec>& commands) {
  if (commands.empty() || commands.size() > limits::kBatchCommands)
    return bad("commands", "must be 1 to " + std::to_string(limits::kBatchCommands));
  std::string out = R"({"commands":[)";
  for (std::size_t i = 0; i < commands.size(); ++i) {
    const auto text = text_of(commands[i], /*with_key=*/true);
    if (!text) return bad("commands/" + std::to_string(i), text.error().message);
    out += (i > 0 ? "," : "") + *text;
  }
  return out + "]}";
}

Result<Command> read_command(std::string text) {
  const auto object = parse_json(text, kAnswerDepth);
  if (!object || !object->is_object()) return not_understood();
  Command command;
  command.id = text_in(*object, "id");
  if (command.id.empty()) return not_understood();
  command.type = text_in(*object, "type");
  command.queue = text_in(*object, "queue");
  command.state = text_in(*object, "state");
  command.error = text_in(*object, "error");
  const auto attempt = object->find("attempt");
  if (attempt != object->end() && attempt->is_number_integer()) command.attempt = attempt->get<int>();
  const auto result = raw_member(text, "result");
  if (result && *result != "null") command.result = *result;
  command.json = std::move(text);
  return command;
}

Result<std::vector<Submitted>> read_batch(const std::string& text, const std::vector<CommandSpec>& sent) {
  const auto object = parse_json(text, kAnswerDepth);
  if (!object || !object->is_object() || !object->contains("items")) return not_understood();
  const Json& items = (*object)["items"];
  if (!items.is_array() || items.size() != sent.size()) return not_understood();
  std::vector<Submitted> submitted;
  submitted.reserve(sent.size());
  for (const Json& item : items) {
    if (!item.is_object() || text_in(item, "id").empty()) return not_understood();
    const auto replayed = item.find("replayed");
    submitted.push_back({text_in(item, "id"), replayed != item.end() && *replayed == true,
                         sent[submitted.size()].idempotency_key});
  }
  return submitted;
}

Result<std::string> name_in(const std::string& document) {
  const auto object = parse_json(document, kAnswerDepth);
  if (!object) return bad("the schedule", object.error().what);
  std::string name = object->is_object() ? text_in(*object, "name") : "";
  if (!is_path_word(name)) return bad("name", "must be 1 to 128 characters of [A-Za-z0-9._-]");
  return name;
}

bool is_path_word(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
  return plain && !text.empty() && text.size() <= limits::kNameBytes && text != "." && text != "..";
}

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= limits::kIdempotencyKeyBytes &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

}  // namespace duly::client
