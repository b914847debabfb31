// duly_sim: runs whole worlds from seeds and says which seed broke which promise.  See usage() and
// ../sim/README.md. Exit code 0 = all kept, 129 = an oracle objects, 2 = wrong arguments.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string>

#include "common/base/log.h"
#include "tests/sim/campaign/campaign.h"

namespace {

using duly::sim::Campaign;

struct Arguments {
  Campaign campaign;
  enum class Mode : std::uint8_t { campaign, single, shrink, planted, scenarios } mode = Mode::campaign;
  std::vector<std::string> names;
};

int usage() {
  std::fprintf(stderr,
               "usage: duly_sim [--seeds N] [--first S] [--jobs J] [--quiet] [--report FILE]\n"
               "                [--without FAULT,FAULT] [--only FAULT,FAULT] [--set NAME=VALUE]\n"
               "       duly_sim --seed S [...]        that one, with its log\n"
               "       duly_sim --seed S --shrink     the smallest plan with which it still fails\n"
               "       duly_sim --planted [NAME...]   each planted bug (or these) must be found\n"
               "       duly_sim --plant NAME [...]    any of the others with that bug in it\n"
               "       duly_sim --scenarios FILE...   kept scenarios\n");
  return 2;
}

// An option with a value; false when there is no such option.
bool take(Arguments& arguments, const std::string& option, const std::string& value) {
  Campaign& campaign = arguments.campaign;
  const auto number = [&] { return std::strtoull(value.c_str(), nullptr, 10); };
  if (option == "--plant") return campaign.narrowing.planted = value, duly::sim::plant(value);
  if (option == "--seeds") return campaign.seeds = number(), true;
  if (option == "--first") return campaign.first = number(), true;
  if (option == "--jobs") return campaign.jobs = static_cast<int>(number()), campaign.jobs > 0;
  if (option == "--report") return campaign.report = value, true;
  if (option == "--without" || option == "--only")
    return campaign.narrowing.take(option.substr(2) + " " + value);
  if (option == "--set") {
    std::string pair = value;
    std::replace(pair.begin(), pair.end(), '=', ' ');
    return campaign.narrowing.take("set " + pair);
  }
  if (option != "--seed") return false;
  campaign.first = number();
  campaign.seeds = 1;
  if (arguments.mode == Arguments::Mode::campaign) arguments.mode = Arguments::Mode::single;
  return true;
}

std::optional<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--quiet") {
      arguments.campaign.quiet = true;
    } else if (word == "--shrink") {
      arguments.mode = Arguments::Mode::shrink;
    } else if (word == "--planted") {
      arguments.mode = Arguments::Mode::planted;
    } else if (word == "--scenarios") {
      arguments.mode = Arguments::Mode::scenarios;
    } else if (!word.starts_with("--")) {
      arguments.names.push_back(word);
    } else if (i + 1 >= words.size() || !take(arguments, word, words[++i])) {
      return std::nullopt;
    }
  }
  return arguments;
}

// Simulated files grow and go with every world: given back to the system each time, their pages are a third
// of the whole time.
void keep_memory() {
  constexpr int kBytes = 1 << 30;
  mallopt(M_TRIM_THRESHOLD, kBytes);
  mallopt(M_MMAP_THRESHOLD, kBytes);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  keep_memory();
  const auto arguments = parse({argv + 1, argv + argc});
  if (!arguments) return usage();
  using Mode = Arguments::Mode;
  const bool single = arguments->mode == Mode::single;
  duly::configure_log(duly::LogFormat::text, single ? duly::LogLevel::debug : duly::LogLevel::silent);
  const Campaign& campaign = arguments->campaign;
  switch (arguments->mode) {
    case Mode::shrink: return duly::sim::shrink(campaign.first, campaign.narrowing);
    case Mode::planted: return duly::sim::run_planted(campaign, arguments->names);
    case Mode::scenarios: return duly::sim::run_scenarios(arguments->names, campaign);
    case Mode::single:
    case Mode::campaign: break;
  }
  return duly::sim::run_campaign(campaign);
}
