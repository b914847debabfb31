// Many worlds: from seeds, from a scenario file, with a bug planted, or one that failed made smaller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/world/plan.h"

namespace duly::sim {

// What narrows the plan that a seed draws; all of it is printed so that a failure can be replayed.
struct Narrowing {
  std::vector<std::string> without;                         // faults taken out
  std::vector<std::string> only;                            // when not empty: all others are taken out
  std::vector<std::pair<std::string, std::int64_t>> sizes;  // set after all else
  std::string planted;                                      // bug that is switched on

  void apply(WorldPlan& plan) const;
  // `only FAULT,FAULT`, `without FAULT,FAULT` or `set NAME VALUE`; false when that is not understood, also
  // when there is no such fault or name.
  bool take(const std::string& line);
  [[nodiscard]] std::string text() const;  // as options of the command line
};

// Nothing when every oracle was content, else what one of them said.  `hash` is of everything observed.
std::optional<std::string> run_world(std::uint64_t seed, const Narrowing& narrowing, WorldCounts& counts,
                                     std::uint64_t& hash);

struct Campaign {
  std::uint64_t first = 1, seeds = 500;
  int jobs = 1;
  bool quiet = false;
  Narrowing narrowing;
  std::string report;  // file for the figures as JSON; empty = none
};
// Each prints what it did and answers the exit code: 0 = all as it must be, 129 = an oracle objected.
int run_campaign(const Campaign& campaign);
// Switches a planted bug on for all that follows; false when this build has none of that name.
bool plant(const std::string& bug);
int run_planted(const Campaign& campaign, const std::vector<std::string>& names);
int shrink(std::uint64_t seed, Narrowing narrowing);
int run_scenarios(const std::vector<std::string>& files, const Campaign& common);

}  // namespace duly::sim
