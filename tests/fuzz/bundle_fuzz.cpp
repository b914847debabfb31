// The body of a message that says it carries several commands: read whole or refused whole; what is read,
// written anew, is read the same.
#include "common/model/limits.h"
#include "common/wire/bundle.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/hand_out_of.h"

namespace duly::fuzz {
namespace {

void check_same(const std::vector<Execution>& read) {
  std::vector<HandOutItem> items;
  for (const Execution& one : read) items.push_back(hand_out_of(one));
  const auto again = read_executions(make_bundle(items, 1));
  FUZZ_CHECK(again.ok() && again->size() == read.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    const Execution &one = read[i], &other = (*again)[i];
    FUZZ_CHECK(one.id == other.id && one.attempt == other.attempt && one.token == other.token);
    FUZZ_CHECK(one.max_attempts == other.max_attempts && one.due_at_ms == other.due_at_ms);
    FUZZ_CHECK(one.type == other.type && one.queue == other.queue && one.key == other.key);
    FUZZ_CHECK(*one.payload == *other.payload);
    FUZZ_CHECK((one.trace == nullptr) == (other.trace == nullptr));
    FUZZ_CHECK(!one.trace || *one.trace == *other.trace);
  }
}

}  // namespace

void run(Input input) {
  AmqpMessage message;
  message.headers = {{"duly-bundle", std::int64_t{2}}, {"duly-queue", std::string("q")}};
  message.body = make_bytes(std::string(input.rest()));
  const auto read = read_executions(message);
  if (!read) {
    FUZZ_CHECK(!read.error().what.empty());
    return;
  }
  FUZZ_CHECK(!read->empty() && read->size() <= limits::kBundleCommands);
  for (const Execution& one : *read) {
    FUZZ_CHECK(one.attempt >= 1 && one.token.value >= 0 && one.payload &&
               one.payload->size() <= limits::kPayloadBytes);
    FUZZ_CHECK(!one.type.empty() && one.type.size() <= limits::kTypeBytes);
  }
  if (read->size() >= 2) check_same(*read);
}

}  // namespace duly::fuzz
