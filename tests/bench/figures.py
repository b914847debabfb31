#!/usr/bin/env python3
"""Measures what docs/benchmarks/ shows: fail-over, lateness, start-up and memory, on real processes.

  figures.py [--quick] [--kills N] [--pauses N] [--stored N] [--json FILE]

It starts its own RabbitMQ, server and agents on loopback, prints one table, and exits 1 when nothing was measured.
Nothing here is asserted: a slow machine makes a slow figure, not a red test.
"""
import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from lib.api import instant  # noqa: E402
from lib.cluster import Cluster  # noqa: E402
from lib.process import eventually  # noqa: E402
from lib.rabbit import Node  # noqa: E402

RATE = 1000  # commands a second while agents are killed
TTL_MS = 5000
PAYLOAD = {"filler": "x" * 240}


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def rss_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return float("nan")


class Load(threading.Thread):
    """Submits RATE commands a second in batches of ten until stopped; answers are not kept."""

    def __init__(self, cluster):
        super().__init__(daemon=True)
        self.cluster, self.stopping, self.sent = cluster, threading.Event(), 0

    def run(self):
        begun = time.monotonic()
        batch = [{"type": "builtin.noop", "payload": PAYLOAD}] * 10
        while not self.stopping.is_set():
            if self.sent > (time.monotonic() - begun) * RATE:
                self.stopping.wait(0.002)
                continue
            self.cluster.api.batch(batch)
            self.sent += len(batch)

    def stop(self):
        self.stopping.set()
        self.join(30)


def first_queued_after(cluster, shards, since_ms, seconds=15):
    """Per shard, the milliseconds from `since_ms` (wall) to the first command queued after it."""
    found, deadline = {}, time.monotonic() + seconds
    while len(found) < len(shards) and time.monotonic() < deadline:
        time.sleep(0.3)
        page = cluster.api.get("/v1/commands", limit=1000)["items"]
        for item in reversed(page):  # the oldest first: the first of a shard that was queued since is the one
            if item["shard"] not in shards or item["shard"] in found or instant(item["created_at"]) < since_ms - 50:
                continue
            for attempt in cluster.api.command(item["id"])["attempts"][:1]:
                if attempt["queued_at"] and instant(attempt["queued_at"]) >= since_ms:
                    found[item["shard"]] = instant(attempt["queued_at"]) - since_ms
    return list(found.values()), len(shards) - len(found)


def fail_over(cluster, rounds, strike):
    """Strikes one of three agents each round under load; all samples and how many shards showed none in time."""
    samples, missing = [], 0
    for number in range(rounds):
        name = f"a{number % 3}"
        cluster.shards_even(30)
        shards = set(cluster.api.agent(name)["shards"])
        since_ms = time.time() * 1000
        strike(cluster, name)
        late, lacking = first_queued_after(cluster, shards, since_ms)
        samples += late
        missing += lacking
        revive(cluster, name)
    return samples, missing


def kill(cluster, name):
    cluster.agents[name].kill()


def pause(cluster, name):
    cluster.agents[name].signal(signal.SIGSTOP)


def revive(cluster, name):
    if cluster.agents[name].running():
        cluster.agents[name].signal(signal.SIGCONT)
    else:
        cluster.start_agent(name)


def lateness(cluster, seconds):
    """Submits RATE commands for each of `seconds` seconds to come, spread evenly, and compares start and due time."""
    start = int(time.time() * 1000) + 4000
    ids = []
    for second in range(seconds):
        due = [start + second * 1000 + i * 1000 // RATE for i in range(RATE)]
        texts = [datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc).isoformat() for ms in due]
        ids += cluster.api.batch([{"type": "builtin.noop", "payload": PAYLOAD, "due_at": text} for text in texts])
    time.sleep(max(0, start / 1000 + seconds - time.time()))
    cluster.idle(60)
    late = []
    for id in ids[:: max(1, len(ids) // 2000)]:
        command = cluster.api.command(id)
        late.append(instant(command["attempts"][0]["started_at"]) - instant(command["due_at"]))
    return late


def store_many(cluster, count):
    batch = [{"type": "builtin.noop", "payload": PAYLOAD, "delay_ms": 86_400_000}] * 5000
    begun = time.monotonic()
    for done in range(0, count, len(batch)):
        cluster.api.batch(batch)
        if done % 100_000 == 0:
            print(f"  stored {done + len(batch):,} of {count:,}", file=sys.stderr, flush=True)
    return count / (time.monotonic() - begun)


def restart(cluster):
    """Seconds from exec to ready after a kill -9."""
    cluster.server.kill()
    begun = time.monotonic()
    cluster.start_server(ready=False)
    eventually("ready", cluster.ready, 60, 0.005)
    return time.monotonic() - begun


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), "?")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE,
                            check=False).stdout.strip()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit,
            "date": datetime.date.today().isoformat()}


def measure(options):
    figures = {"machine": machine(), "settings": {"lease_ttl_ms": TTL_MS, "shards": 16, "agents": 3, "rate": RATE}}
    node = Node.start_new()
    cluster = Cluster(node, ttl_ms=TTL_MS)
    try:
        cluster.start_server()
        cluster.start_agents("a0", "a1", "a2")
        late = lateness(cluster, options.seconds)
        figures["lateness_ms"] = {"p50": quantile(late, .5), "p99": quantile(late, .99), "min": min(late), "samples": len(late)}
        load = Load(cluster)
        load.start()
        for name, rounds, strike in (("kill_ms", options.kills, kill), ("pause_ms", options.pauses, pause)):
            samples, missing = fail_over(cluster, rounds, strike)
            figures[name] = {"p50": quantile(samples, .5), "p99": quantile(samples, .99), "max": max(samples, default=0),
                             "samples": len(samples), "rounds": rounds, "missing": missing}
            print(f"  {name}: {figures[name]}", file=sys.stderr, flush=True)
        load.stop()
        cluster.idle(60)
        figures["stored"] = options.stored
        figures["stored_per_s"] = store_many(cluster, options.stored)
        figures["memory_mb"] = {"server": rss_mb(cluster.server.pid), "agent": rss_mb(cluster.agents["a0"].pid)}
        figures["start_s"] = [restart(cluster) for _ in range(3)]
        figures["memory_after_start_mb"] = rss_mb(cluster.server.pid)
        figures["database_bytes_per_command"] = os.path.getsize(os.path.join(cluster.data, "duly.db")) / options.stored
    finally:
        cluster.close()
        node.close()
    return figures


def table(f):
    rows = [("lateness, 1,000 due a second, p50 / p99", f"{f['lateness_ms']['p50']:.0f} / {f['lateness_ms']['p99']:.0f} ms"),
            ("earliest start before its due time", f"{max(0, -f['lateness_ms']['min']):.0f} ms")]
    for key, text in (("kill_ms", "agent killed (-9)"), ("pause_ms", "agent stopped (SIGSTOP)")):
        if f[key]["samples"]:
            rows.append((f"{text}: next command of its shards queued, p50 / p99 / max of {f[key]['samples']} shards, "
                         f"{f[key]['rounds']} times",
                         f"{f[key]['p50']:.0f} / {f[key]['p99']:.0f} / {f[key]['max']:.0f} ms"))
    rows += [(f"stored a second, batches of 5,000, up to {f['stored']:,}", f"{f['stored_per_s']:,.0f}"),
             (f"start to ready with {f['stored']:,} stored, three times", ", ".join(f"{s:.2f} s" for s in f["start_s"])),
             ("memory of the server / an agent with them", f"{f['memory_mb']['server']:.0f} / {f['memory_mb']['agent']:.0f} MB"),
             ("bytes in the database a command (256 B payload)", f"{f['database_bytes_per_command']:.0f}")]
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute, to see that it still works")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pauses", type=int, default=10)
    parser.add_argument("--stored", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=20, help="of the lateness measurement")
    parser.add_argument("--json", help="write the figures there too")
    options = parser.parse_args()
    if options.quick:
        options.kills, options.pauses, options.stored, options.seconds = 2, 1, 20_000, 3
    figures = measure(options)
    print(json.dumps(figures["machine"]))
    print("| figure | value |\n| --- | --- |\n" + table(figures))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as out:
            json.dump(figures, out, indent=2)
    return 0 if figures["kill_ms"]["samples"] else 1


if __name__ == "__main__":
    sys.exit(main())
