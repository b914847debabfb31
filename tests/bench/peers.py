#!/usr/bin/env python3
"""Measures job systems of others and Duly side by side: the same machine, the same run, the same definitions, one table.

  peers.py [--quick] [--rounds N] [--only NAME,…] [--figures NAME,…] [--json FILE]

What is missing of them is installed: Debian packages, and npm packages into a folder of the user's cache.  Each server is started on
loopback, empty for each figure, and ended by pid.  In each round all systems are measured one after the other, beginning with another one each round;
figures are medians of the rounds (3; 1 with --quick).  A peer that cannot be installed is in the table, with the reason.
Nothing is asserted: exit 1 only when something that is installed could not be measured.
"""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)

import session  # noqa: E402
from figures import machine  # noqa: E402
from lib.process import run_once  # noqa: E402
from measures import table  # noqa: E402
from measures.world import SHARDS, World  # noqa: E402
from peers import duly, install, killed, report  # noqa: E402
from peers.measures import Peer, PeerSizes  # noqa: E402
from peers.systems import SYSTEMS  # noqa: E402
from speed import attempt, say  # noqa: E402

FIGURES = ("enqueue", "drain", "latency", "lateness", "killed")
DULYS = ("duly", "duly-bundle")


def waited_for_disk():
    """Seconds since the start of this machine in which nobody got on for want of the disk; 0 where the kernel does not tell."""
    try:
        with open("/proc/pressure/io", encoding="ascii") as pressure:
            return next(int(line.rpartition("=")[2]) / 1e6 for line in pressure if line.startswith("full"))
    except OSError:
        return 0.0


def measure_round(systems, options, problems):
    """What a figure took, and how much of that all waited for the disk, tells whether something else held up the machine."""
    figures = {}
    for system in systems:
        mine = figures.setdefault(system.name, {})
        for name in options.figures:
            begun, waited = time.monotonic(), waited_for_disk()
            mine.update(attempt(f"{system.name} {name}", lambda one=getattr(system, name): one(options.sizes), problems))
            mine.update({f"{name}_took_s": time.monotonic() - begun, f"{name}_disk_s": waited_for_disk() - waited})
    return figures


def measure(systems, options, problems):
    rounds = []
    for number in range(options.sizes.rounds):
        say(f"---- round {number + 1} of {options.sizes.rounds}")
        first = number * 3 % max(len(systems), 1)  # none is always first, or always after the same one
        rounds.append(measure_round(systems[first:] + systems[:first], options, problems))
    return rounds


def install_all(wanted):
    """(those that can be measured, {name: why not} of the others)"""
    there, refused = [], {}
    for system in wanted:
        try:
            install.install(system)
            there.append(system)
        except (RuntimeError, OSError) as problem:
            refused[system.name] = str(problem)
            say(f"{system.name} is not measured: {problem}")
    return there, refused


def chosen(parser, flag, text, known):
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        parser.error(f"{flag}: there is no {unknown[0]}; there are: {' '.join(known)}")
    return names


def read_options():
    parser = session.parser_of(__doc__, plots=False)
    known = [*DULYS, *(system.name for system in SYSTEMS)]
    parser.add_argument("--only", default=",".join(known), metavar="NAME,…", help=" ".join(known))
    parser.add_argument("--figures", default=",".join(FIGURES), metavar="NAME,…", help=" ".join(FIGURES))
    options = parser.parse_args()
    options.only = chosen(parser, "--only", options.only, known)
    options.figures = chosen(parser, "--figures", options.figures, FIGURES)
    options.sizes = session.sizes_of(options, PeerSizes)
    return options


def main():
    options = read_options()
    load_before, problems = os.getloadavg()[0], []
    wanted = [system for system in SYSTEMS if system.name in options.only]
    there, refused = install_all(wanted)
    with session.own_broker("peers") as (node, folder):
        ours = [one for one in duly.both(World(node, options.sizes, folder)) if one.name in options.only]
        rounds = measure([*ours, *(Peer(system, node, install.modules()) for system in there)], options, problems)
    medians = {name: table.median([one[name] for one in rounds]) for name in rounds[0]}
    about = {**machine(), "duly": run_once("duly-server", "--version").stdout.strip(), "load_before": load_before,
             "versions": install.versions(there)}
    settings = {**{name: getattr(options.sizes, name) for name in ("rounds", "enqueue_seconds", "batches", "lives", "rate", "rate_seconds",
                                                                   "waiting", "due_rate", "due_seconds", "sleepers", "sleep_ms", "at_once", "again_s")},
                "quick": options.quick, "shards": SHARDS, "payload_bytes": 256, "synchronous": "FULL", "queue_type": "quorum"}
    shown = report.markdown([*ours, *wanted], medians, refused, options.sizes)
    legend = report.legend([*ours, *wanted], options.sizes)
    tables = [(shown, legend)] if set(options.figures) - {"killed"} else []
    if "killed" in options.figures:
        tables.append((killed.markdown([*ours, *wanted], rounds, refused), killed.legend(options.sizes)))
    said = "\n\n".join(part for table in tables for part in table)
    print(json.dumps(settings) + "\n\n" + report.where(about, options.sizes) + "\n\n" + said)
    if options.quick:
        print("\n--quick: too few of everything for figures; this says that it runs.")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump({"machine": about, "settings": settings, "medians": medians, "rounds": rounds, "not_measured": refused,
                       "problems": problems, "said": said}, out, indent=1)
    for problem in problems:
        say(f"could not be measured: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
