// Messages of duly.results, written by anybody: understood or refused with a reason; what is understood keeps
// its limits, and its result its bytes.
#include <array>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/ingest/result_message.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

constexpr std::array kNames = {"duly-attempt", "duly-token", "duly-id", "duly-reason", "duly-new", "own"};

HeaderValue header_value(Input& input, std::uint8_t how) {
  if (how % 4 == 0) return input.number();
  if (how % 4 == 1) return std::int64_t{input.byte()};
  if (how % 4 == 2) return OtherHeader{static_cast<char>(input.byte())};
  return std::string(input.text_until('\0'));
}

AmqpMessage message_of(Input& input) {
  AmqpMessage message;
  message.correlation_id = input.text_until('\0');
  for (int count = input.byte() % 4; count > 0; --count) {
    const std::uint8_t how = input.byte();
    message.headers[kNames[how / 4 % kNames.size()]] = header_value(input, how);
  }
  message.body = make_bytes(std::string(input.rest()));
  return message;
}

}  // namespace

void run(Input input) {
  const AmqpMessage message = message_of(input);
  const auto read = read_result_message(message);
  if (!read) {
    FUZZ_CHECK(!read.error().what.empty());
    return;
  }
  const FinishItem& item = read->item;
  FUZZ_CHECK(item.attempt >= 0 && (!read->token || read->token->value >= 0));
  FUZZ_CHECK(item.outcome == AttemptOutcome::succeeded || item.outcome == AttemptOutcome::failed);
  FUZZ_CHECK(item.error.size() <= limits::kErrorBytes && read->executor.size() <= limits::kNameBytes);
  FUZZ_CHECK(!item.result || message.body->find(*item.result) != std::string::npos);
  FUZZ_CHECK(!item.result || parse_json(*item.result, limits::kJsonDepth).ok());
}

}  // namespace duly::fuzz
