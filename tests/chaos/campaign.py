"""A whole run: its cluster, its deck of faults, when it is enough, and its verdict."""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
import traceback

import checker
import faults
import quiet
import report
from client import Client
from disk_full import NAME as DISK_FULL, DiskFull
from history import History, Row, Store
from lib.process import BIN
from lib.rabbit import Node
from rounds import Rounds
from world import World

EXITS = {"valid": 0, "invalid": 1, "inconclusive": 3}
REAL_KILL = re.compile("kill")  # kill -9 and kill at a point; pauses and hangs are counted apart
# What a run of each size must have hit to say anything.
NON_VACUITY = {"permits_refused": 100, "stale_refused": 50}
COMBINED = 0.3  # of the rounds beyond the first deck have a second fault at the same time
# What a second fault may be: short, and at a place of its own.
LIGHT = re.compile("^(link|amqp|server-amqp|http) |^agent kill$|^agent stop, short$")


class Profile:
    """How much: rounds, kills, commands, and the time that must suffice."""

    def __init__(self, options):
        if options.long:
            self.kills, self.kills_and_pauses, self.accepted, self.rounds, self.minutes = 0, 500, 300_000, 0, 55
            self.rate, self.bulk = 250, 250
        elif options.ci:
            self.kills, self.kills_and_pauses, self.accepted, self.rounds, self.minutes = 60, 0, 0, 0, 10
            self.rate, self.bulk = 120, 0
        else:
            self.kills, self.kills_and_pauses, self.accepted = 0, 0, 0
            self.rounds, self.minutes = options.rounds, 2 + options.rounds / 4
            self.rate, self.bulk = 120, 0

    def enough(self, rounds, client):
        """`rounds` beyond the first deck are drawn until this is true."""
        if self.rounds:
            return rounds.number >= self.rounds
        real = real_kills(rounds.kills)
        return (real >= self.kills and sum(rounds.kills.values()) >= self.kills_and_pauses and
                client.accepted() >= self.accepted)

    def wanted(self):
        counters = {**NON_VACUITY, "kills": self.kills, "kills and pauses": self.kills_and_pauses,
                    "accepted by the client": self.accepted}
        return {"faults": [*faults.all_faults(), DISK_FULL], "points": faults.POINTS, "counters": counters}


def real_kills(kills):
    return sum(count for kind, count in kills.items() if REAL_KILL.search(kind) or kind == "poison")


class Deck:
    """Every fault once, in an order drawn by the seed; then anew, those that kill twice as often, or only they."""

    def __init__(self, rng, only, kills_only):
        self.rng, self.first, self.kills_only = rng, True, kills_only
        self.table = {name: fault for name, fault in {**faults.all_faults(), DISK_FULL: None}.items()
                      if not only or only in name}
        if not self.table:
            raise SystemExit(f"run: no fault has '{only}' in its name")
        self.cards = []

    def draw(self):
        if not self.cards:
            killing = [name for name in self.table if "kill" in name]
            self.cards = list(self.table) if self.first or not self.kills_only else []
            self.cards += [] if self.first else killing
            self.rng.shuffle(self.cards)
            self.first = False
        return self.cards.pop()

    def chosen(self, beyond_first):
        name = self.draw()
        names = [name]
        light = [other for other in self.table if LIGHT.search(other) and other.split()[0] != name.split()[0]]
        if beyond_first and light and name != DISK_FULL and self.rng.random() < COMBINED:
            names.append(self.rng.choice(light))
        return [(each, self.table[each]) for each in names]


class Campaign:
    def __init__(self, options, node):
        self.options, self.profile = options, Profile(options)
        self.seed = options.seed
        self.rng = random.Random(self.seed)
        self.world = World(node)
        self.history = History()
        self.client = Client(self.world, self.seed, self.profile.rate)
        self.rounds = Rounds(self.world, self.client, self.history, self.rng, say)
        self.deck = Deck(self.rng, options.only, options.ci)
        self.disk_histories, self.begun = [], time.time()

    def strike_until_enough(self):
        self.world.start_all()
        self.client.start()
        deck = len(self.deck.table)
        drawn = 0
        while drawn < deck and not self.profile.rounds or not self.profile.enough(self.rounds, self.client):
            self.one_round(self.deck.chosen(drawn >= deck))
            drawn += 1
        self.again_what_missed()

    def again_what_missed(self):
        """A fault that met no traffic, or a point that was not reached, gets another chance."""
        for _ in range(0 if self.profile.rounds else 3):
            for name, fault in self.deck.table.items():
                if not self.history.hits[name] and fault is not None:
                    self.one_round([(name, fault)])

    def one_round(self, chosen):
        if chosen[0][0] == DISK_FULL:
            self.disk_full()
            return
        if self.profile.bulk:
            self.client.burst(self.profile.bulk)
        self.rounds.run(chosen)

    def disk_full(self):
        self.rounds.number += 1
        self.client.paused.set()
        self.client.settle(time.monotonic() + 5)
        begun, count = time.monotonic(), len(self.disk_histories)
        round_of_its_own = DiskFull(self.world, self.seed * 1000 + count)
        self.disk_histories.append(round_of_its_own.run())
        self.history.hits[DISK_FULL] += 1
        self.rounds.kills["kill -9 server"] += round_of_its_own.kills
        refused = round_of_its_own.client.statuses[507]
        say(f"round {self.rounds.number:3} {DISK_FULL} {time.monotonic() - begun:.1f} s, {refused} answers 507")

    # ---- the end of it

    def collect(self):
        """Everything the four sources know, after an orderly end."""
        self.client.stop()
        self.world.look_for_crashes()
        self.world.revive()
        self.history.found += self.world.crashes
        self.world.sample()
        if self.world.unfinished():
            self.rounds.settle(time.monotonic(), ["the end"])
        if (code := self.world.server.terminate()) != 0:
            self.history.found.append({"kind": "crashed", "detail": f"the server exits {code} after SIGTERM"})
        for agent in self.world.agents.values():
            agent.end()
        store = Store(self.world.data)
        self.history.found += [{"kind": "store", "detail": problem} for problem in store.problems()]
        store.read_into(self.history)
        store.close()
        self.history.requests, self.history.acts = self.client.requests, self.client.acts.log
        self.history.rows = [Row(*row) for row in self.world.ledger_process.rows()]
        self.count()

    def count(self):
        counters = self.world.counters.total()
        for history in self.disk_histories:
            counters += history.counters
        counters["stale_refused"] = counters["stale_marks"] + counters["stale_results"]
        counters["kills"] = real_kills(self.rounds.kills)
        counters["kills and pauses"] = sum(self.rounds.kills.values())
        asked = [request for history in [self.history, *self.disk_histories] for request in history.requests]
        counters["accepted by the client"] = sum(request.outcome == "ok" for request in asked)
        self.history.counters = counters

    def judge(self):
        for history in self.disk_histories:
            for violation in checker.Checker(history).judge():
                self.history.found.append({**violation, "detail": f"{DISK_FULL}: {violation['detail']}"})
        return checker.verdict(self.history, self.profile.wanted())

    def report(self, verdict, violations, gaps):
        histories = [self.history, *self.disk_histories]
        counters, kinds = self.history.counters, collections.Counter(violation["kind"] for violation in violations)
        moves = report.Moves(self.history)
        return {"seed": self.seed, "rounds": self.rounds.number, "commit": report.commit(), **report.machine(),
                "started": report.instant(self.begun), "ended_at": report.instant(time.time()),
                "seconds": round(time.time() - self.begun, 1), "lease_ttl_ms": self.world.ttl_ms,
                "kills": dict(self.rounds.kills), "real_kills": counters["kills"],
                "kills_and_pauses": counters["kills and pauses"], "points": dict(self.history.points),
                "faults": dict(self.history.hits), "accepted": counters["accepted by the client"],
                "ended": sum(c.state in checker.ENDED for h in histories for c in h.commands.values()),
                "effects": sum(row.kind == "start" for h in histories for row in h.rows),
                "lost": kinds["lost"] + kinds["not ended"], "twice": kinds["ran twice"],
                "duplicates_suppressed": counters["permits_refused"], "stale_refused": counters["stale_refused"],
                "failover_samples_ms": moves.fail_over(self.history.strikes),
                "publishing_again_ms": moves.publishing_again(self.history.strikes),
                "recovery_samples_s": {name: [round(s, 3) for s in all] for name, all in self.rounds.recovery.items()},
                "restart_samples_s": [round(sample, 3) for sample in self.rounds.restarts],
                "answers": dict(self.client.statuses), "totals": dict(counters), "missed_strikes": self.rounds.missed,
                "violations": violations, "not_hit": gaps, "verdict": verdict}

    def keep(self, folder):
        """What is needed to look into it: logs, ledger, client's log, store."""
        self.client.save(os.path.join(self.world.folder, "client.jsonl"))
        shutil.copytree(self.world.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock"))


def say(line):
    print(line, flush=True)


def run(options, node):
    campaign = Campaign(options, node)
    try:
        broken = None
        try:
            campaign.strike_until_enough()
        except Exception as error:  # noqa: BLE001  whatever was seen until then is judged all the same
            traceback.print_exc()
            campaign.history.found.append({"kind": "broken off", "detail": f"{type(error).__name__}: {error}"[:2000]})
            broken = error
        campaign.collect()
        verdict, violations, gaps, witness = campaign.judge()
        result = campaign.report(verdict, violations, gaps)
        if options.report:
            report.write(options.report, result)
        say(report.text(result))
        show(campaign, verdict, violations, gaps, witness, broken)
        if options.keep or verdict == "invalid":
            folder = options.keep or tempfile.mkdtemp(prefix=f"duly-chaos-{campaign.seed}-")
            campaign.keep(folder)
            say(f"kept: {folder}")
        say(f"seed {campaign.seed}, verdict: {verdict}")
        return EXITS[verdict]
    finally:
        campaign.client.stopping.set()
        campaign.world.close()


def show(campaign, verdict, violations, gaps, witness, broken):
    for line in [*campaign.rounds.missed, *gaps]:
        say(f"not hit: {line}")
    if violations:
        say(f"violations: {dict(collections.Counter(violation['kind'] for violation in violations))}")
        say(witness)
    if broken or verdict == "invalid":
        campaign.world.show_logs()


def arguments(values, usage):
    parser = argparse.ArgumentParser(usage=usage, add_help=True)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    for flag in ("--ci", "--long"):
        parser.add_argument(flag, action="store_true")
    for name in ("--only", "--report", "--keep"):
        parser.add_argument(name, default="")
    for name in ("--quiet-minutes", "--starved-minutes"):
        parser.add_argument(name, type=float, default=0)
    options = parser.parse_args(values)
    if options.seed is None:
        options.seed = int.from_bytes(os.urandom(3), "big")
    return options


def give_up(*_):
    raise TimeoutError("the run took longer than it may")


def main(values, usage):
    options = arguments(values, usage)
    for name in ("duly-server", "chaos_agent"):
        if not os.access(os.path.join(BIN, name), os.X_OK):
            sys.exit(f"run: {BIN} has no {name}: scripts/chaos builds it, or say where with DULY_BIN")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGALRM, give_up)
    still = options.quiet_minutes or options.starved_minutes
    signal.alarm(round(60 * (still + 2 if still else Profile(options).minutes)))
    say(f"seed {options.seed}")
    node = Node.start_new()
    try:
        return quiet.run(options, node, say) if still else run(options, node)
    finally:
        signal.alarm(0)
        node.close()
