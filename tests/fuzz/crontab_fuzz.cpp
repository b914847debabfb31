// A crontab: every line is an entry, left with a reason, or nothing; names are unique, and every schedule is
// one.
#include <set>

#include "cli/crontab.h"
#include "common/model/cron.h"
#include "common/model/limits.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

bool is_plain_name(const std::string& name) {
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= limits::kNameBytes && name.find_first_not_of(kPlain) == name.npos;
}

void check_entry(const cli::CrontabEntry& entry) {
  FUZZ_CHECK(is_plain_name(entry.name));
  const Json& schedule = entry.schedule;
  FUZZ_CHECK(schedule["name"] == entry.name);
  FUZZ_CHECK(
      Cron::parse(schedule["cron"].get<std::string>(), schedule["time_zone"].get<std::string>(), entry.name));
  FUZZ_CHECK(schedule["command"]["payload"]["args"].size() == 2);
  // Sent as it is: nothing was replaced for want of UTF-8.
  const auto sent = parse_json(dump_json(schedule), limits::kJsonDepth);
  FUZZ_CHECK(sent && *sent == schedule);
}

}  // namespace

void run(Input input) {
  cli::CrontabOptions options;
  options.system_form = input.byte() % 2 == 1;
  options.file = input.text_until('\n');
  const std::string_view text = input.rest();
  const cli::Crontab crontab = cli::read_crontab(text, options);
  std::set<int> lines;
  std::set<std::string> names;
  for (const cli::CrontabEntry& entry : crontab.entries) {
    check_entry(entry);
    FUZZ_CHECK(names.insert(entry.name).second && lines.insert(entry.line).second);
  }
  for (const cli::CrontabLeftover& left : crontab.leftovers) {
    FUZZ_CHECK(!left.reason.empty() && lines.insert(left.line).second);
  }
}

}  // namespace duly::fuzz
