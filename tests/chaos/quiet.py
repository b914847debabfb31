"""No fault at all, or only want of processor time: no shard may change hands for that."""
import os
import random
import signal
import subprocess
import sys
import time

import checker
import report
from client import Client
from history import History, Row, Store
from lib.process import die_with_parent, eventually
from world import AGENTS, World

RATE = 200
TTL_MS = 3000  # as it would be run; one second is for making zombies quickly
BURN = "while True: pass"
STROBE = (0.1, 0.4)  # shares of the lease that an agent is stopped for


class Burners:
    """As many busy loops as there are cores, one pinned to each."""

    def __init__(self):
        self.children = [subprocess.Popen([sys.executable, "-c", BURN], preexec_fn=lambda core=core: self.pin(core))
                         for core in sorted(os.sched_getaffinity(0))]

    @staticmethod
    def pin(core):
        die_with_parent()
        os.sched_setaffinity(0, {core})

    def close(self):
        for child in self.children:
            child.kill()
            child.wait(10)


class Quiet:
    def __init__(self, options, node, say):
        self.options, self.say = options, say
        self.minutes = options.starved_minutes or options.quiet_minutes
        self.world = World(node, ttl_ms=TTL_MS)
        self.client = Client(self.world, options.seed, RATE)
        self.random = random.Random(options.seed)
        self.strobes, self.begun = 0, time.time()

    def run(self):
        self.world.start_all()
        moves = self.world.sample()["totals"]["shard_moves"]
        self.client.start()
        burners = Burners() if self.options.starved_minutes else None
        try:
            self.wait_and_watch()
        finally:
            if burners:
                burners.close()
        self.client.paused.set()
        self.client.settle(time.monotonic() + 20)
        eventually("all has ended", lambda: self.world.unfinished() == 0, 30)
        totals = self.world.counters.total()
        return totals["agents_lost"], totals["shard_moves"] - moves

    def wait_and_watch(self):
        until, tell = time.monotonic() + 60 * self.minutes, time.monotonic() + 30
        while time.monotonic() < until:
            time.sleep(0.25)
            if self.options.starved_minutes:
                self.strobe()
            stats = self.world.sample()
            if self.client.failure:
                raise self.client.failure
            if stats and time.monotonic() > tell:
                tell += 30
                self.say(f"{self.client.accepted()} accepted, {self.strobes} pauses, "
                         f"{stats['totals']['agents_lost']} agents lost")

    def strobe(self):
        agent = self.world.agents[self.random.choice(AGENTS)]
        agent.signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(*STROBE) * TTL_MS / 1000)
        agent.signal(signal.SIGCONT)
        self.strobes += 1

    def judge(self):
        self.client.stop()
        self.world.server.terminate()
        history, store = History(requests=self.client.requests, acts=self.client.acts.log), Store(self.world.data)
        history.found = [{"kind": "store", "detail": problem} for problem in store.problems()]
        store.read_into(history)
        history.rows = [Row(*row) for row in self.world.ledger_process.rows()]
        return checker.verdict(history, {})


def run(options, node, say):
    quiet = Quiet(options, node, say)
    try:
        lost, moves = quiet.run()
        verdict, violations, _, witness = quiet.judge()
        if lost or moves:
            verdict = "invalid"
        name = "starved" if options.starved_minutes else "quiet"
        result = {"mode": name, "seed": options.seed, "minutes": quiet.minutes, "commit": report.commit(),
                  **report.machine(), "started": report.instant(quiet.begun), "ended_at": report.instant(time.time()),
                  "lease_ttl_ms": TTL_MS, "accepted": quiet.client.accepted(), "pauses": quiet.strobes,
                  "false_failovers": lost, "shard_moves": moves, "violations": violations, "verdict": verdict}
        if options.report:
            report.write(options.report, result)
        say(witness or f"{name}: {quiet.minutes} min, {result['accepted']} accepted, {quiet.strobes} pauses, "
            f"{lost} false fail-overs, {moves} shards moved")
        say(f"seed {options.seed}, verdict: {verdict}")
        return {"valid": 0, "invalid": 1}[verdict]
    finally:
        quiet.client.stopping.set()
        quiet.world.close()
