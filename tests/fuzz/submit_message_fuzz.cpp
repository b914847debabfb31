// Messages of duly.submit, written by anybody: understood or refused with a reason; what is understood keeps
// its limits and its bytes, and can be shown as JSON.
#include <array>

#include "common/model/limits.h"
#include "common/model/message_properties.h"
#include "common/wire/json.h"
#include "control-server/api/command_json.h"
#include "control-server/ingest/submit_message.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

constexpr std::int64_t kNow = 1'795'251'600'000;
constexpr std::array kNames = {"x-delay",  "duly-due-at",           "duly-queue",  "duly-priority",
                               "duly-key", "duly-deliver-exchange", "duly-reason", "somebodys-own"};

HeaderValue header_value(Input& input, std::uint8_t how) {
  if (how % 4 == 0) return input.number();
  if (how % 4 == 1) return std::int64_t{input.byte()};
  if (how % 4 == 2) return OtherHeader{static_cast<char>(input.byte())};
  return std::string(input.text_until('\0'));
}

AmqpMessage message_of(Input& input) {
  AmqpMessage message;
  message.type = input.text_until('\0');
  message.message_id = input.text_until('\0');
  message.content_type = input.text_until('\0');
  for (int count = input.byte() % 6; count > 0; --count) {
    const std::uint8_t how = input.byte();
    message.headers[kNames[how / 4 % kNames.size()]] = header_value(input, how);
  }
  if (message.headers.contains("duly-deliver-exchange")) {
    for (int count = input.byte(); count > 0; --count) message.properties += static_cast<char>(input.byte());
  }
  message.body = make_bytes(std::string(input.rest()));
  return message;
}

void check_spec(const CommandSpec& spec, const AmqpMessage& message) {
  FUZZ_CHECK(is_plain_name(spec.type, limits::kTypeBytes) && is_plain_name(spec.queue, limits::kQueueBytes));
  FUZZ_CHECK(spec.key.empty() || is_valid_key(spec.key));
  FUZZ_CHECK(spec.priority >= 0 && spec.priority <= limits::kPriority);
  FUZZ_CHECK(!spec.delay_ms || (*spec.delay_ms >= 0 && *spec.delay_ms <= limits::kDelayMs));
  FUZZ_CHECK(!spec.due_at_ms || *spec.due_at_ms <= kNow + limits::kDelayMs);
  FUZZ_CHECK(*spec.payload == *message.body);
  FUZZ_CHECK(!spec.deliver || read_properties(spec.deliver->properties).ok());
  FUZZ_CHECK(spec.opaque != parse_json(*message.body, limits::kJsonDepth - 1).ok());
}

}  // namespace

void run(Input input) {
  const AmqpMessage message = message_of(input);
  const auto read = read_submit_message(message, kNow);
  if (!read) {
    FUZZ_CHECK(!read.error().what.empty());
    return;
  }
  check_spec(read->spec, message);
  FUZZ_CHECK(read->idempotency_key == message.message_id);
  FUZZ_CHECK(read_submit_message(message, kNow)->body_hash == read->body_hash);
  CommandView view;
  view.spec = read->spec;
  std::string shown;
  append_command_json(shown, view, CommandDetail::full);
  FUZZ_CHECK(parse_json(shown, limits::kJsonDepth).ok());
}

}  // namespace duly::fuzz
