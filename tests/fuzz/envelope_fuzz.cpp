// Execution messages as RabbitMQ hands them over: understood or refused with a reason; what is understood,
// written anew, is understood the same.
#include <array>

#include "common/model/limits.h"
#include "common/wire/envelope.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/hand_out_of.h"

namespace duly::fuzz {
namespace {

constexpr std::array kNames = {"duly-id",    "duly-attempt", "duly-token", "duly-max-attempts", "duly-queue",
                               "duly-shard", "duly-epoch",   "duly-key",   "duly-due-at"};

HeaderValue header_value(Input& input, std::uint8_t how) {
  if (how % 4 == 0) return input.number();
  if (how % 4 == 1) return std::int64_t{input.byte()};
  if (how % 4 == 2) return format_command_id(CommandId{input.number() & INT64_MAX});
  return std::string(input.text_until('\0'));
}

AmqpMessage message_of(Input& input) {
  AmqpMessage message;
  message.type = input.text_until('\0');
  for (int count = input.byte() % 12; count > 0; --count) {
    const std::uint8_t how = input.byte();
    message.headers[kNames[how / 4 % kNames.size()]] = header_value(input, how);
  }
  const std::string_view body = input.rest();
  if (!body.empty()) message.body = make_bytes(std::string(body));
  return message;
}

}  // namespace

void run(Input input) {
  const auto read = read_execution_message(message_of(input));
  if (!read) {
    FUZZ_CHECK(!read.error().what.empty());
    return;
  }
  FUZZ_CHECK(read->attempt >= 1 && read->token.value >= 0 && read->max_attempts >= 0);
  FUZZ_CHECK(!read->type.empty() && read->type.size() <= limits::kTypeBytes);
  FUZZ_CHECK(read->payload && read->payload->size() <= limits::kPayloadBytes);
  const auto again = read_execution_message(make_execution_message(hand_out_of(*read), 1));
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->id == read->id && again->attempt == read->attempt && again->token == read->token);
  FUZZ_CHECK(again->max_attempts == read->max_attempts && again->due_at_ms == read->due_at_ms);
  FUZZ_CHECK(again->type == read->type && again->queue == read->queue && again->key == read->key);
  FUZZ_CHECK(*again->payload == *read->payload);
}

}  // namespace duly::fuzz
