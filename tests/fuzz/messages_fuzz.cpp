// Every message of the link, both ways: what is decoded encodes to a frame that decodes to the same.
#include "common/wire/json.h"
#include "common/wire/messages.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

template <class Decode>
void round_trip(const Frame& frame, Decode decode) {
  const auto message = decode(frame);
  if (!message) {
    FUZZ_CHECK(!message.error().what.empty());
    return;
  }
  const Frame written = encode(*message);
  FUZZ_CHECK(written.bytes == frame.bytes);  // payloads pass as they are
  const auto again = decode(written);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->index() == message->index());
  FUZZ_CHECK(encode(*again) == written);
  // Nothing is read that is not written: each field written has the value that was sent.
  const Json sent = parse_json(frame.header, 32).value();
  const Json kept = parse_json(written.header, 32).value();
  for (const auto& field : kept.items()) FUZZ_CHECK(sent.contains(field.key()));
}

}  // namespace

void run(Input input) {
  const bool from_agent = input.byte() % 2 == 0;
  Frame frame;
  frame.header = input.text_until('\n');
  frame.bytes = input.rest();
  from_agent ? round_trip(frame, decode_agent_message) : round_trip(frame, decode_server_message);
}

}  // namespace duly::fuzz
