#include "tests/fuzz/api_world.h"

#include "control-server/api/command_json.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

void check_answer(const HttpResponse& response) {
  FUZZ_CHECK(response.status >= 200 && response.status < 600 && response.status != 500);
  if (response.content_type.find("json") == std::string_view::npos) return;
  const auto json = parse_json(response.body, limits::kJsonDepth + 4);
  FUZZ_CHECK(json.ok());
  if (response.status < 400) return;
  FUZZ_CHECK((*json)["status"] == response.status && !(*json)["detail"].get<std::string>().empty());
}

}  // namespace

Asked ask(const std::string& method, const std::string& target, const std::string& body,
          std::vector<HttpField> fields) {
  Asked asked;
  testing::ManualLoop loop;
  const auto store = std::make_shared<testing::FakeStore>();
  store->put(1);
  const auto reader = testing::make_fake_reader(store);
  int answers = 0;
  {
    Desk desk{loop, [&](::duly::Input&& input) {
                asked.inputs.push_back(std::move(input));
                return true;
              }};
    Api api{desk, *reader, loop, /*fault_injection=*/true, [] {}, [](const Strike&) {}, {}};
    const Router router = make_router(api);
    router.handle({method, target, std::move(fields), body, "id-1", "127.0.0.1"},
                  Respond(
                      [&](HttpResponse response) {
                        ++answers;
                        asked.answer = std::move(response);
                      },
                      [](const Respond::Gone&) {}));
  }
  FUZZ_CHECK(answers <= 1 && (answers == 1) != (asked.inputs.size() == 1));
  if (asked.answer) check_answer(*asked.answer);
  asked.filter = store->last_filter;
  return asked;
}

std::optional<std::vector<NewCommand>> submitted(const Asked& asked) {
  if (asked.inputs.empty()) return std::nullopt;
  return std::get<Submit>(asked.inputs.front()).commands;
}

bool same(const CommandSpec& one, const CommandSpec& other) {
  return one.type == other.type && one.queue == other.queue && *one.payload == *other.payload &&
         one.due_at_ms == other.due_at_ms && one.delay_ms == other.delay_ms &&
         one.priority == other.priority && one.key == other.key && one.retry == other.retry &&
         one.timeout_ms == other.timeout_ms && one.expires_at_ms == other.expires_at_ms &&
         one.on_lost == other.on_lost && one.labels == other.labels;
}

void check_bounds(const NewCommand& command) {
  const CommandSpec& spec = command.spec;
  FUZZ_CHECK(is_plain_name(spec.type, limits::kTypeBytes) && is_plain_name(spec.queue, limits::kQueueBytes));
  FUZZ_CHECK(spec.payload && spec.payload->size() <= limits::kPayloadBytes);
  FUZZ_CHECK(parse_json(*spec.payload, limits::kJsonDepth).ok());
  FUZZ_CHECK(!(spec.due_at_ms && spec.delay_ms));
  FUZZ_CHECK(!spec.delay_ms || (*spec.delay_ms >= 0 && *spec.delay_ms <= limits::kDelayMs));
  FUZZ_CHECK(!spec.due_at_ms || *spec.due_at_ms <= testing::ManualLoop::kStartMs + limits::kDelayMs);
  FUZZ_CHECK(!spec.expires_at_ms || !spec.due_at_ms || *spec.expires_at_ms > *spec.due_at_ms);
  FUZZ_CHECK(spec.priority >= 0 && spec.priority <= limits::kPriority);
  FUZZ_CHECK(spec.key.empty() || is_valid_key(spec.key));
  FUZZ_CHECK(spec.retry.max_attempts >= 1 && spec.retry.max_attempts <= limits::kMaxAttempts);
  FUZZ_CHECK(spec.retry.initial_delay_ms >= 0 && spec.retry.initial_delay_ms <= limits::kRetryDelayMs);
  FUZZ_CHECK(spec.retry.max_delay_ms >= 0 && spec.retry.max_delay_ms <= limits::kRetryDelayMs);
  FUZZ_CHECK(spec.retry.multiplier >= 1 && spec.retry.multiplier <= 100);
  FUZZ_CHECK(spec.retry.jitter >= 0 && spec.retry.jitter <= 1);
  for (int attempt = 2; attempt <= spec.retry.max_attempts + 1; attempt += 7) {
    const std::int64_t wait = backoff_ms(spec.retry, attempt, 7);
    FUZZ_CHECK(wait >= 0 && wait <= 2 * limits::kRetryDelayMs);
  }
  FUZZ_CHECK(spec.timeout_ms >= 1 && spec.timeout_ms <= limits::kTimeoutMs);
  FUZZ_CHECK(spec.labels.size() <= limits::kLabels);
  for (const auto& [name, value] : spec.labels) {
    FUZZ_CHECK(!name.empty() && name.size() <= limits::kLabelNameBytes &&
               value.size() <= limits::kLabelValueBytes);
  }
  FUZZ_CHECK(command.idempotency_key.size() <= limits::kIdempotencyKeyBytes);
  FUZZ_CHECK(command.idempotency_key.empty() == (command.body_hash == 0));
}

}  // namespace duly::fuzz
