// Command ids and list cursors as text.
#include "common/base/ids.h"
#include "control-server/api/cursor.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

void check_id(std::string_view text) {
  const auto id = parse_command_id(text);
  if (!id) return;
  FUZZ_CHECK(id->value >= 0);
  const std::string canonical = format_command_id(*id);
  FUZZ_CHECK(canonical.size() == text.size());
  FUZZ_CHECK(parse_command_id(canonical) == id);
}

// A cursor is not a text that several spellings stand for: only what was given out is taken.
void check_cursor(std::string_view text) {
  for (const CursorKind kind : {CursorKind::commands, CursorKind::audit}) {
    const auto position = decode_cursor(kind, text);
    if (position) FUZZ_CHECK(encode_cursor(kind, *position) == text);
  }
}

}  // namespace

void run(Input input) {
  const std::uint8_t what = input.byte() % 3;
  if (what == 0) return check_id(input.rest());
  if (what == 1) return check_cursor(input.rest());
  const std::int64_t number = input.number();
  const CommandId id{number & INT64_MAX};
  FUZZ_CHECK(parse_command_id(format_command_id(id)) == id);
  FUZZ_CHECK(decode_cursor(CursorKind::commands, encode_cursor(CursorKind::commands, number)) == number);
  FUZZ_CHECK(!decode_cursor(CursorKind::audit, encode_cursor(CursorKind::commands, number)));
}

}  // namespace duly::fuzz
