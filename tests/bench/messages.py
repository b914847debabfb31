#!/usr/bin/env python3
"""Measures delayed messages: taken by message, delivered, how late, and what waiting costs; beside what the broker of this
machine does alone, and beside a queue with TTL and dead letters.

  messages.py [--quick] [--rounds N] [--waiting N,…] [--json FILE] [--plots FOLDER]

It starts its own RabbitMQ, servers and agents on loopback.  Limits and rates alternate, round by round; rates are
medians of the rounds (3; 1 with --quick).  What is late, and what waits, is measured once.  Nothing here is asserted but that no message is
lost or comes twice: exit 1 only when something could not be measured at all.
"""
import argparse
import json
import os
import shutil
import signal
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)

from figures import machine  # noqa: E402
from lib.process import run_once  # noqa: E402
from lib.rabbit import Node  # noqa: E402
from measures import message_table, messages, table  # noqa: E402
from measures.world import SHARDS, World  # noqa: E402
from speed import attempt, say  # noqa: E402

EACH_ROUND = {"taken": messages.taken, "delivered": messages.delivered}
# Once, for they take their time: before the rounds, while nothing of others is left in the broker's memory, and after them.
FIRST = {"waiting in Duly": messages.waiting_in_duly, "waiting in the broker": messages.waiting_in_the_broker}
LAST = {"lateness": messages.lateness}


def measure(world, problems):
    """(rounds, what was measured once)"""
    def all_of(measures):
        figures = {}
        for name, one in measures.items():
            figures |= attempt(name, lambda one=one: one(world), problems)
        return figures

    rounds, once = [], all_of(FIRST)
    for number in range(world.sizes.rounds):
        say(f"---- round {number + 1} of {world.sizes.rounds}")
        rounds.append(all_of({"limits": lambda world: world.limits(), **EACH_ROUND}))
    return rounds, once | all_of(LAST)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small numbers: that it runs, not how fast")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--waiting", metavar="N,…", help="how many wait, rising (200000,1000000)")
    parser.add_argument("--json", metavar="FILE", help="write everything there: each round, medians, settings, machine")
    parser.add_argument("--plots", metavar="FOLDER", help="draw an SVG plot into it")
    options = parser.parse_args()
    options.sizes = messages.MessageSizes.quick() if options.quick else messages.MessageSizes()
    options.sizes.rounds = options.rounds or options.sizes.rounds
    if options.waiting:
        options.sizes.waiting = tuple(int(size) for size in options.waiting.split(","))
        if sorted(set(options.sizes.waiting)) != list(options.sizes.waiting) or options.sizes.waiting[0] < 1:
            parser.error("--waiting takes rising numbers")
    return options


def main():
    options = read_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the broker is stopped then, too
    load_before = os.getloadavg()[0]
    problems, folder = [], tempfile.mkdtemp(prefix="duly-messages-")
    node = Node.start_new()
    try:
        rounds, once = measure(World(node, options.sizes, folder), problems)
    finally:
        node.close()
        shutil.rmtree(folder, ignore_errors=True)
    figures = table.median(rounds) | once
    about = {**machine(), "duly": run_once("duly-server", "--version").stdout.strip(),
             "rabbitmq": figures.get("rabbitmq_version"), "load_before": load_before}
    settings = {**vars(options.sizes), "quick": options.quick, "shards": SHARDS, "body_bytes": 256, "synchronous": "FULL",
                "queue_type": "quorum"}
    print(json.dumps(about) + "\n\n" + message_table.markdown(figures, options.sizes))
    if options.quick:
        print("\n--quick: too few of everything for figures; this says that it runs.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"machine": about, "settings": settings, "figures": figures, "rounds": rounds, "problems": problems}, out,
                      indent=1)
    if options.plots:
        say("drawn: " + message_table.draw(options.plots, figures))
    for problem in problems:
        say(f"could not be measured: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
