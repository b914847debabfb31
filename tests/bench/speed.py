#!/usr/bin/env python3
"""Measures Duly's speed beside the limits of the machine it runs on, and prints one table with the aims.

  speed.py [--quick] [--rounds N] [--only NAME,…] [--stored N,…] [--lives N] [--json FILE] [--plots FOLDER]

NAMES: enqueue dispatch life latency herd lost reads growth fleet; and, only when named, retained instructions.  It starts its own RabbitMQ, servers and agents on loopback.
Limits and measurements alternate, round by round; figures are medians of the rounds (3; 1 with --quick), ratios those of
the medians.  An aim that is missed is shown as missed.  Nothing here is asserted: exit 1 only when something could not be
measured at all.
"""
import http.client
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)

import session  # noqa: E402
from figures import machine  # noqa: E402
from lib.process import run_once  # noqa: E402
from measures import fleet, growth, instructions, moments, plots, retained, table, throughput  # noqa: E402
from measures.world import SHARDS, TTL_MS, Sizes, World  # noqa: E402

MEASURES = {"enqueue": throughput.enqueue, "dispatch": throughput.dispatch, "life": throughput.life,
            "latency": moments.latency, "herd": moments.herd, "lost": moments.lost, "reads": moments.reads,
            "growth": growth.growth, "fleet": fleet.fleet}
# What takes minutes whatever the sizes are.
ON_REQUEST = {"retained": retained.retained, "instructions": instructions.instructions}


def say(text):
    print(text, file=sys.stderr, flush=True)


def attempt(name, measure, problems):
    """What it measured, or nothing and a word about why: the others are measured all the same."""
    begun = time.monotonic()
    try:
        figures = measure()
    except (AssertionError, RuntimeError, OSError, KeyError, ValueError, subprocess.SubprocessError,
            http.client.HTTPException) as problem:
        problems.append(f"{name}: {problem}")
        say(f"  {name}: could not be measured: {problem}")
        return {}
    figures = {key: value for key, value in figures.items() if value == value}  # a quantile of nothing is not a number
    shown = {key: round(value, 3) for key, value in figures.items() if isinstance(value, (int, float))}
    say(f"  {name} ({time.monotonic() - begun:.0f} s): {shown}")
    return figures


def measure(world, names, problems):
    rounds = []
    for number in range(world.sizes.rounds):
        say(f"---- round {number + 1} of {world.sizes.rounds}")
        figures = attempt("limits", world.limits, problems)
        for name in names:
            figures.update(attempt(name, lambda one=({**MEASURES, **ON_REQUEST}[name]): one(world), problems))
        rounds.append(figures)
    return rounds


def read_options():
    parser = session.parser_of(__doc__)
    parser.add_argument("--only", default=",".join(MEASURES), metavar="NAME,…")
    parser.add_argument("--stored", metavar="N,…", help="backlogs of `growth`, rising (10000,100000,1000000)")
    parser.add_argument("--lives", type=int, help="commands of `dispatch` and `life` (100000)")
    options = parser.parse_args()
    options.only = options.only.split(",")
    unknown = [name for name in options.only if name not in {**MEASURES, **ON_REQUEST}]
    if unknown:
        parser.error(f"there is no {unknown[0]}; there are: {' '.join([*MEASURES, *ON_REQUEST])}")
    options.sizes = session.sizes_of(options, Sizes)
    options.sizes.lives = options.lives or options.sizes.lives
    if options.stored:
        options.sizes.stored = session.rising(parser, "--stored", options.stored)
    return options


def main():
    options = read_options()
    load_before, problems = os.getloadavg()[0], []
    with session.own_broker("speed") as (node, folder):
        rounds = measure(World(node, options.sizes, folder), options.only, problems)
    figures = table.median(rounds)
    rows = table.all_rows(figures)
    about = {**machine(), "duly": run_once("duly-server", "--version").stdout.strip(),
             "rabbitmq": figures.get("rabbitmq_version"), "rabbitmq_c": figures.get("rabbitmq_c_version"),
             "sqlite": figures.get("sqlite_version"), "load_before": load_before}
    settings = {**vars(options.sizes), "quick": options.quick, "lease_ttl_ms": TTL_MS, "shards": SHARDS, "payload_bytes": 256,
                "synchronous": "FULL", "queue_type": "quorum"}
    print(json.dumps(about) + "\n" + json.dumps(settings) + "\n\n" + table.limits(figures) + "\n\n" + table.markdown(rows))
    if options.quick:
        print("\n--quick: too few of everything for figures; this says that it runs.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"machine": about, "settings": settings, "medians": figures, "rounds": rounds, "problems": problems,
                       "table": [vars(row) for row in rows]}, out, indent=1)
    if options.plots:
        say("drawn: " + " ".join(plots.draw(options.plots, figures, rows)))
    for problem in problems:
        say(f"could not be measured: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
