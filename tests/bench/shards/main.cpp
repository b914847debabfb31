// How the shard map behaves with many agents and many shards: how many shards change hands, in how many
// rounds all are held and evenly spread, and what the planning costs the engine's thread.
//
//   bench_shards --agents N --shards N      prints one JSON object
//
// It drives the map as the engine does, without links: a plan's revokes are answered in the next round, as an
// agent does that hands over within one exchange on its link.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "control-server/core/shard_map.h"
#include "tests/bench/flags.h"

namespace duly::bench {
namespace {

// Of this process: the same on a machine that others keep busy.
double processor_ms() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

constexpr int kMostRounds = 100'000;
constexpr MonoTime kNow{seconds{100}};  // beyond every reservation

struct Told {
  int rounds = 0;
  int grants = 0;
  int revokes = 0;
  double longest_ms = 0;  // processor time of one plan
  double all_ms = 0;
};

class Cluster {
 public:
  explicit Cluster(int shards) : map_(shards, {}, MonoTime{}) {}

  void join(int agent) { agents_.push_back({SessionId{++sessions_}, "agent-" + std::to_string(agent)}); }

  // Dead: what it held is free at once.
  void die(int agent) {
    const auto at = find(agent);
    for (const ShardId shard : map_.held_by(at->session)) map_.release(shard);
    agents_.erase(at);
  }
  // Draining: no candidate any more, but it goes on until it has handed over.
  void drain(int agent) { agents_.erase(find(agent)); }

  // Until no plan has anything to do.
  Told settle() {
    Told told;
    while (told.rounds < kMostRounds && round(told)) ++told.rounds;
    return told;
  }

  // Shards of the agent that has fewest, and of the one that has most.
  [[nodiscard]] std::pair<int, int> spread() const {
    int least = map_.count(), most = 0;
    for (const auto& agent : agents_) {
      const int load = static_cast<int>(map_.held_by(agent.session).size());
      least = std::min(least, load);
      most = std::max(most, load);
    }
    return {least, most};
  }
  [[nodiscard]] int held() const {
    return static_cast<int>(std::count_if(map_.all().begin(), map_.all().end(), [](const auto& shard) {
      return shard.phase == ShardMap::Phase::held;
    }));
  }

 private:
  std::vector<ShardMap::Candidate>::iterator find(int agent) {
    const std::string name = "agent-" + std::to_string(agent);
    return std::find_if(agents_.begin(), agents_.end(), [&](const auto& one) { return one.name == name; });
  }

  bool round(Told& told) {
    for (const ShardMap::Shard& shard : map_.all()) {
      if (shard.phase == ShardMap::Phase::moving) map_.release(shard.row.shard);
    }
    const double begun = processor_ms();
    const ShardMap::Plan plan = map_.balance(agents_, kNow);
    const double took = processor_ms() - begun;
    told.longest_ms = std::max(told.longest_ms, took);
    told.all_ms += took;
    for (const auto& grant : plan.grants) {
      const auto to = std::find_if(agents_.begin(), agents_.end(),
                                   [&](const auto& one) { return one.session == grant.second; });
      map_.grant(grant.first, grant.second, to->name, Incarnation{1});
    }
    for (const ShardId shard : plan.revokes) map_.begin_move(shard, kNow + seconds{5});
    told.grants += static_cast<int>(plan.grants.size());
    told.revokes += static_cast<int>(plan.revokes.size());
    return !plan.grants.empty() || !plan.revokes.empty();
  }

  ShardMap map_;
  std::vector<ShardMap::Candidate> agents_;
  std::uint64_t sessions_ = 0;
};

class Report {
 public:
  Report(int agents, int shards) { std::printf("{\"agents\":%d,\"shards\":%d,\"steps\":[", agents, shards); }

  void step(const char* name, const Told& told, const Cluster& cluster) {
    const auto [least, most] = cluster.spread();
    std::printf(
        "%s{\"step\":\"%s\",\"moves\":%d,\"handed_over\":%d,\"rounds\":%d,\"plan_ms_longest\":%.3f,"
        "\"plan_ms_all\":%.3f,\"least\":%d,\"most\":%d,\"held\":%d}",
        first_ ? "" : ",", name, told.grants, told.revokes, told.rounds, told.longest_ms, told.all_ms, least,
        most, cluster.held());
    first_ = false;
  }
  static void end() { std::printf("]}\n"); }

 private:
  bool first_ = true;
};

void add(Told& sum, const Told& one) {
  sum.rounds = std::max(sum.rounds, one.rounds);
  sum.grants += one.grants;
  sum.revokes += one.revokes;
  sum.longest_ms = std::max(sum.longest_ms, one.longest_ms);
  sum.all_ms += one.all_ms;
}

void run(int agents, int shards) {
  Cluster cluster(shards);
  Report report(agents, shards);
  for (int i = 0; i < agents; ++i) cluster.join(i);
  report.step("all come at once, no shard is held", cluster.settle(), cluster);

  cluster.die(0);
  report.step("one dies", cluster.settle(), cluster);
  cluster.join(0);
  report.step("one comes", cluster.settle(), cluster);

  const int tenth = std::max(1, agents / 10);
  for (int i = 0; i < tenth; ++i) cluster.drain(i);
  report.step("a tenth drains at once", cluster.settle(), cluster);
  for (int i = 0; i < tenth; ++i) cluster.join(i);
  report.step("a tenth comes at once", cluster.settle(), cluster);
  for (int i = 0; i < tenth; ++i) cluster.die(i);
  report.step("a tenth dies at once", cluster.settle(), cluster);

  Told sum;
  for (int i = 0; i < tenth; ++i) {
    cluster.join(i);
    add(sum, cluster.settle());
  }
  report.step("a tenth comes, one after the other", sum, cluster);

  const int half = agents / 2;
  for (int i = 0; i < half; ++i) cluster.die(i);
  report.step("half of them die at once", cluster.settle(), cluster);
  Report::end();
}

}  // namespace
}  // namespace duly::bench

int main(int argc, char** argv) {
  const duly::bench::Flags flags(argc, argv, 1, {"agents", "shards"});
  duly::bench::run(static_cast<int>(flags.number("agents", 100)),
                   static_cast<int>(flags.number("shards", 1024)));
  return 0;
}
