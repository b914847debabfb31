// The planted bugs (common/base/planted.h): each must turn some seed red, or the guard it breaks is untested.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/wire/json.h"

#include "tests/sim/campaign/campaign.h"
#include "tests/sim/campaign/tasks.h"

#ifndef DULY_PLANTED_BUGS

bool duly::sim::plant(const std::string&) { return false; }

int duly::sim::run_planted(const Campaign&, const std::vector<std::string>&) {
  std::printf("this build has no planted bugs in it: ./scripts/sim --planted\n");
  return 2;
}

#else

#include "common/base/planted.h"

namespace duly {
namespace {

std::string switched_on;

struct Bug {
  const char* name;
  const char* what;
  // Options as of a scenario file (`only FAULTS`, `set NAME VALUE`) that make the world this bug needs
  // frequent: what turns it red must not hang on the luck of a seed.  Empty: worlds as they are drawn.
  const char* world = "";
};
constexpr Bug kBugs[] = {
    {"mark.epoch", "a mark is recorded under an epoch that is gone"},
    {"mark.token", "a mark of what was published before a reschedule is recorded"},
    {"mark.confirm", "published is reported before the broker has confirmed it"},
    {"permit.once", "a permit that is out is granted again"},
    {"permit.nonce", "a permit is granted again to the same executor for another delivery"},
    {"permit.token", "a message from before a reschedule starts the command"},
    {"permit.turn", "a message of a holding that is gone starts a command out of its key's turn",
     "only agent_kill,reset,nack,drop_connection,agent_drain,agent_point; set keys 1; set reset 700; set "
     "agent_drain 3000; set agents 3"},
    {"permit.expiry", "an expired command is started", "set operator 200"},
    {"result.attempt", "a late result is recorded for a newer attempt"},
    {"retry.after", "an attempt is repeated before its handler's wait is over"},
    {"reschedule.token", "rescheduling leaves the token as it is"},
    {"epoch.bump", "a shard is granted under the epoch it had"},
    {"reclaim.stale", "a shard is taken back after the server's restart under an epoch that is gone"},
    {"hand-out.forgotten", "what was handed out is not forgotten with the holding"},
    {"key.order", "two commands of one key are handed out"},
    {"limit.running", "a start beyond what may run at a time is allowed"},
    {"limit.rate", "a start beyond the queue's rate is allowed"},
    {"limit.stored", "a restart forgets the starts that the rate has counted"},
    {"operation.resume", "a restart forgets the acts on many commands that were under way"},
    {"operation.cursor", "an act on many commands goes on below what it has not looked at"},
    {"lost.policy", "an attempt that was lost is repeated although on_lost says dead"},
    {"lost.poison", "a command that kills its executors goes on"},
    {"lease.own-pause", "the server holds its own pause against the agents"},
    {"lease.short-pause", "the server holds a pause of less than a second against the agents",
     "only server_pause; set calm 1; set agents 2; set ttl_ms 700; set server_pause 2000"},
    {"lease.slow-disk", "on a disk that is always slow no silence counts",
     "only slow_disk; set agents 3; set ttl_ms 1500; set slow_disk 2000; set calm 0"},
    {"lease.wall-clock", "leases run by the wall clock"},
    {"agent.self-fence", "an agent publishes after its lease may have ended"},
    {"publish.due", "what is handed over ahead of time is published at once"},
    {"republish.empty", "queued commands are published again while their queue is full of them"},
    {"republish.room", "what was lost in the broker finds no room in a full window",
     "only queue_purge,broker_wipe; set queue_purge 3000; set broker_wipe 6000; set lane_window 2; set "
     "max_queued 3; set shards 1; set commands 200; set concurrency 1"},
    {"window.cap", "the window in memory grows with the backlog",
     "set shards 1; set priorities 1; set lane_window 2; set max_queued 1; "
     "set commands 400; set agents 1; set broker_block 500"},
    {"confirm.return", "a returned message counts as published", "only queue_delete; set queue_delete 500"},
    {"confirm.nack", "a refused message counts as published"},
    {"confirm.multiple", "a confirm for many is taken for one"},
    {"confirm.tags", "a new channel goes on with the old numbers"},
    {"deliver.confirm", "a delivery is reported before the broker has confirmed it", "set deliver 150"},
    {"deliver.return", "a delivery that was returned counts as delivered", "set deliver 150"},
    {"deliver.token", "a delivery of before a reschedule ends the command", "set deliver 100"},
    {"callback.owed", "only a success is told", "set callback 50"},
    {"callback.settle", "a call that failed counts as made", "set callback 50"},
    {"callback.end", "the late answer of an earlier end settles the call of the next one",
     "only operator; set callback 1200; set operator 40; set calm 0"},
    {"callback.reopened", "a redrive does not take back what nobody has heard of",
     "only operator; set callback 600; set operator 40; set concurrency 1; set agents 1; set commands 200; "
     "set calm 0"},
    {"callback.start", "a restart forgets the calls that are owed",
     "only server_kill; set callback 1000; set server_kill 1500; set commands 60; set calm 0"},
    {"callback.retention", "a command is removed before somebody was told of its end",
     "set callback 1500; set keep_ms 400"},
    {"ack.permit", "a delivery is acknowledged before its permit"},
    {"bundle.ack", "a bundle is acknowledged with the first permit of its commands", "set bundle 8"},
    {"bundle.marks", "of a confirmed bundle only the first command is marked",
     "only queue_purge; set queue_purge 1000; set bundle 8; set concurrency 1; set agents 1; set calm 0"},
    {"dead-letter.confirm", "a dead letter is forgotten before the broker has it"},
    {"fire.late", "a fire that was missed by a crash is dropped"},
    {"fire.overlap", "a fire does not look whether the one before it has ended"},
    {"fire.open", "a command that has ended still counts as open"},
    {"workflow.early", "a command is released when the first of its parents has succeeded"},
    {"workflow.cascade", "what waits for a command that has failed goes on waiting"},
    {"workflow.rest", "when one of a workflow fails the rest goes on",
     "without workflow_act,operator,wall_step; set workflow 500"},
    {"workflow.open", "a restart forgets the workflows that are under way"},
    {"retention.early", "ended commands are removed after half their time", "set keep_ms 3000"},
    {"retention.node", "of a workflow that has ended what ended before it began is never removed",
     "set calm 0; set wall_step 500; set keep_ms 400; set workflow 500"},
    {"retention.outbox", "a dead command is removed before its dead letter is with the broker",
     "set keep_ms 400; set broker_restart 2000; set operator 500"},
    {"retention.passed", "what was passed over for its dead letter is never removed",
     "set keep_ms 400; set broker_restart 2000; set operator 500"},
    {"retention.fire", "with a command its fire is removed, and that fire time may get another",
     "set keep_ms 1500; set schedules 3"},
    {"retention.edge", "who waited for a failure that was removed may run",
     "set keep_ms 400; set workflow 1000"},
    {"retention.workflow", "a command of a workflow that goes on is removed",
     "set keep_ms 400; set workflow 1000"},
    {"retention.attempts", "attempts of a removed command stay", "set keep_ms 1500"},
    {"retention.counters", "a removal forgets its counter", "set keep_ms 1500"},
    {"submit.commit", "a message is acknowledged before its command is on disk",
     "set calm 0; set message 300; set server_kill 2000"},
    {"submit.message-id", "a message that comes twice is two commands", "set message 300"},
    {"submit.parked",
     "a message that is no command is acknowledged although its dead letter is not with the broker",
     "set calm 0; set message 300; set broker_restart 2000"},
    {"submit.full", "a message that comes while the disk is full is refused for good",
     "set calm 0; set message 300; set disk_full 2000"},
    {"full.calls", "callbacks are made while no answer can be recorded",
     "set calm 0; set disk_full 1500; set callback 300"},
    {"full.letters", "dead letters go out while no confirm of them can be recorded",
     "set calm 0; set disk_full 1500"},
    {"drain.starved", "an agent that drains looks for a slot that it does not want any more, without end",
     "set calm 0; set agent_drain 1500"},
    {"results.name", "a result of who holds the permit is stale for the token of its message",
     "set calm 0; set foreign 200; set operator 200"},
    {"begin.token", "an executor that begins names its message's token, and nobody compares it",
     "set calm 0; set foreign 200; set operator 200"},
    {"results.commit", "a result is acknowledged before it is on disk",
     "set calm 0; set foreign 200; set server_kill 2000"},
    {"results.fence", "a result is taken for the attempt that runs, whichever it is of",
     "set calm 0; set foreign 200"},
    {"heartbeat.kept", "a heartbeat does not keep its attempt", "set calm 0; set foreign 200"},
    {"effects.before-commit", "answers leave before the commit"},
    {"idempotency.stored", "an idempotency key is not stored with its command"},
    {"counters.moves", "a move forgets its counter"},
    {"counters.together", "counters are written in another transaction than their rows"},
    {"stats.at-hand", "counters are told that an earlier commit left", "set calm 0"},
    {"store.index", "what the broker may have lost is looked for among all commands", "set calm 0"},
    {"store.live-rows", "rows in memory outlive the transaction that changed them and was undone",
     "only disk_full; set disk_full 1500; set calm 0"},
    {"store.synchronous", "commits are not synced"},
    {"store.starts", "what recovery brought back is told before it is synced",
     "only sync_failure; set sync_failure 1500"},
    {"store.io-error", "the server goes on after a commit whose outcome is unknown", "set sync_failure 1500"},
};

// `begin SEED` before each and `red SEED WHAT` at the first that fails: an abort is seen by what is missing.
void hunt(const Bug& bug, const sim::Campaign& campaign, std::FILE* out) {
  switched_on = bug.name;
  sim::Narrowing narrowing = campaign.narrowing;
  std::istringstream world(bug.world);
  for (std::string line; std::getline(world, line, ';');) {
    if (!narrowing.take(line)) return;  // and so it stays green
  }
  for (std::uint64_t seed = campaign.first; seed < campaign.first + campaign.seeds; ++seed) {
    std::fprintf(out, "begin %llu\n", static_cast<unsigned long long>(seed));
    std::fflush(out);
    sim::WorldCounts counts;
    std::uint64_t hash = 0;
    if (const auto wrong = sim::run_world(seed, narrowing, counts, hash)) {
      std::fprintf(out, "red %llu %s\n", static_cast<unsigned long long>(seed),
                   wrong->substr(0, wrong->find('\n')).c_str());
      return;
    }
  }
}

struct Found {
  std::uint64_t seeds = 0;  // run until then
  std::string what;         // empty = green
};

Found read(const sim::TaskResult& result) {
  Found found;
  std::istringstream lines(result.output);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind;
    std::uint64_t seed = 0;
    words >> kind >> seed;
    if (kind == "begin") ++found.seeds;
    if (kind == "red") std::getline(words, found.what);
  }
  if (!result.ended) found.what = " an assertion ended the process";
  return found;
}

}  // namespace

bool planted(std::string_view name) { return name == switched_on; }

bool sim::plant(const std::string& bug) {
  switched_on = bug;
  return std::any_of(std::begin(kBugs), std::end(kBugs), [&](const Bug& known) { return known.name == bug; });
}

int sim::run_planted(const Campaign& campaign, const std::vector<std::string>& names) {
  std::vector<Bug> bugs;
  for (const Bug& bug : kBugs) {
    if (names.empty() || std::find(names.begin(), names.end(), bug.name) != names.end()) bugs.push_back(bug);
  }
  std::size_t red = 0;
  Json report = Json::object();
  std::printf("%-22s %6s  %s\n", "planted bug", "seeds", "found by");
  run_tasks(
      bugs.size(), campaign.jobs, [&](std::size_t i, std::FILE* out) { hunt(bugs[i], campaign, out); },
      [&](const TaskResult& result) {
        const Found found = read(result);
        const Bug& bug = bugs[result.task];
        red += found.what.empty() ? 0 : 1;
        report[bug.name] = {
            {"what", bug.what}, {"world", bug.world}, {"seeds", found.seeds}, {"found_by", found.what}};
        std::printf(
            "%-22s %6llu %s\n", bug.name, static_cast<unsigned long long>(found.seeds),
            found.what.empty() ? (std::string(" STILL GREEN: ") + bug.what).c_str() : found.what.c_str());
        std::fflush(stdout);
        return true;
      });
  if (!campaign.report.empty()) std::ofstream(campaign.report) << report.dump(1) << "\n";
  const std::size_t missed = bugs.size() - red;
  std::printf("%zu planted bugs: %zu passed, %zu failed\n", bugs.size(), red, missed);
  return missed == 0 && !bugs.empty() ? 0 : 129;
}

}  // namespace duly

#endif
