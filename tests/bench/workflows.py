#!/usr/bin/env python3
"""Measures workflows end to end, on real processes: how long ten thousand commands that wait for each other take.

  workflows.py [--quick] [--rounds N] [--size N] [--shape NAME]... [--json FILE]

It starts its own RabbitMQ, server and three agents on loopback and prints JSON: for each shape and round the seconds
of the request, of the whole workflow (finished_at - created_at, by the server's clock) and of one look at it.  The work
is a no-op, so what is measured is Duly.  Nothing here is asserted: a slow machine makes a slow figure, not a red test.
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
sys.path.insert(0, HERE)

from figures import TTL_MS, machine, quantile, rss_mb  # noqa: E402
from lib.api import instant  # noqa: E402
from lib.cluster import Cluster  # noqa: E402
from lib.process import eventually  # noqa: E402
from lib.rabbit import Node  # noqa: E402

SIZE, DEPTH = 10_000, 1000  # the most that a workflow may have
TIMEOUT = 600


def node(name, parents=()):
    return {"name": name, "type": "builtin.noop", "depends_on": list(parents)}


def wide(size):
    """One, then all others at once, then one that waits for them."""
    middle = [f"n{i}" for i in range(size - 2)]
    return [node("first"), *(node(name, ["first"]) for name in middle), node("last", middle)]


def deep(size):
    """One chain, as long as it may be: the time of a step from one command to the next."""
    length = min(size, DEPTH)
    return [node(f"n{i}", [f"n{i - 1}"] if i else []) for i in range(length)]


def chains(size):
    """As many chains side by side as make up the size."""
    length = min(size // 10, DEPTH)
    return [node(f"c{c}-{i}", [f"c{c}-{i - 1}"] if i else []) for c in range(size // length) for i in range(length)]


def diamonds(size):
    """1 -> 99 -> 1 -> 99 ...: each layer waits for the last one of the layer above."""
    commands, neck = [], []
    for layer in range(size // 100):
        top = f"d{layer}"
        middle = [f"{top}-{i}" for i in range(99)]
        commands += [node(top, neck), *(node(name, [top]) for name in middle)]
        neck = middle
    return commands


def mesh(size):
    """Layers of 100, each command waits for ten of the layer above: the most dependencies that may be."""
    width, parents = 100, 10
    return [node(f"m{layer}-{i}", [f"m{layer - 1}-{(i + k) % width}" for k in range(parents)] if layer else [])
            for layer in range(size // width) for i in range(width)]


SHAPES = {shape.__name__: shape for shape in (wide, deep, chains, diamonds, mesh)}


def timed(call):
    begun = time.monotonic()
    answer = call()
    return time.monotonic() - begun, answer


def finished(cluster, id):
    """Looked for in the list, which has no nodes: looking costs little while it runs."""
    for item in cluster.api.get("/v1/workflows", limit=10)["items"]:
        if item["id"] == id and item["state"] != "running":
            return item
    return None


def starts_late(cluster, view, samples=500):
    """Milliseconds from the end of the last parent to the start of a command, of some of them."""
    ends = {entry["name"]: instant(entry["finished_at"]) for entry in view["commands"]}
    waited = [entry for entry in view["commands"] if entry["depends_on"]]
    late = []
    for entry in waited[:: max(1, len(waited) // samples)]:
        attempts = cluster.api.command(entry["id"])["attempts"]
        late.append(instant(attempts[0]["started_at"]) - max(ends[parent] for parent in entry["depends_on"]))
    return late


def run(cluster, name, commands):
    body = json.dumps({"name": name, "commands": commands}).encode()
    request_s, answer = timed(lambda: cluster.api.want(201, "POST", "/v1/workflows", body))
    id = answer.json["id"]
    done = eventually(f"{name} has ended", lambda: finished(cluster, id), TIMEOUT, 0.1)
    view_s, answer = timed(lambda: cluster.api.want(200, "GET", f"/v1/workflows/{id}"))
    whole_s = (instant(done["finished_at"]) - instant(done["created_at"])) / 1000
    late = starts_late(cluster, answer.json) if done["state"] == "succeeded" else []
    return {"state": done["state"], "commands": len(commands), "dependencies": sum(len(c["depends_on"]) for c in commands),
            "request_s": round(request_s, 3), "whole_s": whole_s, "commands_per_s": round(len(commands) / max(whole_s, 0.001)),
            "view_s": round(view_s, 3), "view_bytes": len(answer.body),
            "step_ms": {"p50": quantile(late, .5), "p99": quantile(late, .99), "samples": len(late)} if late else None}


def measure(options):
    figures = {"machine": machine(), "settings": {"lease_ttl_ms": TTL_MS, "shards": 16, "agents": 3}, "shapes": {}}
    rabbit = Node.start_new()
    cluster = Cluster(rabbit, ttl_ms=TTL_MS)
    try:
        cluster.start_server()
        cluster.start_agents("a0", "a1", "a2", concurrency=64)
        for name in options.shape or SHAPES:
            commands = SHAPES[name](options.size)
            rounds = figures["shapes"].setdefault(name, [])
            for _ in range(options.rounds):
                rounds.append(run(cluster, name, commands))
                print(f"  {name}: {rounds[-1]}", file=sys.stderr, flush=True)
        figures["memory_mb"] = {"server": rss_mb(cluster.server.pid), "agent": rss_mb(cluster.agents["a0"].pid)}
    finally:
        cluster.close()
        rabbit.close()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute, to see that it still works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, default=SIZE, help="commands of a workflow, of most shapes")
    parser.add_argument("--shape", action="append", choices=sorted(SHAPES), help="only this one; repeatable")
    parser.add_argument("--json", help="write the figures there too")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.size = 1, 500
    if not 100 <= options.size <= SIZE:
        parser.error(f"--size takes a number from 100 to {SIZE}")
    figures = measure(options)
    print(json.dumps(figures, indent=2))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(figures, out, indent=2)
    ended_well = all(one["state"] == "succeeded" for rounds in figures["shapes"].values() for one in rounds)
    return 0 if ended_well else 1


if __name__ == "__main__":
    sys.exit(main())
