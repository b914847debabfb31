#include "tests/sim/campaign/campaign.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/runtime/asio_loop.h"
#include "common/wire/json.h"
#include "tests/sim/campaign/tasks.h"
#include "tests/sim/world/world.h"

namespace duly::sim {
namespace {

constexpr std::uint64_t kChunk = 25;      // seeds of one process
constexpr std::uint64_t kRunTwice = 100;  // one seed in so many is run again and must be the same
constexpr std::uint64_t kFailuresMost = 10;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

// ---- the counts of a chunk, from its process to ours: one `name value` a line
// -------------------------------------

void write_counts(std::FILE* out, const WorldCounts& c) {
  const auto line = [out](const std::string& name, std::uint64_t value) {
    std::fprintf(out, "count %s %llu\n", name.c_str(), static_cast<unsigned long long>(value));
  };
  line("accepted", c.accepted), line("runs", c.runs), line("agent_deaths", c.agent_deaths);
  line("server_deaths", c.server_deaths), line("power_losses", c.power_losses);
  line("lost_attempts", c.lost_attempts), line("refused_permits", c.refused_permits);
  line("stale_marks", c.stale_marks), line("stale_results", c.stale_results);
  line("republished", c.republished), line("fulls", c.fulls);
  line("fires", c.fires);
  line("virtual_ms", static_cast<std::uint64_t>(c.virtual_ms));
  for (const auto& [name, count] : c.strikes) line("strike:" + name, count);
  for (const auto& [name, count] : c.seeds) line("seeds:" + name, count);
}

struct Totals {
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t ran = 0, failed = 0;

  [[nodiscard]] std::uint64_t of(const char* name) const {
    const auto at = counts.find(name);
    return at == counts.end() ? 0 : at->second;
  }
};

void print_failure(std::uint64_t seed, const std::string& what, const Narrowing& narrowing) {
  std::printf("\nFAILED %s\nreplay with: ./scripts/sim --seed %llu%s\n", what.c_str(),
              static_cast<unsigned long long>(seed), narrowing.text().c_str());
}

// Takes what a chunk printed; the seed it was at when it died, if it did.
void take_lines(const TaskResult& result, Totals& totals, const Narrowing& narrowing) {
  std::istringstream lines(result.output);
  std::uint64_t at = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string name;
    words >> kind;
    if (kind == "begin") {
      words >> at;
      ++totals.ran;
    } else if (kind == "count") {
      std::uint64_t value = 0;
      words >> name >> value;
      totals.counts[name] += value;
    } else if (kind == "fail") {
      std::uint64_t seed = 0;
      words >> seed;
      std::getline(words, name);
      ++totals.failed;
      print_failure(seed, name, narrowing);
    }
  }
  if (result.ended) return;
  ++totals.failed;
  print_failure(at, "the process itself died: an assertion or a sanitizer", narrowing);
}

void run_chunk(const Campaign& campaign, std::uint64_t first, std::uint64_t count, std::FILE* out) {
  WorldCounts total;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    std::fprintf(out, "begin %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(out);
    std::uint64_t hash = 0;
    WorldCounts counts;
    auto wrong = run_world(seed, campaign.narrowing, counts, hash);
    if (!wrong && seed % kRunTwice == 0) {
      std::uint64_t again = 0;
      WorldCounts ignored;
      (void)run_world(seed, campaign.narrowing, ignored, again);
      if (again != hash) wrong = "the same seed gave another run";
    }
    if (wrong) {
      for (char& c : *wrong) c = c == '\n' ? ' ' : c;
      std::fprintf(out, "fail %llu %s\n", static_cast<unsigned long long>(seed), wrong->c_str());
    }
    total.add(counts);
  }
  write_counts(out, total);
}

void print_total(const Totals& t, double seconds, int jobs) {
  const auto n = [&](const char* name) { return static_cast<unsigned long long>(t.of(name)); };
  std::printf(
      "%llu seeds, %llu virtual hours in %.0f s (%.0f seeds an hour and core): %llu accepted, %llu runs; "
      "%llu agents "
      "and %llu servers died (%llu power losses), %llu full disks; %llu attempts lost, %llu duplicates "
      "refused, %llu "
      "stale marks and %llu stale results refused, %llu republished, %llu fires\n",
      static_cast<unsigned long long>(t.ran), n("virtual_ms") / 3'600'000, seconds,
      static_cast<double>(t.ran) * 3600 / seconds / jobs, n("accepted"), n("runs"), n("agent_deaths"),
      n("server_deaths"), n("power_losses"), n("fulls"), n("lost_attempts"), n("refused_permits"),
      n("stale_marks"), n("stale_results"), n("republished"), n("fires"));
}

// Every fault that exists must have struck: a campaign that tested nothing is not a success.
std::vector<std::string> never_struck(const Totals& totals) {
  std::vector<std::string> names;
  for (const std::string& fault : WorldPlan::known_faults()) {
    if (totals.of(("strike:" + fault).c_str()) == 0) names.push_back(fault);
  }
  return names;
}

void write_report(const Campaign& campaign, const Totals& totals, double seconds) {
  Json json{{"first", campaign.first},
            {"seeds", totals.ran},
            {"failed", totals.failed},
            {"seconds", seconds},
            {"jobs", campaign.jobs}};
  for (const auto& [name, value] : totals.counts) json["counts"][name] = value;
  std::ofstream(campaign.report) << json.dump(1) << "\n";
}

}  // namespace

void Narrowing::apply(WorldPlan& plan) const {
  for (const std::string& fault : plan.faults()) {
    if (contains(without, fault) || (!only.empty() && !contains(only, fault))) plan.drop(fault);
  }
  for (const auto& [name, value] : sizes) plan.set(name, value);
}

bool Narrowing::take(const std::string& line) {
  std::istringstream words(line);
  std::string kind;
  std::string value;
  std::int64_t number = 0;
  words >> kind >> value >> number;
  if (kind == "set") return sizes.emplace_back(value, number), WorldPlan{}.set(value, number);
  if (kind != "only" && kind != "without") return false;
  std::vector<std::string>& names = kind == "only" ? only : without;
  names.clear();
  std::istringstream parts(value);
  for (std::string name; std::getline(parts, name, ',');) names.push_back(name);
  WorldPlan plan;
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) { return plan.drop(name); });
}

std::string Narrowing::text() const {
  std::string text;
  if (!planted.empty()) text += " --plant " + planted;
  if (!only.empty()) text += " --only " + joined(only);
  if (!without.empty()) text += " --without " + joined(without);
  for (const auto& [name, value] : sizes) text += " --set " + name + "=" + std::to_string(value);
  return text;
}

std::optional<std::string> run_world(std::uint64_t seed, const Narrowing& narrowing, WorldCounts& counts,
                                     std::uint64_t& hash) {
  WorldPlan plan = WorldPlan::draw(seed);
  narrowing.apply(plan);
  World world(seed, plan);
  try {
    hash = world.run();
    counts = world.counts();
    return std::nullopt;
  } catch (const Violation& violation) {
    counts = world.counts();
    return violation.what;
  }
}

int run_campaign(const Campaign& campaign) {
  const auto began = machine_now();
  Totals totals;
  std::uint64_t told = 0;
  const std::uint64_t chunks = (campaign.seeds + kChunk - 1) / kChunk;
  const auto work = [&](std::size_t chunk, std::FILE* out) {
    const std::uint64_t offset = chunk * kChunk;
    run_chunk(campaign, campaign.first + offset, std::min(kChunk, campaign.seeds - offset), out);
  };
  run_tasks(chunks, campaign.jobs, work, [&](const TaskResult& result) {
    take_lines(result, totals, campaign.narrowing);
    if (!campaign.quiet && totals.ran >= told + 100) {
      told = totals.ran;
      std::printf("%llu of %llu seeds, %llu failed\n", static_cast<unsigned long long>(totals.ran),
                  static_cast<unsigned long long>(campaign.seeds),
                  static_cast<unsigned long long>(totals.failed));
      std::fflush(stdout);
    }
    return totals.failed < kFailuresMost;
  });
  const double seconds = std::chrono::duration<double>(machine_now() - began).count();
  print_total(totals, seconds, campaign.jobs);
  if (!campaign.report.empty()) write_report(campaign, totals, seconds);
  const bool all_faults = campaign.seeds < 500 || !campaign.narrowing.text().empty();
  const auto missed = all_faults ? std::vector<std::string>{} : never_struck(totals);
  for (const std::string& fault : missed) std::printf("FAILED the fault %s never struck\n", fault.c_str());
  totals.failed += missed.size();
  std::printf("%llu passed, %llu failed\n",
              static_cast<unsigned long long>(totals.ran - std::min(totals.ran, totals.failed)),
              static_cast<unsigned long long>(totals.failed));
  return totals.failed == 0 ? 0 : 129;
}

// Faults are taken out one by one, then commands, as long as the seed still fails.
int shrink(std::uint64_t seed, Narrowing narrowing) {
  const auto fails = [seed](const Narrowing& tried) {
    bool failed = false;
    run_tasks(
        1, 1,
        [&](std::size_t, std::FILE* out) {
          WorldCounts counts;
          std::uint64_t hash = 0;
          if (run_world(seed, tried, counts, hash)) std::fprintf(out, "fail\n");
        },
        [&](const TaskResult& result) {
          failed = !result.ended || !result.output.empty();
          return true;
        });
    return failed;
  };
  if (!fails(narrowing)) {
    std::printf("seed %llu does not fail\n", static_cast<unsigned long long>(seed));
    return 2;
  }
  for (const std::string& fault : WorldPlan::draw(seed).faults()) {
    Narrowing smaller = narrowing;
    smaller.without.push_back(fault);
    if (fails(smaller)) narrowing = smaller;
  }
  for (int commands = WorldPlan::draw(seed).commands / 2; commands > 0; commands /= 2) {
    Narrowing smaller = narrowing;
    smaller.sizes.emplace_back("commands", commands);
    if (!fails(smaller)) break;
    narrowing = smaller;
  }
  WorldPlan left = WorldPlan::draw(seed);
  narrowing.apply(left);
  std::printf("still fails with %d commands and the faults: %s\nreplay with: ./scripts/sim --seed %llu%s\n",
              left.commands, joined(left.faults()).c_str(), static_cast<unsigned long long>(seed),
              narrowing.text().c_str());
  return 129;
}

}  // namespace duly::sim
