// POST /v1/commands: what is accepted keeps every bound, and shown to its client it can be submitted again as
// it is.
#include "control-server/api/command_json.h"
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

// What a client sees of it, without what the server adds and what is null.
std::string shown(const CommandSpec& spec) {
  CommandView view;
  view.id = CommandId{1};
  view.spec = spec;
  std::string text;
  append_command_json(text, view, CommandDetail::full);
  auto json = parse_json(text, limits::kJsonDepth + 1);  // a payload may be as deep as a request
  FUZZ_CHECK(json.ok());
  Json request = Json::object();
  for (const char* field : {"type", "queue", "due_at", "priority", "key", "retry", "timeout_ms", "expires_at",
                            "labels", "on_lost"}) {
    if (!(*json)[field].is_null()) request[field] = (*json)[field];
  }
  std::string body = dump_json(request);
  body.insert(body.size() - 1, ",\"payload\":" + *spec.payload);  // byte for byte
  return body;
}

}  // namespace

void run(Input input) {
  const std::string key(input.text(input.byte() % 8));
  const std::string body(input.rest());
  std::vector<HttpField> fields;
  if (!key.empty()) fields.push_back({"idempotency-key", key});
  const auto commands = submitted(ask("POST", "/v1/commands", body, fields));
  if (!commands) return;
  FUZZ_CHECK(commands->size() == 1);
  const NewCommand& command = commands->front();
  check_bounds(command);
  FUZZ_CHECK(command.idempotency_key == key);

  // The order of the members and white space do not change what an idempotency key stands for.
  const Json parsed = parse_json(body, limits::kJsonDepth).value();
  FUZZ_CHECK(meaning_hash(parsed) == meaning_hash(parse_json(parsed.dump(2), limits::kJsonDepth).value()));

  CommandSpec spec = command.spec;
  if (spec.delay_ms) spec.due_at_ms = testing::ManualLoop::kStartMs + *spec.delay_ms;
  spec.delay_ms.reset();
  // The engine refuses what can never start; until then it is nothing that could be shown.
  if (spec.expires_at_ms && *spec.expires_at_ms <= spec.due_at_ms.value_or(testing::ManualLoop::kStartMs))
    return;
  const auto again = submitted(ask("POST", "/v1/commands", shown(spec)));
  FUZZ_CHECK(again.has_value());
  FUZZ_CHECK(same(again->front().spec, spec));
}

}  // namespace duly::fuzz
