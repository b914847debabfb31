// Cron expressions, the rules of zones and zone files: whatever is accepted has a next and a previous fire
// that agree.
#include "common/base/time.h"
#include "common/model/cron.h"
#include "common/model/zone_data.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

constexpr std::array<std::string_view, 8> kZones{"UTC",          "Europe/Berlin",       "America/New_York",
                                                 "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca",
                                                 "Asia/Gaza",    "America/Juneau"};
constexpr std::int64_t kYear10000Ms = 253'402'300'800'000;

void check_fire(const std::optional<CronFire>& fire) {
  if (!fire) return;
  FUZZ_CHECK(fire->at_ms % 1000 == 0 && fire->at_ms < kYear10000Ms);
  FUZZ_CHECK(fire->local.size() == 19);
  FUZZ_CHECK(parse_instant(fire->local + "Z"));
}

bool same(const std::optional<CronFire>& a, const CronFire& b) {
  return a && a->at_ms == b.at_ms && a->shift == b.shift && a->local == b.local;
}

void check_around(const Cron& cron, std::int64_t at_ms) {
  const auto next = cron.next(at_ms);
  const auto prev = cron.prev(at_ms);
  check_fire(next);
  check_fire(prev);
  if (next) {
    FUZZ_CHECK(next->at_ms > at_ms);
    FUZZ_CHECK(same(cron.next(next->at_ms - 1), *next));
    FUZZ_CHECK(same(cron.prev(next->at_ms + 1), *next));
  }
  if (!prev) return;
  FUZZ_CHECK(prev->at_ms < at_ms);
  FUZZ_CHECK(same(cron.next(prev->at_ms - 1), *prev));
  // Between the two there is nothing but, it may be, the instant itself.
  const auto between = cron.next(prev->at_ms);
  FUZZ_CHECK(between ? between->at_ms >= at_ms : !next);
}

void check_cron(Input input) {
  const std::string_view expression = input.text_until('\n');
  const std::string_view zone = kZones[input.byte() % kZones.size()];
  const auto cron = Cron::parse(expression, zone, "fuzz");
  if (!cron) {
    FUZZ_CHECK(cron.error().what.rfind("cron: ", 0) == 0);
    return;
  }
  for (int i = 0; i < 4; ++i) check_around(*cron, input.number() % (kYear10000Ms + 1'000'000'000));
}

void check_zone_rule(std::string_view text) {
  const auto rule = parse_zone_rule(text);
  if (!rule || !rule->summer) return;
  for (const int year : {0, 1970, 2024, 10'000}) {
    const auto changes = changes_of(*rule, year);
    FUZZ_CHECK(changes[0].at_s <= changes[1].at_s);
  }
}

void check_zone_file(std::string_view bytes) {
  const auto zone = parse_zone_file(bytes);
  if (!zone) return;
  for (std::size_t i = 1; i < zone->changes.size(); ++i)
    FUZZ_CHECK(zone->changes[i - 1].at_s < zone->changes[i].at_s);
  FUZZ_CHECK(zone->changes.empty() || zone->changes.back().at_s <= zone->rule_from_s);
}

}  // namespace

void run(Input input) {
  const std::uint8_t what = input.byte() % 3;
  if (what == 0) check_cron(input);
  if (what == 1) check_zone_rule(input.rest());
  if (what == 2) check_zone_file(input.rest());
}

}  // namespace duly::fuzz
