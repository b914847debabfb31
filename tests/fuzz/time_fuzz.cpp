// Instants and whole numbers of milliseconds: what is read is written so that it reads the same.
#include "common/base/time.h"
#include "control-server/api/api_support.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

constexpr std::int64_t kYear0 = -62'167'219'200'000;
constexpr std::int64_t kYear10000 = 253'402'300'800'000;

void check_instant(std::string_view text) {
  const auto instant = parse_instant(text);
  if (!instant) return;
  // RFC 3339 has four digits for the year: anything else could not be shown.
  FUZZ_CHECK(*instant >= kYear0 && *instant < kYear10000);
  const std::string shown = format_instant(*instant);
  FUZZ_CHECK(shown.size() == 24);
  FUZZ_CHECK(parse_instant(shown) == instant);
}

void check_number(std::string_view text, std::int64_t least, std::int64_t most) {
  const auto number = whole_number(text, least, most);
  if (!number) return;
  FUZZ_CHECK(*number >= least && *number <= most);
  FUZZ_CHECK(whole_number(std::to_string(*number), least, most) == number);
}

}  // namespace

void run(Input input) {
  const std::uint8_t what = input.byte() % 4;
  if (what == 0) {
    const std::int64_t least = input.number();
    check_number(input.rest(), least, input.number());
  } else if (what == 1) {
    check_number(input.rest(), 0, 60'000);
  } else if (what == 2) {
    const std::int64_t span = kYear10000 - kYear0;
    const auto at = static_cast<std::int64_t>(static_cast<std::uint64_t>(input.number()) %
                                              static_cast<std::uint64_t>(span));
    FUZZ_CHECK(parse_instant(format_instant(kYear0 + at)) == kYear0 + at);
  } else {
    check_instant(input.rest());
  }
}

}  // namespace duly::fuzz
