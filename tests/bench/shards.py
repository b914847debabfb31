#!/usr/bin/env python3
"""The shard map with many agents: what moves when they come, drain and die, in how many rounds, and what a plan costs.

  shards.py [--quick] [--json FILE]

It runs bench_shards (DULY_BIN, or build/bin), which drives the server's own map, and prints a table.  Exit 1 when shards
were left without a holder, or two agents more than one shard apart.
"""
import argparse
import json
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIZES = [(10, 64), (100, 1024), (1000, 4096)]
QUICK = SIZES[:2]


def measured(agents, shards):
    program = os.path.join(os.environ.get("DULY_BIN", os.path.join(ROOT, "build/bin")), "bench_shards")
    done = subprocess.run([program, "--agents", str(agents), "--shards", str(shards)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def complaints(run):
    for step in run["steps"]:
        if step["held"] != run["shards"]:
            yield f"{run['agents']} agents, {step['step']}: {run['shards'] - step['held']} shards have no holder"
        if step["most"] - step["least"] > 1:
            yield f"{run['agents']} agents, {step['step']}: {step['least']} to {step['most']} shards each"


def show(run):
    print(f"\n{run['agents']} agents, {run['shards']} shards\n")
    print("| step | moves | of them handed over | rounds | longest plan | shards an agent |")
    print("| --- | --- | --- | --- | --- | --- |")
    for step in run["steps"]:
        print(f"| {step['step']} | {step['moves']:,} | {step['handed_over']:,} | {step['rounds']} | {step['plan_ms_longest']:.2f} ms "
              f"| {step['least']} to {step['most']} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    runs = [measured(*size) for size in (QUICK if arguments.quick else SIZES)]
    for run in runs:
        show(run)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"runs": runs}, file, indent=1)
            file.write("\n")
    found = [complaint for run in runs for complaint in complaints(run)]
    for complaint in found:
        print(complaint, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
