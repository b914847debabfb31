// Scenario files: every bug that was found once, as the faults it needs and the seeds that showed it.
//
//   # why it is here          first   FIRST SEED          without   FAULT,FAULT
//   only FAULT,FAULT          seeds   HOW MANY            set       NAME VALUE     (a size, or a fault and
//   its ms)
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/sim/campaign/campaign.h"

namespace duly::sim {
namespace {

std::optional<Campaign> read(const std::string& file, const Narrowing& narrowing) {
  std::ifstream lines(file);
  if (!lines) return std::nullopt;
  Campaign campaign;
  campaign.seeds = 0;
  campaign.narrowing = narrowing;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::string value;
    words >> name >> value;
    if (name.empty() || name[0] == '#') continue;
    if (name == "first") {
      campaign.first = std::stoull(value);
    } else if (name == "seeds") {
      campaign.seeds = std::stoull(value);
    } else if (!campaign.narrowing.take(line)) {
      return std::printf("%s: '%s' is not understood\n", file.c_str(), line.c_str()), std::nullopt;
    }
  }
  return campaign;
}

}  // namespace

int run_scenarios(const std::vector<std::string>& files, const Campaign& common) {
  int failed = 0;
  for (const std::string& file : files) {
    auto campaign = read(file, common.narrowing);
    if (!campaign || campaign->seeds == 0) {
      std::printf("FAILED %s cannot be read\n", file.c_str());
      ++failed;
      continue;
    }
    campaign->jobs = common.jobs;
    campaign->quiet = true;
    std::printf("==== %s\n", file.c_str());
    failed += run_campaign(*campaign) == 0 ? 0 : 1;
  }
  std::printf("%zu scenarios: %zu passed, %d failed\n", files.size(),
              files.size() - static_cast<std::size_t>(failed), failed);
  return failed == 0 && !files.empty() ? 0 : 129;
}

}  // namespace duly::sim
