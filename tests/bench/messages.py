#!/usr/bin/env python3
"""Measures delayed messages: taken by message, delivered, how late, and what waiting costs; beside what the broker of this
machine does alone, and beside a queue with TTL and dead letters.

  messages.py [--quick] [--rounds N] [--waiting N,…] [--json FILE] [--plots FOLDER]

It starts its own RabbitMQ, servers and agents on loopback.  Limits and rates alternate, round by round; rates are
medians of the rounds (3; 1 with --quick).  What is late, and what waits, is measured once.  Nothing here is asserted but that no message is
lost or comes twice: exit 1 only when something could not be measured at all.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)

import session  # noqa: E402
from figures import machine  # noqa: E402
from lib.process import run_once  # noqa: E402
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
    parser = session.parser_of(__doc__)
    parser.add_argument("--waiting", metavar="N,…", help="how many wait, rising (200000,1000000)")
    options = parser.parse_args()
    options.sizes = session.sizes_of(options, messages.MessageSizes)
    if options.waiting:
        options.sizes.waiting = session.rising(parser, "--waiting", options.waiting)
    return options


def main():
    options = read_options()
    load_before, problems = os.getloadavg()[0], []
    with session.own_broker("messages") as (node, folder):
        rounds, once = measure(World(node, options.sizes, folder), problems)
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
